package prove

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/database"
)

// stage is a scratch database while migrations are tried on it.
type stage struct {
	*Prover
	db      database.Scratch
	session database.Session
	now     database.Objects
	moves   int64           // backfills that were begun
	foreign map[string]bool // objects that fixtures made, which no migration answers for
	told    map[string]bool // differences that have been told: what one way back left is not told again of those before it
}

// fatal errors say nothing of the migration: the proof can't go on.
func fatal(ctx context.Context, err error) bool {
	for _, e := range []error{database.ErrUnreachable, database.ErrDenied, database.ErrConfig, database.ErrRefused, database.ErrFenced} {
		if errors.Is(err, e) {
			return true
		}
	}
	return ctx.Err() != nil
}

// step runs f as a step of t; ok is false where the migration failed in it.
func (s *stage) step(ctx context.Context, t *trial, name string, f func(*Step) error) (ok bool, err error) {
	if s.Step != nil {
		s.Step(t.report.File, name)
	}
	st := &Step{Step: name}
	began := time.Now()
	err = f(st)
	if st.DurationMS == 0 { // looking at the schema is no part of it
		st.DurationMS = milliseconds(time.Since(began))
	}
	if err != nil && fatal(ctx, err) {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return false, err
	}
	t.report.Steps = append(t.report.Steps, st)
	if err != nil {
		st.Error = err.Error()
	}
	return err == nil, nil
}

// look takes a new description of the schema.
func (s *stage) look(ctx context.Context) (err error) {
	s.now, err = s.db.Schema(ctx)
	return err
}

// apply runs a change through the session, as a leader does, and then looks at the schema.
func (s *stage) apply(ctx context.Context, st *Step, c database.Change) error {
	began := time.Now()
	err := s.run(ctx, c)
	st.DurationMS = milliseconds(time.Since(began))
	if err != nil {
		return err
	}
	return s.look(ctx)
}

// run applies a change, or moves its data in batches: all of it, each time it is applied.
func (s *stage) run(ctx context.Context, c database.Change) error {
	if c.Backfill == nil {
		return s.session.Apply(ctx, c)
	}
	s.moves++
	b := *c.Backfill
	b.Since = s.moves
	c.Backfill = &b
	return backfill.Apply(ctx, s.session, s.db, c)
}

// differs notes what is not as it should be, once.
func (s *stage) differs(st *Step, want database.Objects) {
	for _, line := range differences(want, s.now, s.foreign) {
		if !s.told[line] {
			s.told[line] = true
			st.Differences = append(st.Differences, line)
		}
	}
}

// forward takes migrations up for the first time, with their fixtures and checks.
func (s *stage) forward(ctx context.Context, trials []*trial) (ok bool, err error) {
	for _, t := range trials {
		if t.fixture != nil {
			if ok, err := s.fixture(ctx, t); !ok || err != nil {
				return false, err
			}
		}
		t.before = s.now
		ok, err := s.step(ctx, t, up, func(st *Step) error { return s.apply(ctx, st, t.up) })
		if !ok || err != nil {
			return false, err
		}
		t.after = s.now
		if t.repeats {
			c := t.up
			c.Repeat = true
			ok, err = s.step(ctx, t, twice, func(st *Step) error {
				if err := s.apply(ctx, st, c); err != nil {
					return err
				}
				s.differs(st, t.after)
				return nil
			})
			if !ok || err != nil {
				return false, err
			}
		}
		if t.check != nil { // one that fails leaves the schema as it is, so that the rest can be tried
			if _, err := s.step(ctx, t, check, func(*Step) error { return s.db.Try(ctx, *t.check, check, false) }); err != nil {
				return false, err
			}
		}
		t.done = true
	}
	return true, nil
}

func (s *stage) fixture(ctx context.Context, t *trial) (ok bool, err error) {
	before := s.now
	ok, err = s.step(ctx, t, fixture, func(*Step) error { return s.db.Try(ctx, *t.fixture, fixture, true) })
	if ok && err == nil {
		err = s.look(ctx)
	}
	for name, def := range s.now {
		if before[name] != def {
			s.foreign[name] = true
		}
	}
	return ok, err
}

// back takes migrations down, newest first, and then up again.
func (s *stage) back(ctx context.Context, trials []*trial) (ok bool, err error) {
	for _, t := range slices.Backward(trials) {
		ok, err := s.step(ctx, t, down, func(st *Step) error {
			if err := s.apply(ctx, st, *t.down); err != nil {
				return err
			}
			s.differs(st, t.before)
			return nil
		})
		if !ok || err != nil {
			t.brokenDown = true
			return false, err
		}
	}
	return s.repeat(ctx, trials)
}

// repeat takes migrations up once more, without fixtures, and compares with the first time.
func (s *stage) repeat(ctx context.Context, trials []*trial) (ok bool, err error) {
	for _, t := range trials {
		ok, err := s.step(ctx, t, again, func(st *Step) error {
			if err := s.apply(ctx, st, t.up); err != nil {
				return err
			}
			s.differs(st, t.after)
			return nil
		})
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
