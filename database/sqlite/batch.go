package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// backfillDDL is apart because files from before it get the table when they first need it.
const backfillDDL = `create table if not exists main.schemagate_backfill (
  service text not null,
  version text not null,
  checksum text not null default '',
  shape text not null default '',
  since integer not null default 0,
  state text not null default 'pending',
  reason text not null default '',
  pass integer not null default 1,
  position text not null default '',
  walked integer not null default 0,
  changed integer not null default 0,
  batches integer not null default 0,
  total integer not null default -1,
  remaining integer not null default -1,
  active_ms integer not null default 0,
  wish text not null default '',
  wish_by text not null default '',
  term integer not null default 0,
  holder text not null default '',
  release text not null default '',
  replica text not null default '',
  updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  primary key (service, version)
)`

// gap is the least time between two batches in which nobody of ours has the write lock: who waits for it has to ask again and
// again, as SQLite keeps no queue.
const gap = 10 * time.Millisecond

const progressSQL = "select version, checksum, shape, since, state, reason, pass, position, walked, changed, batches, total, remaining, active_ms, wish, wish_by, " +
	"replica, cast(updated_at as text) from main.schemagate_backfill where service = ?"

func progress(rows interface{ Scan(...any) error }) (p database.Progress, err error) {
	at := ""
	err = rows.Scan(&p.Version, &p.Checksum, &p.Shape, &p.Since, &p.State, &p.Reason, &p.Pass, &p.Position, &p.Walked, &p.Changed, &p.Batches, &p.Total, &p.Left,
		&p.ActiveMS, &p.Wish, &p.WishBy, &p.Replica, &at)
	if err == nil {
		p.UpdatedAt, err = time.Parse(time.RFC3339Nano, at)
	}
	return p, err
}

// Backfills lists the progress of a service's backfills.
func (d *DB) Backfills(ctx context.Context, service string) (out []database.Progress, err error) {
	if gone, err := d.missing(); gone || err != nil {
		return nil, err
	}
	c, err := d.control(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.c.QueryContext(ctx, progressSQL+" order by version", service)
	if noTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, d.classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p, err := progress(rows)
		if err != nil {
			return nil, fmt.Errorf("read the progress: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Wish leaves the operator's word. It needs no term: the leader obeys it between batches.
func (d *DB) Wish(ctx context.Context, service, version, wish, by string) error {
	c, err := d.control(ctx)
	if err != nil {
		return err
	}
	for { // a batch may have the write lock just now
		err = d.transact(ctx, c, func() error {
			if err := c.exec(ctx, backfillDDL); err != nil {
				return err
			}
			return c.exec(ctx, "insert into main.schemagate_backfill (service, version, wish, wish_by) values (?1, ?2, ?3, ?4) on conflict do update set "+
				"wish = ?3, wish_by = ?4, state = case when ?3 = '' and state in ('failed', 'cancelled') then 'pending' else state end", service, version, wish, by)
		})
		if !errors.Is(err, database.ErrBlocked) || ctx.Err() != nil {
			return err
		}
	}
}

// Begin returns the recorded progress, or a fresh start's.
func (s *session) Begin(ctx context.Context, b database.Backfill) (p database.Progress, err error) {
	p = b.Fresh()
	err = s.within(ctx, b, readWait, func(c *conn) error {
		if err := c.exec(ctx, backfillDDL); err != nil {
			return s.db.classify(err)
		}
		have, err := progress(c.c.QueryRowContext(ctx, progressSQL+" and version = ?", b.Service, b.Version))
		if err == nil {
			p, _ = b.Continues(have)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return s.db.classify(err)
		}
		p, err = s.store(ctx, c, b, p)
		return err
	})
	if err != nil {
		return p, err
	}
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return p, err
	}
	defer c.close()
	return p, s.checkKey(ctx, c, b)
}

// within runs f in a transaction that holds the write lock, under the fence.
func (s *session) within(ctx context.Context, b database.Backfill, limit time.Duration, f func(*conn) error) error {
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close() // rolls back what was not committed
	if err := s.enter(ctx, c, limit); err != nil {
		return err
	}
	if err := f(c); err != nil {
		return err
	}
	return blameCommit(c.commit(ctx, max(limit, readWait)), database.Change{Version: b.Version, File: b.File})
}

// store writes the progress and the events.
func (s *session) store(ctx context.Context, c *conn, b database.Backfill, p database.Progress, events ...database.Event) (database.Progress, error) {
	if err := s.insert(ctx, c, events...); err != nil {
		return p, err
	}
	err := c.c.QueryRowContext(ctx, `insert into main.schemagate_backfill (service, version, checksum, shape, since, state, reason, pass, position, walked, changed, batches,
total, remaining, active_ms, term, holder, release, replica) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
on conflict do update set checksum = ?3, shape = ?4, since = ?5, state = ?6, reason = ?7, pass = ?8, position = ?9, walked = ?10, changed = ?11, batches = ?12, total = ?13,
remaining = ?14, active_ms = ?15, term = ?16, holder = ?17, release = ?18, replica = ?19, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') returning wish, wish_by`,
		b.Service, b.Version, p.Checksum, p.Shape, p.Since, p.State, text(p.Reason), p.Pass, p.Position, p.Walked, p.Changed, p.Batches, p.Total, p.Left, p.ActiveMS,
		s.term.Number, s.term.Holder, text(s.origin.Release), text(s.origin.Replica)).Scan(&p.Wish, &p.WishBy)
	p.Replica = s.origin.Replica
	return p, s.db.classify(err)
}

// Batch moves the next keys in one transaction with the fence's check, the cursor and the counters.
func (s *session) Batch(ctx context.Context, b database.Backfill, p database.Progress, limit int) (next database.Progress, n int, err error) {
	began := time.Now()
	next = p
	err = s.within(ctx, b, b.LockTimeout, func(c *conn) (err error) {
		if n, err = s.move(ctx, c, b, limit, &next); err != nil || n == 0 {
			return err
		}
		next.Batches++
		next.Walked += int64(n)
		next.ActiveMS += max(1, time.Since(began).Milliseconds())
		next, err = s.store(ctx, c, b, next)
		return err
	})
	if err != nil {
		return p, 0, err
	}
	t := time.NewTimer(max(gap, time.Since(began)/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return next, n, nil
}

// move runs the statements of one batch inside the transaction under way. The cursor keeps SQLite's own literals.
func (s *session) move(ctx context.Context, c *conn, b database.Backfill, limit int, p *database.Progress) (n int, err error) {
	ch := database.Change{File: b.File, StatementTimeout: b.StatementTimeout}
	at := func(line int, err error) error {
		if c := class(err); c != nil {
			return fmt.Errorf("%w: %w", c, plain(err))
		}
		se := &database.StatementError{File: b.File, Line: line, Message: message(err), Err: err}
		if k := code(err); k != 0 {
			se.Code = fmt.Sprint(k)
		}
		return se
	}
	after, err := database.Keys(p.Position)
	if err != nil || len(after) > 0 && len(after) != len(b.Key) {
		return 0, b.Fault("the recorded cursor does not fit the key: %v", err)
	}
	var conds, quoted []string
	if len(after) > 0 {
		conds = append(conds, database.Rows(b.Key, after, ">"))
	}
	if b.Where != "" {
		conds = append(conds, "("+b.Where+")")
	}
	where := ""
	if len(conds) > 0 {
		where = " where " + strings.Join(conds, " and ")
	}
	for _, k := range b.Key {
		quoted = append(quoted, "quote("+k+")")
	}
	var from, to []string
	rows, err := c.c.QueryContext(ctx, "select "+strings.Join(quoted, ", ")+" from "+b.Table+where+" order by "+strings.Join(b.Key, ", ")+" limit "+fmt.Sprint(limit))
	if err != nil {
		return 0, at(b.Line, err)
	}
	for rows.Next() && err == nil {
		row := make([]string, len(b.Key))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		err = rows.Scan(into...)
		if n++; n == 1 {
			from = row
		}
		to = row
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return 0, at(b.Line, err)
	}
	if n == 0 {
		return 0, nil
	}
	if p.Position, err = database.Position(to); err != nil {
		return 0, err
	}
	marks := b.Marks(from, to, database.Rows)
	for _, st := range b.Statements {
		if err := c.statement(ctx, ch, database.Statement{SQL: st.Fill(marks), Line: st.Line}); err != nil {
			return 0, err
		}
		var met int64
		if err := c.c.QueryRowContext(ctx, "select changes()").Scan(&met); err != nil {
			return 0, s.db.classify(err)
		}
		p.Changed += met
	}
	if p.Batches == 0 && b.Where != "" { // the first batch proves that the statement and the condition agree
		left := 0
		if err := c.c.QueryRowContext(ctx, "select count(*) from "+b.Table+" where "+marks["batch"]).Scan(&left); err != nil {
			return 0, at(b.Line, err)
		}
		if left == n {
			return 0, b.Fault("where= still holds for all %d rows of the first batch after its statement; nothing was changed", n)
		}
	}
	return n, nil
}

// Left counts what is left.
func (s *session) Left(ctx context.Context, b database.Backfill) (int64, error) {
	return s.number(ctx, func(c *conn) (int64, error) { return c.left(ctx, b) })
}

// Total counts.
func (s *session) Total(ctx context.Context, b database.Backfill) (int64, error) {
	return s.number(ctx, func(c *conn) (int64, error) { return c.number(ctx, b, "select count(*) from "+b.Table) })
}

func (s *session) number(ctx context.Context, ask func(*conn) (int64, error)) (int64, error) {
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return 0, err
	}
	defer c.close()
	return ask(c)
}

func (c *conn) left(ctx context.Context, b database.Backfill) (int64, error) {
	if b.Where != "" {
		return c.number(ctx, b, "select count(*) from "+b.Table+" where ("+b.Where+")")
	}
	return c.number(ctx, b, b.Left)
}

func (c *conn) number(ctx context.Context, b database.Backfill, query string) (n int64, err error) {
	err = c.patiently(ctx, readWait, func() error { return c.c.QueryRowContext(ctx, query).Scan(&n) })
	switch {
	case err == nil:
		return n, nil
	case class(err) != nil:
		return 0, classify(c.path, err)
	}
	return 0, b.Fault("left= is to answer one whole number: %s", message(err))
}

// Mark records the progress and events under the fence.
func (s *session) Mark(ctx context.Context, b database.Backfill, p database.Progress, events ...database.Event) (next database.Progress, err error) {
	err = s.within(ctx, b, readWait, func(c *conn) error {
		next, err = s.store(ctx, c, b, p, events...)
		return err
	})
	if err != nil {
		return p, err
	}
	return next, nil
}

var (
	_ database.Batcher   = (*session)(nil)
	_ database.Backfills = (*DB)(nil)
)
