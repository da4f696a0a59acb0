package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// backfillDDL is apart because installations from before it get the table when they first need it.
const backfillDDL = `create table if not exists $S.schemagate_backfill (
  service text not null,
  version text not null,
  checksum text not null default '',
  shape text not null default '',
  since bigint not null default 0,
  state text not null default '',
  reason text not null default '',
  pass int not null default 1,
  position text not null default '',
  walked bigint not null default 0,
  changed bigint not null default 0,
  batches bigint not null default 0,
  total bigint not null default -1,
  remaining bigint not null default -1,
  active_ms bigint not null default 0,
  wish text not null default '',
  wish_by text not null default '',
  term bigint not null default 0,
  holder text not null default '',
  release text not null default '',
  replica text not null default '',
  began_at timestamptz not null default pg_catalog.clock_timestamp(),
  updated_at timestamptz not null default pg_catalog.clock_timestamp(),
  primary key (service, version)
);
`

// progressJSON reads a row as a database.Progress.
const progressJSON = `pg_catalog.json_build_object('version', version, 'checksum', checksum, 'shape', shape, 'since', since, 'state', state,
  'reason', reason, 'pass', pass, 'position', "position", 'walked', walked, 'changed', changed, 'batches', batches, 'total', total,
  'remaining', remaining, 'active_ms', active_ms, 'wish', wish, 'wish_by', wish_by, 'replica', replica, 'updated_at', updated_at)::text`

// Backfills lists the progress of a service's backfills.
func (d *DB) Backfills(ctx context.Context, service string) ([]database.Progress, error) {
	if d.schema == "" { // settles where the tables lie
		v, err := d.Look(ctx, database.Query{Since: -1})
		if err != nil || !v.Ready && d.schema == "" {
			return nil, err
		}
	}
	rows, err := d.query(ctx, "select "+progressJSON+" from "+d.table("backfill")+" where service = $1 order by version", service)
	if c := code(err); c == "42P01" || c == "3F000" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]database.Progress, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row, &out[i]); err != nil {
			return nil, fmt.Errorf("read the progress: %w", err)
		}
	}
	return out, nil
}

// Wish leaves the operator's word. It needs no term: the leader obeys it between batches.
func (d *DB) Wish(ctx context.Context, service, version, wish, by string) error {
	if _, err := d.Look(ctx, database.Query{Since: -1}); err != nil {
		return err
	}
	if err := d.backfillTable(ctx); err != nil {
		return err
	}
	_, err := d.query(ctx, "insert into "+d.table("backfill")+" as b (service, version, wish, wish_by, state) values ($1, $2, $3, $4, 'pending') "+
		"on conflict (service, version) do update set wish = $3, wish_by = $4, state = case when $3 = '' and b.state in ('failed', 'cancelled') "+
		"then 'pending' else b.state end returning b.version", service, version, wish, by)
	return err
}

// backfillTable makes the table where it is not there.
func (d *DB) backfillTable(ctx context.Context) error {
	if _, err := d.query(ctx, "select from "+d.table("backfill")+" limit 0"); code(err) != "42P01" {
		return err
	}
	if d.schema == "" {
		return fmt.Errorf("%w: schemagate has no tables here yet", database.ErrConfig)
	}
	conn, err := d.control(ctx)
	if err != nil {
		return err
	}
	_, err = script(ctx, conn, "set local lock_timeout = '2s';"+strings.ReplaceAll(backfillDDL, "$S", ident(d.schema)))
	switch code(err) {
	case "23505", "42P07", "42710": // somebody else was quicker
		return nil
	}
	return err
}

// keyType is what the catalogue says of a key's column.
type keyTypes []string

// literals are the key's values, of the columns' own types.
func (t keyTypes) literals(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.TrimSpace(lit(v)) + "::" + t[i]
	}
	return out
}

// keys checks the key, and learns its types.
func (s *session) keys(ctx context.Context, b database.Backfill) (keyTypes, error) {
	if t, ok := s.types[b.Version]; ok {
		return t, nil
	}
	desc, err := s.conn.Prepare(ctx, "", "select "+strings.Join(b.Key, ", ")+" from "+b.Table, nil)
	if err != nil {
		return nil, s.batchError(ctx, b, b.Line, err, 0)
	}
	fields := desc.Fields
	if len(fields) != len(b.Key) {
		return nil, b.Fault("key=%s: give plain columns", strings.Join(b.Key, ","))
	}
	var sel, attrs []string
	for _, f := range fields {
		if f.TableOID == 0 || f.TableOID != fields[0].TableOID {
			return nil, b.Fault("key=%s: give plain columns of a table", strings.Join(b.Key, ","))
		}
		sel = append(sel, fmt.Sprintf("pg_catalog.format_type(%d, -1)", f.DataTypeOID))
		attrs = append(attrs, fmt.Sprint(f.TableAttributeNumber))
	}
	list := strings.Join(attrs, ",")
	rows, err := column(ctx, s.conn, fmt.Sprintf(`select pg_catalog.json_build_object('types', array[%s],
  'unique', exists (select from pg_catalog.pg_index i where i.indrelid = %d and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and (select bool_and(k = any (array[%s])) from pg_catalog.unnest(i.indkey::int2[]) with ordinality u(k, n) where n <= i.indnkeyatts)),
  'filled', (select bool_and(attnotnull) from pg_catalog.pg_attribute where attrelid = %d and attnum = any (array[%s])))::text`,
		strings.Join(sel, ", "), fields[0].TableOID, list, fields[0].TableOID, list))
	if err != nil {
		return nil, err
	}
	var k struct {
		Types          []string
		Unique, Filled bool
	}
	if err := json.Unmarshal(rows[0], &k); err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if !k.Unique || !k.Filled {
		return nil, b.Fault("key=%s of %s: rows could be passed over: its columns must hold no null, and be unique together by an index", strings.Join(b.Key, ","), b.Table)
	}
	if s.types == nil {
		s.types = map[string]keyTypes{}
	}
	s.types[b.Version] = k.Types
	return k.Types, nil
}

// batchError sorts an error of a batch. What another transaction had the better of, is tried again like a lock.
func (s *session) batchError(ctx context.Context, b database.Backfill, line int, err error, took time.Duration) error {
	c := database.Change{File: b.File, StatementTimeout: b.StatementTimeout}
	switch code(err) {
	case "40P01", "40001":
		return fmt.Errorf("%w: %w", database.ErrBlocked, err)
	}
	return s.blame(ctx, c, database.Statement{Line: line}, err, took)
}

func (s *session) rowOf(b database.Backfill) string {
	return " where service =" + lit(b.Service) + " and version =" + lit(b.Version)
}

// Begin returns the recorded progress, or a fresh start's.
func (s *session) Begin(ctx context.Context, b database.Backfill) (database.Progress, error) {
	if err := s.db.backfillTable(ctx); err != nil {
		return database.Progress{}, err
	}
	res, err := s.enter(ctx, s.conn, "select "+progressJSON+" from "+s.db.table("backfill")+s.rowOf(b))
	if err != nil {
		return database.Progress{}, err
	}
	p := b.Fresh()
	if len(res[0].Rows) == 1 {
		var have database.Progress
		if err := json.Unmarshal(res[0].Rows[0][0], &have); err != nil {
			rollback(s.conn)
			return p, fmt.Errorf("read the progress: %w", err)
		}
		p, _ = b.Continues(have)
	}
	p, err = s.store(ctx, b, p, "")
	if err != nil {
		return p, err
	}
	_, err = s.keys(ctx, b)
	return p, err
}

// store writes the progress and what else is to be written, and commits.
func (s *session) store(ctx context.Context, b database.Backfill, p database.Progress, more string) (database.Progress, error) {
	columns := []struct{ name, value string }{
		{"checksum", lit(p.Checksum)}, {"shape", lit(p.Shape)}, {"since", num(p.Since)}, {"state", lit(p.State)}, {"reason", lit(p.Reason)},
		{"pass", num(p.Pass)}, {`"position"`, lit(p.Position)}, {"walked", num(p.Walked)}, {"changed", num(p.Changed)}, {"batches", num(p.Batches)},
		{"total", num(p.Total)}, {"remaining", num(p.Left)}, {"active_ms", num(p.ActiveMS)}, {"term", num(s.term.Number)}, {"holder", lit(s.term.Holder)},
		{"release", lit(s.origin.Release)}, {"replica", lit(s.origin.Replica)}, {"updated_at", "pg_catalog.clock_timestamp()"},
	}
	names, values, sets := "service, version", lit(b.Service)+","+lit(b.Version), ""
	for i, c := range columns {
		names, values = names+", "+c.name, values+", "+c.value
		if i > 0 {
			sets += ", "
		}
		sets += c.name + " = excluded." + c.name
	}
	res, err := s.conn.Exec(ctx, "reset session authorization; reset role; "+more+"insert into "+s.db.table("backfill")+" as b ("+names+") values ("+values+
		") on conflict (service, version) do update set "+sets+" returning b.wish, b.wish_by; commit").ReadAll()
	if err == nil {
		if tag := res[len(res)-1].CommandTag.String(); tag != "COMMIT" {
			return p, fmt.Errorf("commit: the server answered %s", tag)
		}
		row := res[len(res)-2].Rows[0]
		p.Wish, p.WishBy = string(row[0]), string(row[1])
		p.Replica = s.origin.Replica
		return p, nil
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) && (class(pe.Code) == nil || pe.Code == "40P01" || pe.Code == "40001" || pe.Code == "55P03") || s.conn.TxStatus() == 'E' {
		rollback(s.conn) // certainly not committed
		if pe != nil && class(pe.Code) == nil {
			return p, s.batchError(ctx, b, b.Line, err, 0) // a deferred constraint, say
		}
		return p, fmt.Errorf("%w: %w", database.ErrBlocked, classify(s.conn, err))
	}
	_ = s.conn.Close(context.WithoutCancel(ctx))
	return p, fmt.Errorf("%w: commit: %w", database.ErrUnknown, err)
}

// span asks for the number, the first and the last of the next keys, as ISO text whatever the session's settings are.
func (s *session) span(b database.Backfill, types keyTypes, position string, limit int) (string, error) {
	after, err := database.Keys(position)
	if err != nil || len(after) > 0 && len(after) != len(b.Key) {
		return "", b.Fault("the recorded cursor does not fit the key: %v", err)
	}
	var conds []string
	if len(after) > 0 {
		conds = append(conds, database.Rows(b.Key, types.literals(after), ">"))
	}
	if b.Where != "" {
		conds = append(conds, "("+b.Where+")")
	}
	where := ""
	if len(conds) > 0 {
		where = " where " + strings.Join(conds, " and ")
	}
	var names, down, first, last []string
	for i := range b.Key {
		n := fmt.Sprintf("schemagate_k%d", i)
		names, down = append(names, n), append(down, n+" desc")
		first, last = append(first, "f."+n+"::text"), append(last, "l."+n+"::text")
	}
	k, order := "schemagate_k ("+strings.Join(names, ", ")+")", strings.Join(b.Key, ", ")
	return "set local datestyle = 'ISO, YMD'; set local extra_float_digits = 1; with " + k + " as materialized (select " + order + " from " + b.Table + where +
		" order by " + order + " limit " + num(limit) + ") select (select count(*) from schemagate_k), " + strings.Join(append(first, last...), ", ") +
		" from (select * from schemagate_k order by " + strings.Join(names, ", ") + " limit 1) f, (select * from schemagate_k order by " + strings.Join(down, ", ") +
		" limit 1) l; set local datestyle to default; set local extra_float_digits to default; ", nil
}

// Batch moves the next keys in one transaction with the fence's check, the cursor and the counters.
func (s *session) Batch(ctx context.Context, b database.Backfill, p database.Progress, limit int) (database.Progress, int, error) {
	began := time.Now()
	types, err := s.keys(ctx, b)
	if err != nil {
		return p, 0, err
	}
	span, err := s.span(b, types, p.Position, limit)
	if err != nil {
		return p, 0, err
	}
	if _, err := s.enter(ctx, s.conn, limits(database.Change{LockTimeout: b.LockTimeout, StatementTimeout: b.StatementTimeout})); err != nil {
		return p, 0, err
	}
	n, err := s.move(ctx, b, types, span, &p)
	if err != nil || n == 0 {
		rollback(s.conn)
		return p, 0, err
	}
	p.Batches++
	p.Walked += int64(n)
	p.ActiveMS += max(1, time.Since(began).Milliseconds())
	if p, err = s.store(ctx, b, p, ""); err != nil {
		return p, 0, err
	}
	return p, n, nil
}

// move runs the statements of one batch inside the transaction under way.
func (s *session) move(ctx context.Context, b database.Backfill, types keyTypes, span string, p *database.Progress) (int, error) {
	res, err := s.conn.Exec(ctx, span).ReadAll()
	if err != nil {
		return 0, s.batchError(ctx, b, b.Line, err, 0)
	}
	n, from, to := 0, []string(nil), []string(nil)
	for _, r := range res {
		for _, row := range r.Rows {
			_, err = fmt.Sscan(string(row[0]), &n)
			for i := range b.Key {
				from, to = append(from, string(row[1+i])), append(to, string(row[1+len(b.Key)+i]))
			}
		}
	}
	if err != nil || n == 0 {
		return 0, err
	}
	if p.Position, err = database.Position(to); err != nil {
		return 0, err
	}
	marks := b.Marks(types.literals(from), types.literals(to), database.Rows)
	for _, st := range b.Statements {
		began := time.Now()
		res, err := s.conn.Exec(ctx, st.Fill(marks)).ReadAll()
		if err != nil {
			return 0, s.batchError(ctx, b, st.Line, err, time.Since(began))
		}
		if s.conn.TxStatus() != 'T' {
			return 0, &database.StatementError{File: b.File, Line: st.Line, Message: "the statement ended the transaction it ran in; take transaction control out of it"}
		}
		for _, r := range res {
			p.Changed += r.CommandTag.RowsAffected()
		}
	}
	if p.Batches == 0 && b.Where != "" { // the first batch proves that the statement and the condition agree
		rows, err := column(ctx, s.conn, "select count(*) from "+b.Table+" where "+marks["batch"])
		if err != nil {
			return 0, err
		}
		if string(rows[0]) == fmt.Sprint(n) {
			return 0, b.Fault("where= still holds for all %d rows of the first batch after its statement; nothing was changed", n)
		}
	}
	return n, nil
}

// Left counts what is left.
func (s *session) Left(ctx context.Context, b database.Backfill) (int64, error) {
	sql := b.Left
	if b.Where != "" {
		sql = "select count(*) from " + b.Table + " where (" + b.Where + ")"
	}
	return s.number(ctx, b, sql)
}

// Total is the catalogue's guess of a large table, and a count of a small one.
func (s *session) Total(ctx context.Context, b database.Backfill) (int64, error) {
	n, err := s.number(ctx, b, "select reltuples::bigint from pg_catalog.pg_class where oid = "+strings.TrimSpace(lit(b.Table))+"::pg_catalog.regclass")
	if err == nil && n < 100_000 {
		n, err = s.number(ctx, b, "select count(*) from (select from "+b.Table+" limit 200000) c")
	}
	return n, err
}

func (s *session) number(ctx context.Context, b database.Backfill, sql string) (n int64, err error) {
	res, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return 0, s.batchError(ctx, b, b.Line, err, 0)
	}
	if len(res) != 1 || len(res[0].Rows) != 1 || len(res[0].Rows[0]) != 1 {
		return 0, b.Fault("left= is to answer one number")
	}
	if _, err = fmt.Sscan(string(res[0].Rows[0][0]), &n); err != nil {
		return 0, b.Fault("left= is to answer one whole number, and answered %q", res[0].Rows[0][0])
	}
	return n, nil
}

// Mark records the progress and events under the fence.
func (s *session) Mark(ctx context.Context, b database.Backfill, p database.Progress, events ...database.Event) (database.Progress, error) {
	if _, err := s.enter(ctx, s.conn, ""); err != nil {
		return p, err
	}
	return s.store(ctx, b, p, s.insert(events))
}

var (
	_ database.Batcher   = (*session)(nil)
	_ database.Backfills = (*DB)(nil)
)
