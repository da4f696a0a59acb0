package lint_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/test/servers"
)

// modes of table locks from the weakest, in the words of pg_locks.
var modes = []string{"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}

// modeName is a mode of pg_locks in the words of the manual.
func modeName(mode string) string {
	var b strings.Builder
	for i, r := range strings.TrimSuffix(mode, "Lock") {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// heavyFrom is the weakest mode that blocks writers.
var heavyFrom = slices.Index(modes, "ShareLock")

// reads are the rules that claim to read, or to index, every row.
var reads = []string{"index-without-concurrently", "set-not-null", "check-without-not-valid", "foreign-key-without-not-valid", "unique-without-index",
	"exclusion-constraint", "attach-partition-scan", "unbatched-update", "unbatched-delete"}

// state is what the server says of a table.
type state struct {
	name string
	file uint32 // changes when the table is written anew
	mode int    // of the strongest lock that our session has, -1 none
	held []string
	read int64 // rows, in this transaction
}

type bench struct {
	t       *testing.T
	conn    *pgx.Conn
	blocker *pgx.Conn
	watcher *pgx.Conn
	base    map[uint32]string // tables of the base schema
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// reset brings the base schema back.
func (b *bench) reset() {
	b.t.Helper()
	b.exec(b.conn, "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS audit CASCADE; CREATE SCHEMA public;"+base)
	b.base = map[uint32]string{}
	for oid, s := range b.look() {
		b.base[oid] = s.name
	}
}

func (b *bench) exec(c *pgx.Conn, sql string) {
	b.t.Helper()
	if _, err := c.Exec(b.t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// look asks for the tables and views that there are.
func (b *bench) look() map[uint32]state {
	b.t.Helper()
	rows, err := b.conn.Query(b.t.Context(), `select c.oid, case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname, coalesce(pg_relation_filenode(c.oid), 0),
  coalesce((select array_agg(mode) from pg_locks l where l.relation = c.oid and l.pid = pg_backend_pid() and l.granted), '{}'),
  pg_stat_get_xact_tuples_returned(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm') and n.nspname in ('public', 'audit')`)
	if err != nil {
		b.t.Fatal(err)
	}
	found := map[uint32]state{}
	var oid uint32
	var s state
	var held []string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &s.name, &s.file, &held, &s.read}, func() error {
		s.mode, s.held = -1, slices.Clone(held)
		for _, m := range held {
			s.mode = max(s.mode, slices.Index(modes, m))
		}
		found[oid] = s
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return found
}

// TestOnPostgres runs every file of the corpus. What a finding says of locks, rewrites and refusals must be so; and what is not warned
// of takes no lock that keeps writers out for as long as a table is large: it reads no row of it meanwhile and writes it not anew.
func TestOnPostgres(t *testing.T) {
	url := servers.SharedPostgres(t).NewDatabase(t)
	b := &bench{t: t, conn: connect(t, url), blocker: connect(t, url), watcher: connect(t, url)}
	for _, c := range corpus(t) {
		b.reset()
		set := load(t, migrations.Postgres, c.files...)
		r := run(t, migrations.Postgres, set)
		for _, m := range set.Migrations[1:] {
			var mine []lint.Finding
			for _, f := range slices.Concat(r.Findings, r.Silenced) {
				if f.Version == m.Version {
					mine = append(mine, f)
				}
			}
			b.file(c.name, m.Up, mine)
		}
	}
}

// of are the findings about a statement: those from its line up to the next one's.
func of(fs []lint.Finding, s migrations.Script, i int) (mine []lint.Finding) {
	for _, f := range fs {
		if f.Line >= s.Statements[i].Line && (i+1 == len(s.Statements) || f.Line < s.Statements[i+1].Line) {
			mine = append(mine, f)
		}
	}
	return mine
}

// file runs one file as the runner would.
func (b *bench) file(name string, s migrations.Script, findings []lint.Finding) {
	b.t.Helper()
	ctx := b.t.Context()
	if s.NoTransaction {
		for i, st := range s.Statements {
			b.outside(name, st.SQL, of(findings, s, i))
		}
		return
	}
	tx, err := b.conn.Begin(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	refused := ""
	for i, st := range s.Statements {
		mine := of(findings, s, i)
		before := b.look()
		// The engine puts a batch's keys in.
		_, err := tx.Exec(ctx, strings.Replace(st.SQL, ":batch", "id BETWEEN 1 AND 2", 1), pgx.QueryExecModeSimpleProtocol)
		if refused = refusal(err); refused != "" {
			b.refused(name, refused, mine)
			return
		}
		if err != nil {
			b.t.Errorf("%s: %v", name, err)
			return
		}
		b.compare(name, before, b.look(), mine)
	}
	if i := slices.IndexFunc(findings, func(f lint.Finding) bool { return ruleOf(f).Fails != "" }); i >= 0 {
		b.t.Errorf("%s: %s says that PostgreSQL refuses it with %s; it did not", name, findings[i].Rule, ruleOf(findings[i]).Fails)
	}
	if err := tx.Commit(ctx); err != nil {
		b.t.Errorf("%s: %v", name, err)
	}
}

func ruleOf(f lint.Finding) lint.Rule {
	return lint.Rules()[slices.IndexFunc(lint.Rules(), func(r lint.Rule) bool { return r.ID == f.Rule })]
}

// refusal is the server's code for refusing a statement for what it is; missing objects and the like are a case's mistake.
func refusal(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code
	}
	return ""
}

func (b *bench) refused(name, code string, fs []lint.Finding) {
	b.t.Helper()
	if !slices.ContainsFunc(fs, func(f lint.Finding) bool { return ruleOf(f).Fails == code }) {
		b.t.Errorf("%s: refused with %s, and %v does not say so", name, code, briefly(fs))
	}
}

// compare holds the claims against what the server shows.
func (b *bench) compare(name string, before, after map[uint32]state, fs []lint.Finding) {
	b.t.Helper()
	for _, f := range fs {
		if f.Lock == "" || f.Table == "" {
			continue
		}
		for oid, was := range before {
			if was.name != f.Table {
				continue
			}
			is, there := after[oid]
			if !there { // dropped: the lock is there, the name is not
				b.dropped(name, oid, f)
				continue
			}
			if !slices.ContainsFunc(is.held, func(m string) bool { return modeName(m) == f.Lock }) {
				b.t.Errorf("%s: %s claims %s on %s; the server shows %v", name, f.Rule, f.Lock, f.Table, is.held)
			}
			if is.mode > was.mode && !slices.ContainsFunc(fs, func(f lint.Finding) bool { return f.Table == was.name && f.Lock == modeName(modes[is.mode]) }) {
				b.t.Errorf("%s: takes %s on %s, and %s claims %s only", name, modes[is.mode], f.Table, f.Rule, f.Lock)
			}
			if anew := was.file != is.file; f.Rewrites && !anew {
				b.t.Errorf("%s: %s claims a rewrite of %s; there was none", name, f.Rule, f.Table)
			}
			if slices.Contains(reads, f.Rule) && b.base[oid] != "events" && is.read == was.read {
				b.t.Errorf("%s: %s claims that %s is read; it was not", name, f.Rule, f.Table)
			}
		}
	}
	for oid, is := range after {
		was, there := before[oid]
		if b.base[oid] != "" && is.file != was.file && !slices.ContainsFunc(fs, func(f lint.Finding) bool { return f.Rewrites && f.Table == was.name || f.Rule == "truncate" }) {
			b.t.Errorf("%s: %s was written anew, which %v does not say", name, was.name, briefly(fs))
		}
		if !there || b.base[oid] == "" || is.mode < heavyFrom {
			continue
		}
		if is.name == "daily_orders" && modes[is.mode] == "ExclusiveLock" {
			continue // a view has no other writer than the next refresh, and readers go on
		}
		told := slices.ContainsFunc(fs, func(f lint.Finding) bool {
			// A foreign key reads the table that it refers to, an index on a partitioned table its partitions.
			return f.Table != "" && strings.HasPrefix(was.name, f.Table) || f.Rule == "foreign-key-without-not-valid" || f.Rule == "work-under-lock"
		})
		if !told && (is.file != was.file || is.read != was.read) {
			b.t.Errorf("%s: %s was read (%d rows) or written anew under %s without a warning", name, was.name, is.read-was.read, modes[is.mode])
		}
	}
}

// dropped looks for the lock on a table that is no more.
func (b *bench) dropped(name string, oid uint32, f lint.Finding) {
	b.t.Helper()
	var mode string
	err := b.conn.QueryRow(b.t.Context(), "select mode from pg_locks where pid = pg_backend_pid() and relation = $1 and mode = 'AccessExclusiveLock'", oid).Scan(&mode)
	if err != nil || modeName(mode) != f.Lock {
		b.t.Errorf("%s: %s claims %s on %s; the server shows %s, %v", name, f.Rule, f.Lock, f.Table, mode, err)
	}
}

// outside runs a statement that refuses a transaction. Its lock is gone when it ends, so another session keeps it waiting and looks
// what it waits for.
func (b *bench) outside(name, sql string, fs []lint.Finding) {
	b.t.Helper()
	table := ""
	for _, candidate := range []string{"events_2024", "orders", "events"} {
		if table == "" && strings.Contains(sql, candidate) {
			table = candidate
		}
	}
	if len(fs) > 0 && fs[0].Table != "" {
		table = fs[0].Table
	}
	if table == "" {
		b.t.Fatalf("%s: no table known in %s", name, sql)
	}
	refuses := slices.ContainsFunc(fs, func(f lint.Finding) bool { return ruleOf(f).Fails != "" })
	before := b.look()
	if !refuses {
		b.exec(b.blocker, "BEGIN; LOCK TABLE "+table+" IN SHARE UPDATE EXCLUSIVE MODE")
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.conn.Exec(b.t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		done <- err
	}()
	if refuses {
		b.refused(name, refusal(<-done), fs)
		return
	}
	mode := b.awaited(table, done)
	b.exec(b.blocker, "ROLLBACK")
	if err := <-done; err != nil {
		b.t.Errorf("%s: %v", name, err)
	}
	if len(fs) == 0 && mode != "ShareUpdateExclusiveLock" {
		b.t.Errorf("%s: takes %s on %s without a warning", name, mode, table)
	}
	after := b.look()
	for _, f := range fs {
		if modeName(mode) != f.Lock {
			b.t.Errorf("%s: %s claims %s on %s; the server shows %s", name, f.Rule, f.Lock, f.Table, mode)
		}
		for oid, was := range before {
			if was.name == f.Table && f.Rewrites && after[oid].file == was.file {
				b.t.Errorf("%s: %s claims a rewrite of %s; there was none", name, f.Rule, f.Table)
			}
		}
	}
}

// awaited is the lock on the table that our session waits for.
func (b *bench) awaited(table string, done chan error) (mode string) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := b.watcher.QueryRow(b.t.Context(), "select mode from pg_locks where pid = $1 and relation = $2::text::regclass and not granted",
			b.conn.PgConn().PID(), table).Scan(&mode)
		if err == nil {
			return mode
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			b.t.Fatal(err)
		}
		select {
		case err := <-done:
			done <- err
			return fmt.Sprintf("no lock that conflicts (%v)", err)
		case <-tick.C:
		}
	}
}
