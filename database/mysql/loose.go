package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// applyLoose runs a change statement by statement on one connection: a data change in a transaction with its progress, which is
// exact; what commits by itself beside a guard.
func (s *session) applyLoose(ctx context.Context, c *conn, ch database.Change) error {
	began := time.Now()
	key := ch.File + "\x00" + ch.Version
	if n := len(s.reached[key]); n > ch.From && n <= len(ch.Statements) && database.Prefix(s.reached[key]) == database.Prefix(ch.Statements[:n]) {
		ch.From = n // this very session came further than the plan that the caller goes by
	}
	// after is what is recorded once statement i is done: how far it came, or that all of it is in force.
	after := func(i int) []database.Event { return ch.After(i, time.Since(began)) }
	if err := s.due(ctx, ch); err != nil {
		return err
	}
	if err := s.resume(ctx, c, ch); err != nil {
		return err
	}
	for i := ch.From; i == ch.From || i <= ch.Last(); i++ {
		var err error
		switch {
		case i >= len(ch.Statements): // the last one is done, or was found done
			if err = s.enter(ctx, s.own); err == nil {
				if err = s.verify(ctx, c, ch); err != nil {
					rollback(ctx, s.own)
				} else {
					err = s.commit(ctx, s.own, after(i)...)
				}
			}
		case isData(ch.Statements[i].SQL):
			err = s.inside(ctx, c, ch, i, after)
		default:
			err = s.guarded(ctx, c, ch, i, after)
		}
		if err != nil {
			return err
		}
		s.reached[key] = ch.Statements[:min(i+1, len(ch.Statements))]
	}
	delete(s.reached, key)
	return nil
}

// due asks under the fence whether the change is pending at all. Within the term nobody else can change that.
func (s *session) due(ctx context.Context, ch database.Change) error {
	if err := s.enter(ctx, s.own); err != nil {
		return err
	}
	defer rollback(ctx, s.own)
	return s.pending(ctx, s.own, ch)
}

// resume repeats what the statements that are done already had set on the connection that is gone.
func (s *session) resume(ctx context.Context, c *conn, ch database.Change) error {
	for _, st := range ch.Statements[:min(ch.From, len(ch.Statements))] {
		if setsSession(st.SQL) {
			if err := s.one(ctx, c, ch, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// inside runs statement i in a transaction with its progress.
func (s *session) inside(ctx context.Context, c *conn, ch database.Change, i int, after func(int) []database.Event) error {
	err := s.enter(ctx, c)
	if err == nil {
		err = c.run(ctx, s.limits(ch))
	}
	if err == nil {
		err = s.data(ctx, c, ch, ch.Statements[i])
	}
	if err != nil {
		rollback(ctx, c)
		return err
	}
	return s.commit(ctx, c, after(i)...)
}

// guarded runs statement i, which commits by itself, while the guard's transaction holds the fence row.
func (s *session) guarded(ctx context.Context, c *conn, ch database.Change, i int, after func(int) []database.Event) error {
	st := ch.Statements[i]
	rows, err := c.rows(ctx, "SELECT coalesce(database(), '')")
	if err != nil {
		return classify(err)
	}
	before, err := s.ask(ctx, st.SQL, rows[0][0])
	if err != nil {
		return err
	}
	trying := ch.Progress(i, i+1)
	trying.Note = noteOf(st, rows[0][0], before == none)
	if err := s.record(ctx, trying); err != nil {
		return err
	}
	if err := s.enter(ctx, s.own); err != nil {
		return err
	}
	if err = c.run(ctx, s.limits(ch)); err == nil {
		err = s.one(ctx, c, ch, st)
	}
	if err == nil {
		return s.commit(ctx, s.own, after(i)...)
	}
	rollback(ctx, s.own)
	if c.broken {
		return err // it may go on at the server: the running event says so, and the next term ends it
	}
	if rerr := s.record(context.WithoutCancel(ctx), ch.Progress(i, 0)); rerr != nil {
		return errors.Join(err, rerr)
	}
	return err
}

func (s *session) record(ctx context.Context, e database.Event) error {
	if err := s.enter(ctx, s.own); err != nil {
		return err
	}
	return s.commit(ctx, s.own, e)
}

// What the catalogue shows of a statement's effects.
type shown int

const (
	unclear shown = iota // it can't be told, or some and not others
	none
	all
)

// ask looks for the effects of a statement that ran, or would run, with schema as its default database.
func (s *session) ask(ctx context.Context, sql, schema string) (shown, error) {
	e := effectsOf(sql, schema)
	if len(e.facts) == 0 {
		return unclear, nil
	}
	rows, err := s.own.rows(ctx, "SELECT "+strings.Join(e.facts, ", "))
	if err != nil {
		return unclear, classify(err)
	}
	yes := 0
	for _, v := range rows[0] {
		if v == "1" {
			yes++
		}
	}
	switch yes {
	case 0:
		return none, nil
	case len(e.facts):
		return all, nil
	}
	return unclear, nil
}

// noteOf says in a running event which statement is tried, in which default database, and whether its effects were all missing
// before: only then can they tell that it ran.
func noteOf(st database.Statement, schema string, missing bool) string {
	note := fmt.Sprintf("statement %s in %s", database.Prefix([]database.Statement{st}), schema)
	if !missing {
		note += undecidable
	}
	return note
}

const undecidable = ", whose effect the catalogue can't tell"

// Probe asks the catalogue about a statement that was interrupted outside a transaction. What does no harm when it runs again is
// called undone.
func (s *session) Probe(ctx context.Context, st database.Statement) (bool, error) {
	if err := s.reopen(ctx); err != nil {
		return false, err
	}
	if effectsOf(st.SQL, "").again {
		return false, nil
	}
	key := database.Prefix([]database.Statement{st})
	if done, ok := s.answers[key]; ok {
		return done, nil
	}
	rows, err := s.own.rows(ctx, "SELECT note FROM "+s.db.table("history")+s.db.mine()+" AND kind = 'running' AND trying > 0 ORDER BY id DESC LIMIT 1")
	if err != nil {
		return false, classify(err)
	}
	if len(rows) == 0 {
		return false, database.ErrUndecided
	}
	schema, ok := strings.CutPrefix(rows[0][0], noteOf(st, "", true))
	if !ok || strings.HasSuffix(schema, undecidable) { // the file was mended, or nothing could be told from the start
		return false, database.ErrUndecided
	}
	switch now, err := s.ask(ctx, st.SQL, schema); {
	case err != nil:
		return false, err
	case now == unclear:
		return false, database.ErrUndecided
	default:
		s.answers[key] = now == all
		return now == all, nil
	}
}

func dataOnly(statements []database.Statement) bool {
	return !slices.ContainsFunc(statements, func(st database.Statement) bool { return !isData(st.SQL) })
}
