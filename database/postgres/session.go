package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// session writes for one term, on a connection of its own that says so from its start.
type session struct {
	db     *DB
	term   database.Term
	origin database.Origin
	conn   *pgconn.PgConn
	guard  *pgconn.PgConn      // only for statements that refuse a transaction
	types  map[string]keyTypes // of backfills, by version
}

// Lead opens the session of a term.
func (d *DB) Lead(ctx context.Context, t database.Term, o database.Origin) (database.Session, error) {
	if err := d.survey(ctx); err != nil {
		return nil, err
	}
	conn, err := d.connect(ctx, sessionRole(t, "migrate"), d.manners(d.opt.LeaseTTL))
	if err != nil {
		return nil, err
	}
	return &session{db: d, term: t, origin: o, conn: conn}, nil
}

func (s *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range []*pgconn.PgConn{s.conn, s.guard} {
		if c != nil {
			_ = c.Close(ctx) // the server rolls back and forgets what its client left
		}
	}
	s.guard = nil
}

// reset undoes what an earlier migration left in the session: a role, a search_path, temporary tables, prepared statements.
const reset = "reset session authorization; reset role; reset all; close all; unlisten *; deallocate all; discard temp; " +
	"select pg_catalog.pg_advisory_unlock_all(); "

// enter begins a transaction that holds the fence row, and compares it. Every write of ours goes through here.
func (s *session) enter(ctx context.Context, conn *pgconn.PgConn, then string) ([]*pgconn.Result, error) {
	first := ""
	if conn == s.conn && !s.db.pooled {
		// In a transaction of its own: the next one takes the settings that it begins with from the session's.
		first = "begin; " + reset + "commit; "
	}
	// The row is read in a statement of its own, so that what is read after it sees everything that was committed before
	// the lock was had.
	res, err := script(ctx, conn, first+"begin isolation level read committed; set local lock_timeout = "+num(fenceWait.Milliseconds())+
		"; select term || ' ' || holder as schemagate_fence from "+s.db.table("fence")+" where service ="+lit(s.db.opt.Service)+" for update; "+then)
	if err != nil {
		rollback(conn)
		return nil, err
	}
	for i, r := range res {
		if len(r.FieldDescriptions) != 1 || r.FieldDescriptions[0].Name != "schemagate_fence" {
			continue
		}
		var current database.Term
		if len(r.Rows) == 1 {
			if current, err = parseTerm(string(r.Rows[0][0])); err != nil {
				rollback(conn)
				return nil, err
			}
		}
		if err := s.term.Check(current); err != nil {
			rollback(conn)
			return nil, err
		}
		return res[i+1:], nil
	}
	rollback(conn)
	return nil, fmt.Errorf("%w: the fence was not read", database.ErrConfig)
}

// pendingSQL asks how the latest deciding event of each change's version left it.
func (s *session) pendingSQL(changes ...database.Change) string {
	var list strings.Builder
	for i, c := range changes {
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteString("(" + num(i) + "," + lit(c.Version) + ")")
	}
	return "select (select kind || case when kind = 'resolved' then ' ' || note else '' end from " + s.db.table("history") + " h where service =" +
		lit(s.db.opt.Service) + " and h.version = v.version and (kind in ('applied', 'rolled back') or kind = 'resolved' and note = 'applied') " +
		"order by id desc limit 1) from (values " + list.String() + ") v (place, version) order by place; "
}

// inForce reads a row of its answer.
func inForce(row [][]byte) bool {
	return row[0] != nil && string(row[0]) != string(database.RolledBack)
}

// Apply runs the changes in one transaction, or the one that asks for none statement by statement.
func (s *session) Apply(ctx context.Context, changes ...database.Change) error {
	if len(changes) == 1 && changes[0].NoTransaction {
		return s.applyLoose(ctx, changes[0])
	}
	res, err := s.enter(ctx, s.conn, s.pendingSQL(changes...)+limits(changes[0]))
	if err != nil {
		return err
	}
	for i, c := range changes {
		if err := c.Due(inForce(res[0].Rows[i])); err != nil {
			rollback(s.conn)
			return &database.ChangeError{Version: c.Version, Err: err}
		}
	}
	var events []database.Event
	for i, c := range changes {
		began := time.Now()
		if i > 0 {
			err = s.renew(ctx, c)
		}
		if err == nil {
			err = s.statements(ctx, c)
		}
		if err != nil {
			rollback(s.conn)
			return &database.ChangeError{Version: c.Version, Err: err}
		}
		events = append(events, c.Outcome(time.Since(began))...)
	}
	return s.commit(ctx, s.conn, events...)
}

func limits(c database.Change) string {
	return "set local lock_timeout = " + num(c.LockTimeout.Milliseconds()) + "; set local statement_timeout = " + num(c.StatementTimeout.Milliseconds())
}

// renew puts the session in order for the next change of a transaction. Its message is its own: the server reads all of a
// message's text by the settings that it finds, such as standard_conforming_strings.
func (s *session) renew(ctx context.Context, c database.Change) error {
	head := limits(c)
	if !s.db.pooled {
		head = reset + head
	}
	_, err := script(ctx, s.conn, head)
	return err
}

// statements runs a change's statements inside the transaction that enter began.
func (s *session) statements(ctx context.Context, c database.Change) error {
	for _, b := range c.Settled {
		if err := s.settled(ctx, c, b); err != nil {
			return err
		}
	}
	for _, st := range c.Statements {
		if err := s.one(ctx, c, st); err != nil {
			return err
		}
		if s.conn.TxStatus() != 'T' {
			return at(c, st, errors.New("the statement ended the transaction it ran in; take transaction control out of it, "+
				"or write \"-- schemagate: no-transaction\" at the head of the file"))
		}
	}
	return s.verify(ctx, c)
}

// settled asks what is left once nobody can write any more. The change itself would take the lock a moment later.
func (s *session) settled(ctx context.Context, c database.Change, b database.Backfill) error {
	if err := s.one(ctx, c, database.Statement{SQL: "lock table " + b.Table + " in access exclusive mode", Line: 1}); err != nil {
		return err
	}
	n, err := s.Left(ctx, b)
	if err != nil {
		return err
	}
	return b.Settled(n)
}

func (s *session) one(ctx context.Context, c database.Change, st database.Statement) error {
	began := time.Now()
	var err error
	if st.Copy != nil {
		_, err = s.conn.CopyFrom(ctx, strings.NewReader(string(st.Copy)), st.SQL)
	} else {
		err = s.conn.Exec(ctx, st.SQL).Close()
	}
	if err == nil {
		return nil
	}
	return s.blame(ctx, c, st, err, time.Since(began))
}

// blame sorts the error of a migration's statement.
func (s *session) blame(ctx context.Context, c database.Change, st database.Statement, err error, took time.Duration) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return fmt.Errorf("%w: %w", database.ErrInterrupted, at(c, st, err))
	}
	line := st.Line
	if pe.Position > 0 { // counted from the text's start, which may be a comment above the first token's line
		w := newWords(st.SQL)
		w.skip()
		above := strings.Count(strings.TrimSuffix(st.SQL, w.rest), "\n")
		line += strings.Count(prefixRunes(st.SQL, int(pe.Position)-1), "\n") - above
	}
	se := &database.StatementError{File: c.File, Line: line, Code: pe.Code, Message: pe.Message, Hint: pe.Hint, Err: pe}
	why := class(pe.Code)
	if pe.Code == "57014" && c.StatementTimeout > 0 && took >= c.StatementTimeout && ctx.Err() == nil {
		why = nil // SCHEMAGATE_STATEMENT_TIMEOUT: it would run into it again
		se.Hint = "SCHEMAGATE_STATEMENT_TIMEOUT"
	}
	if why == nil {
		return se
	}
	if errors.Is(why, database.ErrUnknown) { // inside a transaction a lost connection keeps nothing
		why = database.ErrInterrupted
	}
	return fmt.Errorf("%w: %w", why, se)
}

func prefixRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func at(c database.Change, st database.Statement, err error) error {
	return &database.StatementError{File: c.File, Line: st.Line, Message: err.Error(), Err: err}
}

// commit writes the events and commits. When the connection breaks here, nobody knows what the server did.
func (s *session) commit(ctx context.Context, conn *pgconn.PgConn, events ...database.Event) error {
	res, err := conn.Exec(ctx, "reset session authorization; reset role; "+s.insert(events)+"commit").ReadAll()
	if err == nil {
		if tag := res[len(res)-1].CommandTag.String(); tag != "COMMIT" { // the server says ROLLBACK when it would not commit
			return fmt.Errorf("commit: the server answered %s", tag)
		}
		return nil
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) && class(pe.Code) == nil || conn.TxStatus() == 'E' { // a deferred constraint, say: certainly not committed
		rollback(conn)
		return classify(conn, err)
	}
	_ = conn.Close(context.WithoutCancel(ctx))
	return fmt.Errorf("%w: commit: %w", database.ErrUnknown, err)
}

// insert appends events, in their order.
func (s *session) insert(events []database.Event) string {
	if len(events) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("insert into " + s.db.table("history") + " (service, kind, version, name, checksum, digest, term, holder, release, replica, " +
		"duration_us, done, trying, prefix, code, error, note, format, down) values ")
	for i, e := range events {
		if i > 0 {
			b.WriteString(", ")
		}
		down := "null"
		if e.Down != nil {
			down = lit(*e.Down)
		}
		b.WriteString("(" + lit(s.db.opt.Service) + "," + lit(string(e.Kind)) + "," +
			lit(e.Version) + "," + lit(e.Name) + "," + lit(e.Checksum) + "," + lit(e.Digest) + "," + num(s.term.Number) + "," + lit(s.term.Holder) + "," +
			lit(s.origin.Release) + "," + lit(s.origin.Replica) + "," + num(e.Duration.Microseconds()) + "," + num(e.Done) + "," + num(e.Trying) + "," +
			lit(e.Prefix) + "," + lit(e.Code) + "," + lit(e.Error) + "," + lit(e.Note) + "," + lit(e.Format) + "," + down + ")")
	}
	b.WriteString("; ")
	return b.String()
}

// Record appends events under the fence.
func (s *session) Record(ctx context.Context, events ...database.Event) error {
	if _, err := s.enter(ctx, s.conn, ""); err != nil {
		return err
	}
	return s.commit(ctx, s.conn, events...)
}
