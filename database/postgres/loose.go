package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// applyLoose runs a change statement by statement. Each is first tried in a transaction together with its progress, which
// is exact; the server itself says which ones refuse that, and only those run beside a guard.
func (s *session) applyLoose(ctx context.Context, c database.Change) error {
	began := time.Now()
	// after is what is recorded once statement i is done: how far it came, or that all of it is in force.
	after := func(i int) []database.Event { return c.After(i, time.Since(began)) }
	for i := c.From; i == c.From || i <= c.Last(); i++ {
		res, err := s.enter(ctx, s.conn, s.pendingSQL(c)+limits(c))
		if err != nil {
			return err
		}
		if err := c.Due(inForce(res[0].Rows[0])); err != nil {
			rollback(s.conn)
			return err
		}
		if i >= len(c.Statements) { // the last one is done, or was found done
			if err := s.verify(ctx, c); err != nil {
				rollback(s.conn)
				return err
			}
			return s.commit(ctx, s.conn, after(i)...)
		}
		err = s.one(ctx, c, c.Statements[i])
		if refuses(err) {
			rollback(s.conn)
			if err = s.guarded(ctx, c, i, after); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			rollback(s.conn)
			return err
		}
		if err := s.commit(ctx, s.conn, after(i)...); err != nil {
			return err
		}
	}
	return nil
}

var errPooled = fmt.Errorf("%w: this statement runs outside a transaction and needs a session of its own, which a transaction pooler can't give: "+
	"set SCHEMAGATE_DATABASE_URL to the server's direct address (or SCHEMAGATE_POOLED=false if there is no pooler)", database.ErrConfig)

// refuses: the server won't run the statement inside a transaction.
func refuses(err error) bool {
	c := code(err)
	return c == "25001" || c == "2D000"
}

// guarded runs statement i outside a transaction, while the guard's transaction holds the fence row.
func (s *session) guarded(ctx context.Context, c database.Change, i int, after func(int) []database.Event) error {
	st := c.Statements[i]
	if s.db.pooled {
		return at(c, st, errPooled)
	}
	index, isIndex := concurrentIndex(st.SQL)
	if isIndex {
		if err := s.dropInvalid(ctx, index); err != nil {
			return err
		}
	}
	if s.guard == nil || s.guard.IsClosed() {
		guard, err := s.db.connect(ctx, sessionRole(s.term, "guard"), s.db.manners(0))
		if err != nil {
			return err
		}
		s.guard = guard
	}
	if err := s.guardRecord(ctx, c.Progress(i, i+1)); err != nil {
		return err
	}
	if _, err := s.enter(ctx, s.guard, ""); err != nil {
		return err
	}
	wait := c.LockTimeout
	if isIndex { // it waits for other transactions by design, and blocks nobody meanwhile
		wait = 0
	}
	_, err := script(ctx, s.conn, reset+"set lock_timeout = "+num(wait.Milliseconds())+"; set statement_timeout = "+num(c.StatementTimeout.Milliseconds()))
	known := err != nil // not even started
	if err == nil {
		err = s.one(ctx, c, st)
		// Only the server's own word says that the statement did not take effect. Of an index the catalogue tells, which knows of one
		// that was finished just before the interruption.
		var pe *pgconn.PgError
		known = !isIndex && errors.As(err, &pe) && pe.SeverityUnlocalized == "ERROR"
	}
	if err == nil && isIndex {
		err = s.mustBeValid(ctx, c, st, index)
	}
	if err != nil {
		rollback(s.guard)
		if !known {
			return err // the running event says so, and the next term looks
		}
		if rerr := s.guardRecord(context.WithoutCancel(ctx), c.Progress(i, 0)); rerr != nil {
			return errors.Join(err, rerr)
		}
		return err
	}
	return s.commit(ctx, s.guard, after(i)...)
}

func (s *session) guardRecord(ctx context.Context, e database.Event) error {
	if _, err := s.enter(ctx, s.guard, ""); err != nil {
		return err
	}
	return s.commit(ctx, s.guard, e)
}

// indexState asks the catalogue: "valid", "invalid", or "" where there is no such index.
func (s *session) indexState(ctx context.Context, n name) (string, error) {
	rows, err := column(ctx, s.conn, `select case when i.indisvalid then 'valid' else 'invalid' end
from pg_catalog.pg_index i where i.indexrelid = pg_catalog.to_regclass($1)`, n.String())
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return string(rows[0]), nil
}

// dropInvalid takes away what an interrupted build left, so that a retry does not find the name taken.
func (s *session) dropInvalid(ctx context.Context, index name) error {
	state, err := s.indexState(ctx, index)
	if err != nil || state != "invalid" {
		return err
	}
	_, err = script(ctx, s.conn, "drop index concurrently if exists "+index.String())
	return err
}

func (s *session) mustBeValid(ctx context.Context, c database.Change, st database.Statement, index name) error {
	state, err := s.indexState(ctx, index)
	if err == nil && state != "valid" {
		return at(c, st, fmt.Errorf("index %s is not valid after it was built", index))
	}
	return err
}

// Probe asks the catalogue about a statement that was interrupted outside a transaction.
func (s *session) Probe(ctx context.Context, st database.Statement) (bool, error) {
	if index, ok := concurrentIndex(st.SQL); ok {
		state, err := s.indexState(ctx, index)
		return state == "valid", err
	}
	if index, ok := concurrentDrop(st.SQL); ok {
		state, err := s.indexState(ctx, index)
		return state == "", err
	}
	if repeatable(st.SQL) {
		return false, nil
	}
	return false, database.ErrUndecided
}
