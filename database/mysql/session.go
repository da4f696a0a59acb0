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

// session writes for one term. Its own connection runs nothing but our own statements: it records, asks the catalogue, and holds
// the fence beside DDL. Each migration runs on a fresh one, so that nothing that it sets reaches the next.
type session struct {
	db     *DB
	term   database.Term
	origin database.Origin
	own    *conn
	mover  *conn                // runs the batches of backfills; nil before the first
	kinds  map[string][]keyKind // of their keys, by version
	maria  bool
	packet int64 // the largest statement that the server takes
	// reached is how far a file came within this session; the caller's plan may be older.
	reached map[string][]database.Statement
	// answers are what the catalogue said, by statement: a plan that is tried again asks again, when it may say something else.
	answers map[string]bool
}

// Lead opens the session of a term.
func (d *DB) Lead(ctx context.Context, t database.Term, o database.Origin) (database.Session, error) {
	s := &session{db: d, term: t, origin: o, reached: map[string][]database.Statement{}, answers: map[string]bool{}}
	if err := s.reopen(ctx); err != nil {
		return nil, err
	}
	rows, err := s.own.rows(ctx, "SELECT version(), @@max_allowed_packet")
	if err == nil {
		s.maria = strings.Contains(rows[0][0], "MariaDB")
		s.packet, err = parseInt(rows[0][1])
	}
	if err != nil {
		s.Close()
		return nil, classify(err)
	}
	return s, nil
}

// reopen sees to it that the session has its own connection.
func (s *session) reopen(ctx context.Context) error {
	if s.own != nil && !s.own.broken {
		return nil
	}
	if s.own != nil {
		s.drop(ctx, s.own)
		s.own = nil
	}
	c, err := s.open(ctx, true)
	if err != nil {
		return err
	}
	s.own = c
	return nil
}

// open makes a connection of the term. Before it writes anything else it is recorded, so that a successor can end it.
func (s *session) open(ctx context.Context, own bool) (*conn, error) {
	c, err := s.db.connect(ctx)
	if err != nil {
		return nil, err
	}
	if c.at, err = where(ctx, c); err == nil {
		if own {
			err = c.behave(ctx)
		} else {
			err = c.run(ctx, "SET SESSION autocommit = 1, innodb_lock_wait_timeout = 1")
		}
	}
	if err == nil {
		err = c.run(ctx, "REPLACE INTO "+s.db.table("sessions")+" (service, server, conn, started, term, holder) VALUES ("+lit(s.db.opt.Service)+", "+
			lit(c.at.server)+", "+num(c.at.conn)+", "+num(c.at.started)+", "+num(s.term.Number)+", "+lit(s.term.Holder)+")")
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// forget takes a connection off the record.
func (s *session) forget(c *conn) string {
	return "DELETE FROM " + s.db.table("sessions") + s.db.mine() + " AND server = " + lit(c.at.server) + " AND conn = " + num(c.at.conn) +
		" AND started = " + num(c.at.started)
}

// drop closes a connection. One that broke may have left a statement behind: it stays on record unless that has surely ended.
func (s *session) drop(ctx context.Context, c *conn) {
	c.close()
	if c.broken && !s.db.end(ctx, c.at) {
		return
	}
	if c != s.own && s.own != nil && !s.own.broken && ctx.Err() == nil {
		_ = s.own.run(ctx, s.forget(c)) // else the next term does
	}
}

func (s *session) Close() {
	if s.own == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.mover != nil {
		s.drop(ctx, s.mover)
		s.mover = nil
	}
	if !s.own.broken {
		_ = s.own.run(ctx, s.forget(s.own)) // else the next term does
	}
	s.own.close()
	s.own = nil
}

// enter begins a transaction that holds the fence row, and compares it. Every write of ours goes through here. The row is
// written, not only locked: a cluster that replicates no locks still lets one of two such transactions fail.
func (s *session) enter(ctx context.Context, c *conn) error {
	err := c.run(ctx, "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 5",
		"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION READ WRITE",
		"UPDATE "+s.db.table("fence")+" SET touched = touched + 1"+s.db.mine(), savepoint)
	if err != nil {
		rollback(ctx, c)
		return err
	}
	current, err := s.db.fence(ctx, c)
	if err == nil {
		err = s.term.Check(current)
	}
	if err != nil {
		rollback(ctx, c)
	}
	return err
}

// The savepoint ends with the transaction that it was set in, even where a statement has begun another one.
const (
	savepoint = "SAVEPOINT schemagate_fence"
	stillIn   = "RELEASE SAVEPOINT schemagate_fence"
)

// rollback leaves a failed transaction, or the connection where that fails.
func rollback(ctx context.Context, c *conn) {
	if c.broken {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if _, err := c.exec(ctx, "ROLLBACK"); err != nil {
		c.broken = true
	}
}

// pending decides under the fence whether the change is still due.
func (s *session) pending(ctx context.Context, c *conn, ch database.Change) error {
	rows, err := c.rows(ctx, "SELECT kind FROM "+s.db.table("history")+s.db.mine()+" AND version = "+lit(ch.Version)+
		" AND (kind IN ('applied', 'rolled back') OR kind = 'resolved' AND note = 'applied') ORDER BY id DESC LIMIT 1")
	if err != nil {
		return classify(err)
	}
	inForce := len(rows) == 1 && rows[0][0] != string(database.RolledBack)
	return ch.Due(inForce)
}

// Apply runs a change: in one transaction where it only changes data, else statement by statement.
func (s *session) Apply(ctx context.Context, changes ...database.Change) error {
	if len(changes) != 1 {
		return fmt.Errorf("%w: MySQL can't hold several migrations in one transaction", database.ErrRefused)
	}
	ch := changes[0]
	if err := s.fits(ch); err != nil {
		return err
	}
	if err := s.reopen(ctx); err != nil {
		return err
	}
	c, err := s.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { s.drop(ctx, c) }()
	if ch.NoTransaction || !dataOnly(ch.Statements) {
		return s.applyLoose(ctx, c, ch)
	}
	began := time.Now()
	if err := s.enter(ctx, c); err != nil {
		return err
	}
	err = s.pending(ctx, c, ch)
	if err == nil {
		err = c.run(ctx, s.limits(ch))
	}
	for _, st := range ch.Statements {
		if err == nil {
			err = s.data(ctx, c, ch, st)
		}
	}
	if err == nil {
		err = s.verify(ctx, c, ch)
	}
	if err != nil {
		rollback(ctx, c)
		return err
	}
	return s.commit(ctx, c, ch.Outcome(time.Since(began))...)
}

// fits finds what the server would answer by cutting the connection off, which looks like an interruption.
func (s *session) fits(ch database.Change) error {
	const (
		room   = 64 << 10 // for what stands around it
		remedy = "bytes are more than the server takes (max_allowed_packet = %d): raise that, or split the statement"
	)
	for _, st := range ch.Statements {
		if n := int64(len(st.SQL)); n+1 >= s.packet {
			return at(ch, st, fmt.Errorf("%d "+remedy, n, s.packet))
		}
	}
	if ch.Down != nil && 2*int64(len(*ch.Down))+room >= s.packet { // it is written in hex
		return &database.StatementError{File: ch.File, Message: fmt.Sprintf("the way back can't be kept in the history: twice its %d "+remedy, len(*ch.Down), s.packet)}
	}
	return nil
}

// limits bounds what a migration's statements wait for; the server counts in seconds.
func (s *session) limits(ch database.Change) string {
	wait := "31536000"
	if ch.LockTimeout > 0 {
		wait = num(int64(max(1, math.Ceil(ch.LockTimeout.Seconds()))))
	}
	sql := "SET SESSION innodb_lock_wait_timeout = " + wait + ", lock_wait_timeout = " + wait
	if s.maria {
		sql += ", max_statement_time = " + strconv.FormatFloat(ch.StatementTimeout.Seconds(), 'f', -1, 64)
	}
	return sql
}

var errEnded = errors.New("the statement ended the transaction it ran in; take transaction control out of it")

// data runs a statement inside the transaction that enter began.
func (s *session) data(ctx context.Context, c *conn, ch database.Change, st database.Statement) error {
	if err := s.one(ctx, c, ch, st); err != nil {
		return err
	}
	if plain(st.SQL) {
		return nil
	}
	// There is no status to ask for that every server has, and this is refused inside a transaction.
	_, err := c.exec(ctx, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
	switch code(err) {
	case 1568:
		return nil
	case 0:
		if err == nil {
			return at(ch, st, errEnded)
		}
	}
	return classify(err)
}

// one runs a statement of a migration and sorts its error.
func (s *session) one(ctx context.Context, c *conn, ch database.Change, st database.Statement) error {
	return s.sorted(ctx, c, ch, st, func(ctx context.Context) error {
		_, err := c.exec(ctx, st.SQL)
		return err
	})
}

// sorted runs f, a statement of a migration, within its time, and sorts its error.
func (s *session) sorted(ctx context.Context, c *conn, ch database.Change, st database.Statement, f func(context.Context) error) error {
	sctx, cancel := ctx, context.CancelFunc(func() {})
	if ch.StatementTimeout > 0 && !s.maria { // MySQL bounds nothing but SELECT itself
		sctx, cancel = context.WithTimeout(ctx, ch.StatementTimeout)
	}
	defer cancel()
	err := f(sctx)
	if err == nil || code(err) == 1065 { // empty: a comment for servers of another version
		return nil
	}
	late := sctx.Err() != nil && ctx.Err() == nil
	var me *mysql.MySQLError
	if !errors.As(err, &me) {
		if late && s.db.end(ctx, c.at) {
			return &database.StatementError{File: ch.File, Line: st.Line, Message: "the statement took longer than it may", Hint: "SCHEMAGATE_STATEMENT_TIMEOUT"}
		}
		if !c.broken {
			return at(ch, st, err)
		}
		return fmt.Errorf("%w: %w", database.ErrInterrupted, at(ch, st, err))
	}
	se := &database.StatementError{File: ch.File, Line: st.Line, Code: strconv.Itoa(int(me.Number)), Message: message(me), Err: me}
	if n := syntaxLine(me); n > 0 { // counted from the text's start, which may be a comment above the first token's line
		se.Line += max(0, n-1-above(st.SQL))
	}
	switch me.Number {
	case 1969, 3024:
		se.Hint = "SCHEMAGATE_STATEMENT_TIMEOUT"
	}
	if why := class(me); why != nil {
		return fmt.Errorf("%w: %w", why, se)
	}
	return se
}

func at(ch database.Change, st database.Statement, err error) error {
	return &database.StatementError{File: ch.File, Line: st.Line, Message: err.Error(), Err: err}
}

// commit writes the events and commits. When the connection breaks here, nobody knows what the server did. The connection of a
// migration that is over writes nothing more, and goes off the record with it.
func (s *session) commit(ctx context.Context, c *conn, events ...database.Event) error {
	var statements []string
	if c != s.own {
		reset := "SET SESSION timestamp = DEFAULT"
		if s.maria {
			reset += ", max_statement_time = 0"
		}
		statements = append(statements, reset)
	}
	for _, e := range events {
		statements = append(statements, s.insert(e))
		if c != s.own && (e.Kind == database.Applied || e.Kind == database.RolledBack) {
			statements = append(statements, s.forget(c))
		}
	}
	if err := c.run(ctx, append(statements, stillIn)...); err != nil {
		rollback(ctx, c)
		var se *database.StatementError
		if errors.As(err, &se) && se.Code == "1305" {
			return fmt.Errorf("the transaction was ended by a statement that ran in it, and its progress could not be recorded with it: %w", err)
		}
		return err
	}
	_, err := c.exec(ctx, "COMMIT")
	if err == nil {
		return nil
	}
	if code(err) != 0 && !c.broken { // a cluster's certification, say: certainly not committed
		rollback(ctx, c)
		return fmt.Errorf("%w: commit: %w", database.ErrInterrupted, classify(err))
	}
	return fmt.Errorf("%w: commit: %w", database.ErrUnknown, err)
}
