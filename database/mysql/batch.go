package mysql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/database"
)

// backfillDDL is apart because installations from before it get the table when they first need it.
const backfillDDL = `create table if not exists $S.schemagate_backfill (
  service varchar(190) not null,
  version varchar(190) not null,
  checksum varchar(190) not null default '',
  shape text not null,
  since bigint not null default 0,
  state varchar(64) not null default 'pending',
  reason text not null,
  pass int not null default 1,
  position text not null,
  walked bigint not null default 0,
  changed bigint not null default 0,
  batches bigint not null default 0,
  total bigint not null default -1,
  remaining bigint not null default -1,
  active_ms bigint not null default 0,
  wish varchar(64) not null default '',
  wish_by varchar(190) not null default '',
  term bigint not null default 0,
  holder varchar(64) not null default '',
  ` + "`release`" + ` text not null,
  replica text not null,
  updated_at datetime(6) not null,
  primary key (service, version)
`

const progressColumns = "version, checksum, shape, since, state, reason, pass, position, walked, changed, batches, total, remaining, active_ms, wish, wish_by, replica, " +
	"date_format(updated_at, '%Y-%m-%dT%H:%i:%s.%fZ')"

func progressOf(r []string) (p database.Progress, err error) {
	var n numbers
	p = database.Progress{Version: r[0], Checksum: r[1], Shape: r[2], Since: n.of(r[3]), State: r[4], Reason: r[5], Pass: int(n.of(r[6])), Position: r[7],
		Walked: n.of(r[8]), Changed: n.of(r[9]), Batches: n.of(r[10]), Total: n.of(r[11]), Left: n.of(r[12]), ActiveMS: n.of(r[13]), Wish: r[14], WishBy: r[15], Replica: r[16]}
	if n.err != nil {
		return p, n.err
	}
	p.UpdatedAt, err = time.Parse(time.RFC3339Nano, r[17])
	return p, err
}

// Backfills lists the progress of a service's backfills.
func (d *DB) Backfills(ctx context.Context, service string) ([]database.Progress, error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	rows, err := c.rows(ctx, "SELECT "+progressColumns+" FROM "+d.table("backfill")+" WHERE service = "+lit(service)+" ORDER BY version")
	if code(err) == 1146 {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err)
	}
	out := make([]database.Progress, len(rows))
	for i, r := range rows {
		if out[i], err = progressOf(r); err != nil {
			return nil, fmt.Errorf("read the progress: %w", err)
		}
	}
	return out, nil
}

// Wish leaves the operator's word. It needs no term: the leader obeys it between batches.
func (d *DB) Wish(ctx context.Context, service, version, wish, by string) error {
	c, err := d.control(ctx, true)
	if err != nil {
		return err
	}
	if err := d.backfillTable(ctx, c); err != nil {
		return err
	}
	return c.run(ctx, "INSERT INTO "+d.table("backfill")+" (service, version, shape, reason, position, `release`, replica, wish, wish_by, updated_at) VALUES ("+
		lit(service)+", "+lit(version)+", '', '', '', '', '', "+lit(wish)+", "+lit(by)+", UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE "+
		"state = IF("+lit(wish)+" = '' AND state IN ('failed', 'cancelled'), 'pending', state), wish = "+lit(wish)+", wish_by = "+lit(by))
}

// backfillTable makes the table where it is not there.
func (d *DB) backfillTable(ctx context.Context, c *conn) error {
	_, err := c.rows(ctx, "SELECT 1 FROM "+d.table("backfill")+" LIMIT 0")
	if code(err) == 1146 {
		_, err = c.exec(ctx, strings.ReplaceAll(backfillDDL, "$S", ident(d.schema))+") engine = InnoDB default character set utf8mb4 collate utf8mb4_bin")
	}
	if err == nil || code(err) == 1050 {
		return nil
	}
	return classify(err)
}

// mover is the connection that runs the batches' statements, apart from our own.
func (s *session) moverConn(ctx context.Context) (*conn, error) {
	if s.mover != nil && !s.mover.broken {
		return s.mover, nil
	}
	if err := s.reopen(ctx); err != nil {
		return nil, err
	}
	if s.mover != nil {
		s.drop(ctx, s.mover)
		s.mover = nil
	}
	c, err := s.open(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := c.run(ctx, "SET NAMES utf8mb4"); err != nil {
		s.drop(ctx, c)
		return nil, err
	}
	s.mover = c
	return c, nil
}

// batchError sorts an error of a batch. What another transaction had the better of, is tried again like a lock.
func (s *session) batchError(b database.Backfill, line int, err error) error {
	var me *mysql.MySQLError
	if !errors.As(err, &me) {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, err)
	}
	se := &database.StatementError{File: b.File, Line: line, Code: strconv.Itoa(int(me.Number)), Message: message(me), Err: me}
	if n := syntaxLine(me); n > 0 {
		se.Line += n - 1
	}
	switch me.Number {
	case 1969, 3024:
		se.Hint = "SCHEMAGATE_STATEMENT_TIMEOUT"
	case 1205, 1213, 1020:
		return fmt.Errorf("%w: %w", database.ErrBlocked, se)
	}
	if why := class(me); why != nil {
		return fmt.Errorf("%w: %w", why, se)
	}
	return se
}

// Begin returns the recorded progress, or a fresh start's.
func (s *session) Begin(ctx context.Context, b database.Backfill) (database.Progress, error) {
	p := b.Fresh()
	for _, st := range b.Statements {
		if !isData(st.Fill(nil)) {
			return p, &database.StatementError{File: b.File, Line: st.Line, Message: "a batch can only change data: this statement would commit by itself"}
		}
	}
	if err := s.reopen(ctx); err != nil {
		return p, err
	}
	if err := s.db.backfillTable(ctx, s.own); err != nil {
		return p, err
	}
	if err := s.enter(ctx, s.own); err != nil {
		return p, err
	}
	rows, err := s.own.rows(ctx, "SELECT "+progressColumns+" FROM "+s.db.table("backfill")+" WHERE service = "+lit(b.Service)+" AND version = "+lit(b.Version))
	if err == nil && len(rows) == 1 {
		var have database.Progress
		if have, err = progressOf(rows[0]); err == nil {
			p, _ = b.Continues(have)
		}
	}
	if err != nil {
		rollback(ctx, s.own)
		return p, classify(err)
	}
	if p, err = s.store(ctx, s.own, b, p); err != nil {
		return p, err
	}
	c, err := s.moverConn(ctx)
	if err == nil {
		_, err = s.keyKinds(ctx, c, b)
	}
	return p, err
}

// store writes the progress and the events, and commits.
func (s *session) store(ctx context.Context, c *conn, b database.Backfill, p database.Progress, events ...database.Event) (database.Progress, error) {
	columns := []struct{ name, value string }{
		{"checksum", lit(p.Checksum)}, {"shape", lit(p.Shape)}, {"since", num(p.Since)}, {"state", lit(p.State)}, {"reason", lit(p.Reason)}, {"pass", num(p.Pass)},
		{"position", lit(p.Position)}, {"walked", num(p.Walked)}, {"changed", num(p.Changed)}, {"batches", num(p.Batches)}, {"total", num(p.Total)},
		{"remaining", num(p.Left)}, {"active_ms", num(p.ActiveMS)}, {"term", num(s.term.Number)}, {"holder", lit(s.term.Holder)},
		{"`release`", lit(s.origin.Release)}, {"replica", lit(s.origin.Replica)}, {"updated_at", "UTC_TIMESTAMP(6)"},
	}
	names, values, sets := "service, version", lit(b.Service)+", "+lit(b.Version), ""
	for i, col := range columns {
		names, values = names+", "+col.name, values+", "+col.value
		if i > 0 {
			sets += ", "
		}
		sets += col.name + " = VALUES(" + col.name + ")"
	}
	var statements []string
	for _, e := range events {
		statements = append(statements, s.insert(e))
	}
	if c != s.own {
		reset := "SET SESSION timestamp = DEFAULT"
		if s.maria {
			reset += ", max_statement_time = 0"
		}
		statements = append(statements, reset)
	}
	statements = append(statements, "INSERT INTO "+s.db.table("backfill")+" ("+names+") VALUES ("+values+") ON DUPLICATE KEY UPDATE "+sets)
	if err := c.run(ctx, statements...); err != nil {
		rollback(ctx, c)
		return p, err
	}
	rows, err := c.rows(ctx, "SELECT wish, wish_by FROM "+s.db.table("backfill")+" WHERE service = "+lit(b.Service)+" AND version = "+lit(b.Version))
	if err == nil {
		err = c.run(ctx, stillIn)
	}
	if err != nil {
		rollback(ctx, c)
		return p, err
	}
	if _, err = c.exec(ctx, "COMMIT"); err != nil {
		if code(err) != 0 && !c.broken { // a cluster's certification, say: certainly not committed
			rollback(ctx, c)
			return p, fmt.Errorf("%w: commit: %w", database.ErrBlocked, classify(err))
		}
		return p, fmt.Errorf("%w: commit: %w", database.ErrUnknown, err)
	}
	p.Wish, p.WishBy, p.Replica = rows[0][0], rows[0][1], s.origin.Replica
	return p, nil
}

// Batch moves the next keys in one transaction with the fence's check, the cursor and the counters.
func (s *session) Batch(ctx context.Context, b database.Backfill, p database.Progress, limit int) (database.Progress, int, error) {
	began := time.Now()
	c, err := s.moverConn(ctx)
	if err != nil {
		return p, 0, err
	}
	kinds, err := s.keyKinds(ctx, c, b)
	if err != nil {
		return p, 0, err
	}
	if err := s.enter(ctx, c); err != nil {
		return p, 0, err
	}
	n, err := s.move(ctx, c, b, kinds, limit, &p)
	if err != nil || n == 0 {
		rollback(ctx, c)
		return p, 0, err
	}
	p.Batches++
	p.Walked += int64(n)
	p.ActiveMS += max(1, time.Since(began).Milliseconds())
	if p, err = s.store(ctx, c, b, p); err != nil {
		return p, 0, err
	}
	return p, n, nil
}

// move runs the statements of one batch inside the transaction under way.
func (s *session) move(ctx context.Context, c *conn, b database.Backfill, kinds []keyKind, limit int, p *database.Progress) (int, error) {
	if err := c.run(ctx, s.limits(database.Change{LockTimeout: b.LockTimeout, StatementTimeout: b.StatementTimeout})); err != nil {
		return 0, err
	}
	after, err := database.Keys(p.Position)
	if err != nil || len(after) > 0 && len(after) != len(b.Key) {
		return 0, b.Fault("the recorded cursor does not fit the key: %v", err)
	}
	var conds, shown []string
	if len(after) > 0 {
		conds = append(conds, "("+database.Columns(b.Key, literals(kinds, after), ">")+")")
	}
	if b.Where != "" {
		conds = append(conds, "("+b.Where+")")
	}
	where := ""
	if len(conds) > 0 {
		where = " WHERE " + strings.Join(conds, " AND ")
	}
	for i, k := range b.Key {
		if kinds[i] == keyBytes {
			k = "hex(" + k + ")"
		}
		shown = append(shown, k)
	}
	keys, err := c.rows(ctx, "SELECT "+strings.Join(shown, ", ")+" FROM "+b.Table+where+" ORDER BY "+strings.Join(b.Key, ", ")+" LIMIT "+num(limit))
	if err != nil || len(keys) == 0 {
		if err != nil {
			err = s.batchError(b, b.Line, err)
		}
		return 0, err
	}
	from, to := keys[0], keys[len(keys)-1]
	if p.Position, err = database.Position(to); err != nil {
		return 0, err
	}
	marks := b.Marks(literals(kinds, from), literals(kinds, to), database.Columns)
	for _, st := range b.Statements {
		met, err := c.exec(ctx, st.Fill(marks))
		if err != nil {
			return 0, s.batchError(b, st.Line, err)
		}
		p.Changed += met
	}
	if p.Batches == 0 && b.Where != "" { // the first batch proves that the statement and the condition agree
		left, err := s.number(ctx, c, b, "SELECT COUNT(*) FROM "+b.Table+" WHERE "+marks["batch"])
		if err != nil {
			return 0, err
		}
		if left == int64(len(keys)) {
			return 0, b.Fault("where= still holds for all %d rows of the first batch after its statement; nothing was changed", left)
		}
	}
	return len(keys), nil
}

// Left counts what is left.
func (s *session) Left(ctx context.Context, b database.Backfill) (int64, error) {
	if b.Where != "" {
		return s.count(ctx, b, "SELECT COUNT(*) FROM "+b.Table+" WHERE ("+b.Where+")")
	}
	return s.count(ctx, b, b.Left)
}

// Total counts.
func (s *session) Total(ctx context.Context, b database.Backfill) (int64, error) {
	return s.count(ctx, b, "SELECT COUNT(*) FROM "+b.Table)
}

func (s *session) count(ctx context.Context, b database.Backfill, sql string) (int64, error) {
	c, err := s.moverConn(ctx)
	if err != nil {
		return 0, err
	}
	return s.number(ctx, c, b, sql)
}

func (s *session) number(ctx context.Context, c *conn, b database.Backfill, sql string) (int64, error) {
	rows, err := c.rows(ctx, sql)
	if err != nil {
		return 0, s.batchError(b, b.Line, err)
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, b.Fault("left= is to answer one number")
	}
	f, err := strconv.ParseFloat(rows[0][0], 64) // SUM answers a decimal
	if err != nil || f != math.Trunc(f) {
		return 0, b.Fault("left= is to answer one whole number, and answered %q", rows[0][0])
	}
	return int64(f), nil
}

// Mark records the progress and events under the fence.
func (s *session) Mark(ctx context.Context, b database.Backfill, p database.Progress, events ...database.Event) (database.Progress, error) {
	if err := s.reopen(ctx); err != nil {
		return p, err
	}
	if err := s.enter(ctx, s.own); err != nil {
		return p, err
	}
	return s.store(ctx, s.own, b, p, events...)
}

var (
	_ database.Batcher   = (*session)(nil)
	_ database.Backfills = (*DB)(nil)
)
