package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/schemagate/schemagate/database"
)

// session writes for one term. It keeps no connection: each call opens a fresh one, so that nothing of a migration's PRAGMAs,
// temporary tables or attached databases reaches the next.
type session struct {
	db     *DB
	term   database.Term
	origin database.Origin
}

// Lead opens the session of a term.
func (d *DB) Lead(_ context.Context, t database.Term, o database.Origin) (database.Session, error) {
	return &session{db: d, term: t, origin: o}, nil
}

func (s *session) Close() {}

// enter begins a transaction that holds the write lock, and compares the fence. Every write of ours goes through here.
func (s *session) enter(ctx context.Context, c *conn, limit time.Duration) error {
	if err := c.begin(ctx, limit); err != nil {
		return err
	}
	current, err := c.fence(ctx, s.db.opt.Service)
	if err != nil {
		return s.db.classify(err)
	}
	return s.term.Check(current)
}

// Apply runs the changes in one transaction, or the one that asks for none statement by statement.
func (s *session) Apply(ctx context.Context, changes ...database.Change) error {
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close() // rolls back what was not committed
	if len(changes) == 1 && changes[0].NoTransaction {
		return s.applyLoose(ctx, c, changes[0])
	}
	limit := patience(changes...)
	if err := s.enter(ctx, c, limit); err != nil {
		return err
	}
	for _, ch := range changes {
		if err := s.pending(ctx, c, ch); err != nil {
			return &database.ChangeError{Version: ch.Version, Err: err}
		}
	}
	for _, ch := range changes {
		began := time.Now()
		for _, b := range ch.Settled { // nobody else can write: the transaction has the lock
			n, err := c.left(ctx, b)
			if err == nil {
				err = b.Settled(n)
			}
			if err != nil {
				return &database.ChangeError{Version: ch.Version, Err: err}
			}
		}
		for _, st := range ch.Statements {
			if err := c.statement(ctx, ch, st); err != nil {
				return &database.ChangeError{Version: ch.Version, Err: err}
			}
		}
		if err := c.verify(ctx, ch); err != nil {
			return &database.ChangeError{Version: ch.Version, Err: err}
		}
		if err := s.insert(ctx, c, ch.Outcome(time.Since(began))...); err != nil {
			return err
		}
	}
	return blameCommit(c.commit(ctx, limit), changes[len(changes)-1])
}

// patience is how long to wait for the write lock, 0 for ever. A migration that waits holds nothing.
func patience(changes ...database.Change) time.Duration {
	limit := time.Duration(0)
	for _, ch := range changes {
		if ch.LockTimeout == 0 {
			return 0
		}
		limit = max(limit, ch.LockTimeout)
	}
	return limit
}

// pending decides under the fence whether the change is still due.
func (s *session) pending(ctx context.Context, c *conn, ch database.Change) error {
	var kind database.Kind
	err := c.c.QueryRowContext(ctx, `select kind from main.schemagate_history where service = ? and version = ?
and (kind in ('applied', 'rolled back') or kind = 'resolved' and note = 'applied') order by id desc limit 1`, s.db.opt.Service, ch.Version).Scan(&kind)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s.db.classify(err)
	}
	return ch.Due(err == nil && kind != database.RolledBack)
}

// errEnded: the text of a migration ended the transaction, which is not its own.
var errEnded = errors.New("the statement ended the transaction it ran in; take transaction control out of it, " +
	"or write \"-- schemagate: no-transaction\" at the head of the file")

// statement runs one statement of a migration in the transaction under way.
func (c *conn) statement(ctx context.Context, ch database.Change, st database.Statement) error {
	err := c.one(ctx, ch, st)
	if c.over && !c.loose && class(err) == nil && !c.raised(err) {
		return at(ch, st, errEnded)
	}
	return err
}

// raised: SQLite rolled back because the statement failed in a way that asks for it (RAISE(ROLLBACK), ON CONFLICT ROLLBACK),
// and not because it said so.
func (c *conn) raised(err error) bool { return code(err) != 0 && code(err) != vetoed }

func (c *conn) one(ctx context.Context, ch database.Change, st database.Statement) error {
	return c.sorted(ctx, ch, st, func(ctx context.Context) error {
		if checksForeignKeys(st.SQL) {
			return c.foreignKeys(ctx, st.SQL)
		}
		return c.exec(ctx, st.SQL)
	})
}

// sorted runs f, a statement of a migration, within its time, and sorts its error.
func (c *conn) sorted(ctx context.Context, ch database.Change, st database.Statement, f func(context.Context) error) error {
	sctx, cancel := ctx, context.CancelFunc(func() {})
	if ch.StatementTimeout > 0 {
		sctx, cancel = context.WithTimeout(ctx, ch.StatementTimeout)
	}
	defer cancel()
	err := f(sctx)
	if err == nil {
		return nil
	}
	se := &database.StatementError{File: ch.File, Line: st.Line, Message: message(err), Err: err}
	if n := code(err); n != 0 {
		se.Code = strconv.Itoa(n)
	}
	if sctx.Err() != nil && ctx.Err() == nil {
		se.Message, se.Hint, se.Err = "the statement took longer than it may", "SCHEMAGATE_STATEMENT_TIMEOUT", nil // it would run into it again
		return se
	}
	if why := class(err); why != nil {
		return fmt.Errorf("%w: %w", why, se)
	}
	return se
}

// foreignKeys makes a check whose rows nobody would see an error.
func (c *conn) foreignKeys(ctx context.Context, sql string) (err error) {
	rows, err := c.c.QueryContext(ctx, sql)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	n, child, parent := 0, "", ""
	for rows.Next() {
		if n++; n > 1 {
			continue
		}
		var row, key any
		if err := rows.Scan(&child, &row, &parent, &key); err != nil {
			return err
		}
	}
	if rows.Err() != nil || n == 0 {
		return rows.Err()
	}
	return fmt.Errorf("%d row(s) violate a foreign key, the first one in %s, which references %s", n, child, parent)
}

func at(ch database.Change, st database.Statement, err error) error {
	return &database.StatementError{File: ch.File, Line: st.Line, Message: err.Error(), Err: err}
}

// blameCommit names the file in what only the commit found out: a deferred foreign key.
func blameCommit(err error, last database.Change) error {
	if primary(err) != sqlite3.SQLITE_CONSTRAINT {
		return err
	}
	var se *database.StatementError
	errors.As(err, &se)
	return &database.ChangeError{Version: last.Version, Err: &database.StatementError{File: last.File, Message: "commit: " + se.Message,
		Hint: "PRAGMA foreign_key_check tells where", Code: se.Code, Err: err}}
}

func (s *session) insert(ctx context.Context, c *conn, events ...database.Event) error {
	for _, e := range events {
		var down any
		if e.Down != nil {
			down = text(*e.Down)
		}
		err := c.exec(ctx, `insert into main.schemagate_history (service, kind, version, name, checksum, digest, term, holder, release, replica,
duration_us, done, trying, prefix, code, error, note, format, down) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			s.db.opt.Service, string(e.Kind), text(e.Version), text(e.Name), text(e.Checksum), text(e.Digest), s.term.Number, s.term.Holder,
			text(s.origin.Release), text(s.origin.Replica), e.Duration.Microseconds(), e.Done, e.Trying, text(e.Prefix), text(e.Code),
			text(e.Error), text(e.Note), text(e.Format), down)
		if err != nil {
			return s.db.classify(err)
		}
	}
	return nil
}

// text is what can be stored as text and read back as JSON.
func text(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// Record appends events under the fence.
func (s *session) Record(ctx context.Context, events ...database.Event) error {
	c, err := s.db.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close()
	return s.record(ctx, c, events...)
}

func (s *session) record(ctx context.Context, c *conn, events ...database.Event) error {
	if err := s.enter(ctx, c, readWait); err != nil {
		return err
	}
	if err := s.insert(ctx, c, events...); err != nil {
		return err
	}
	return c.commit(ctx, readWait)
}
