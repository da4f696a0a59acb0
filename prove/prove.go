package prove

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

// ErrFailed: a migration did not pass; the report says which and why.
var ErrFailed = errors.New("the set does not pass")

// leftover is how old a scratch database must be to be taken for what a crash left: longer than any proof runs.
const leftover = 24 * time.Hour

// dropFor bounds the dropping of a scratch database, which comes even after a signal.
const dropFor = 30 * time.Second

// Prover proves one set.
type Prover struct {
	Scratcher database.Scratcher
	Set       *migrations.Set
	Policy    runner.Policy
	Dialect   migrations.Dialect
	// Files hold the fixtures and checks beside the set.
	Files fs.FS
	// Step, if not nil, is told of each step as it begins.
	Step func(file, step string)

	report *Report
	trials []*trial
}

// trial is one migration on trial.
type trial struct {
	report           *Migration
	up               database.Change
	down             *database.Change
	fixture, check   *database.Change
	repeats          bool             // it is to stand being run twice
	before, after    database.Objects // the schema before its first way up, and behind it
	brokenDown, done bool
}

// Run returns ErrFailed beside a whole report where the set does not pass; any other error means that it could not be tried.
func (p *Prover) Run(ctx context.Context) (_ *Report, err error) {
	began := time.Now()
	p.report = &Report{Database: p.database(), Swept: []string{}}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	swept, err := p.Scratcher.Sweep(ctx, leftover)
	p.report.Swept = append(p.report.Swept, swept...)
	if err != nil && !errors.Is(err, database.ErrInUse) {
		return nil, fmt.Errorf("drop what a crash has left: %w", err)
	}
	if err = p.firstWay(ctx); err == nil {
		err = p.secondWay(ctx)
	}
	if err != nil && len(p.report.Migrations) > 0 && len(p.report.Migrations[0].Steps) == 0 {
		return nil, err // nothing was tried, so there is nothing to report
	}
	p.report.DurationMS = milliseconds(time.Since(began))
	p.report.settle()
	if err == nil && p.report.Result != Passed {
		err = ErrFailed
	}
	return p.report, err
}

func (p *Prover) database() string {
	if d, ok := p.Scratcher.(database.Database); ok {
		return d.Traits().Name
	}
	return ""
}

// prepare reads all that is to be run, so that a broken file is found before anything is made.
func (p *Prover) prepare() error {
	var problems []error
	for _, c := range runner.Changes(p.Set, p.Policy) {
		m, _ := p.Set.Find(c.Version)
		t := &trial{report: &Migration{Version: m.Version, Name: m.Name, File: c.File, Steps: []*Step{}, Reversible: c.Down != nil},
			up: c, repeats: (m.Up.Idempotent || m.Repeatable) && c.Backfill == nil}
		if c.Down != nil {
			down, err := runner.WayBack(c, p.Dialect, p.Policy)
			problems = append(problems, err)
			t.down = &down
		}
		for _, b := range []struct {
			file string
			into **database.Change
		}{{m.Fixture, &t.fixture}, {m.Check, &t.check}} {
			if b.file == "" {
				continue
			}
			script, err := migrations.ReadBeside(p.Files, p.Dialect, b.file)
			problems = append(problems, err)
			beside := runner.Beside(script, p.Policy)
			*b.into = &beside
		}
		if t.check != nil && t.check.Language == "sql" { // every statement of it has to be answered true
			t.check.Verify, t.check.Statements = t.check.Statements, nil
		}
		p.trials = append(p.trials, t)
		p.report.Migrations = append(p.report.Migrations, t.report)
	}
	return errors.Join(problems...)
}

// scratch makes a scratch database with our tables and the session that leads it, calls f, and drops it whatever happens.
func (p *Prover) scratch(ctx context.Context, f func(*stage) error) (err error) {
	db, err := p.Scratcher.NewScratch(ctx)
	if err != nil {
		return err
	}
	defer func() {
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropFor)
		defer cancel()
		err = errors.Join(err, db.Drop(dctx))
	}()
	if err := db.Prepare(ctx); err != nil {
		return fmt.Errorf("prepare %s: %w", db.Name(), err)
	}
	term, err := db.Mint(ctx, 0, database.NewHolder())
	if err != nil {
		return fmt.Errorf("prepare %s: %w", db.Name(), err)
	}
	session, err := db.Lead(ctx, term, database.Origin{Replica: "schemagate test"})
	if err != nil {
		return fmt.Errorf("prepare %s: %w", db.Name(), err)
	}
	defer session.Close()
	empty, err := db.Schema(ctx)
	if err != nil {
		return err
	}
	return f(&stage{Prover: p, db: db, session: session, now: empty, foreign: map[string]bool{}, told: map[string]bool{}})
}

// firstWay goes up, and over every stretch of migrations that have a way back down and up once more.
func (p *Prover) firstWay(ctx context.Context) error {
	return p.scratch(ctx, func(s *stage) error {
		for at := 0; at < len(p.trials); {
			end := at
			for end < len(p.trials) && p.trials[end].down != nil {
				end++
			}
			stretch := p.trials[at:end]
			if ok, err := s.forward(ctx, stretch); !ok || err != nil {
				return err
			}
			if ok, err := s.back(ctx, stretch); !ok || err != nil {
				return err
			}
			if end < len(p.trials) { // has no way back
				if ok, err := s.forward(ctx, p.trials[end:end+1]); !ok || err != nil {
					return err
				}
				end++
			}
			at = end
		}
		return nil
	})
}

// secondWay goes up on another empty database where the first one was not gone back to its start.
func (p *Prover) secondWay(ctx context.Context) error {
	whole := true
	for _, t := range p.trials {
		if !t.done || t.brokenDown {
			return nil // it failed
		}
		whole = whole && t.down != nil
	}
	if whole {
		return nil
	}
	return p.scratch(ctx, func(s *stage) error {
		_, err := s.repeat(ctx, p.trials)
		return err
	})
}
