package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

// waitsForBackground is what a plan says of a background backfill.
const waitsForBackground = "its batches, which run and sidecar replicas move behind the open gate"

// batchLock is the longest that a batch waits for a lock, unless its file says otherwise: it holds others meanwhile.
const batchLock = time.Second

// background migrations are backfills that do not gate the release.
func background(m migrations.Migration) bool { return m.Up.Backfill != nil && m.Up.Backfill.Background }

// deferred migrations never gate the release.
func deferred(m migrations.Migration) bool { return m.Phase == migrations.Contract || background(m) }

// stepOf is the step that a pending change takes.
func stepOf(c database.Change) Step {
	st := Step{Kind: StepApply, Changes: []database.Change{c}}
	if c.Backfill != nil {
		st.Kind = StepBackfill
	}
	return st
}

// backfillOf is the migration's backfill in the database's words, nil where it is none.
func backfillOf(m migrations.Migration, c database.Change, p Policy) *database.Backfill {
	in := m.Up.Backfill
	if in == nil {
		return nil
	}
	b := &database.Backfill{
		Service: p.Service, Version: m.Version, Name: m.Name, Checksum: m.Checksum, File: c.File, Line: in.Line,
		Table: in.Table, Key: in.Key, Where: in.Where, Left: in.Left, Language: c.Language, Text: c.Text, Update: in.Update,
		Size: in.Size, Pause: in.Pause, Idempotent: c.Idempotent, LockTimeout: c.LockTimeout, StatementTimeout: c.StatementTimeout,
	}
	if m.Up.LockTimeout == nil && (b.LockTimeout == 0 || b.LockTimeout > batchLock) {
		b.LockTimeout = batchLock
	}
	for i, parts := range in.Statements {
		st := database.BatchStatement{Line: m.Up.Statements[i].Line}
		for _, part := range parts {
			st.Parts = append(st.Parts, database.BatchPart(part))
		}
		b.Statements = append(b.Statements, st)
	}
	return b
}

// backfill moves a migration's data in batches; the gate, if the migration has one, waits for it.
func (r *Runner) backfill(ctx context.Context, st Step) election.Event {
	c := st.Changes[0]
	batcher, ok := r.session.(database.Batcher)
	store, ok2 := r.Database.(database.Backfills)
	if !ok || !ok2 {
		return r.fail(fmt.Errorf("%w: %s: %s can't move data in batches", database.ErrConfig, c.File, r.Database.Traits().Name))
	}
	wctx, cancel := joined(database.WithTrust(ctx, r.lead.Deadline), r.lead.Context())
	defer cancel()
	e := &backfill.Engine{Session: batcher, Store: store, Backfill: *c.Backfill, PauseFile: r.PauseFile, Report: r.reporter(c)}
	if r.goal.record == nil {
		e.Finished = c.Outcome
	}
	names := title(st)
	r.observe(func(n *Snapshot) { n.Current, n.Since = names, time.Now() })
	r.Log.Info("moving data in batches", zap.String("migration", names), zap.Int64("term", r.term.Number))
	began := time.Now()
	p, err := e.Run(wctx)
	if err == nil && r.goal.record != nil {
		err = r.goal.record(wctx, c, time.Duration(p.ActiveMS)*time.Millisecond)
	}
	r.observe(func(n *Snapshot) { n.Current = "" })
	if err != nil {
		return r.stopped(ctx, st, err)
	}
	took := time.Since(began)
	r.plan.mark(c.Version, took, r.Candidate.Release)
	r.observe(func(n *Snapshot) { n.Applied, n.Duration = c.Version, took })
	r.Log.Info("applied", zap.String("migration", names), zap.Duration("took", took), zap.Int64("term", r.term.Number),
		zap.Int64("keys", p.Walked), zap.Int64("changed", p.Changed), zap.Int64("batches", p.Batches), zap.Int("passes", p.Pass))
	r.lastErr, r.hiccups = nil, 0
	return r.event(election.Done)
}

// stopped sorts what ended a backfill before its time.
func (r *Runner) stopped(ctx context.Context, st Step, err error) election.Event {
	if errors.Is(err, backfill.ErrCancelled) {
		r.Log.Warn("cancelled", zap.String("migration", title(st)))
		return r.fail(fmt.Errorf("%w: %w", ErrFailed, err))
	}
	if r.goal.record != nil && !passing(err) && !errors.Is(err, database.ErrFenced) && ctx.Err() == nil && r.lead.Alive() {
		// Nobody's gate depends on it: its own record says that it failed, and the history of the service stays out of it.
		r.Log.Error("failed", zap.String("migration", title(st)), zap.Error(err))
		return r.fail(err)
	}
	return r.outcome(ctx, st, err)
}

// reportEvery is the time between two lines of the log about one backfill whose state does not change.
const reportEvery = 10 * time.Second

// reporter shows every batch, and logs now and then and at each change of state.
func (r *Runner) reporter(c database.Change) func(backfill.Report) {
	said, state := time.Now(), ""
	return func(p backfill.Report) {
		r.observe(func(n *Snapshot) { n.Backfills = merge(n.Backfills, p) })
		now := p.State + p.Reason
		if now == state && time.Since(said) < reportEvery || p.State == string(backfill.Done) {
			return
		}
		said, state = time.Now(), now
		fields := []zap.Field{zap.String("migration", c.Version), zap.String("state", p.State), zap.Int64("done", p.Walked), zap.Int64("of", p.Total)}
		if p.Reason != "" {
			fields = append(fields, zap.String("reason", p.Reason))
		}
		if p.Rate > 0 {
			fields = append(fields, zap.Float64("per_second", p.Rate), zap.Duration("left", p.ETA.Round(time.Second)))
		}
		r.Log.Info("batches", fields...)
	}
}

// merge puts a report in its place, in a list that nobody else writes to.
func merge(list []backfill.Report, p backfill.Report) []backfill.Report {
	out := slices.Clone(list)
	for i := range out {
		if key(out[i].Version) == key(p.Version) {
			out[i] = p
			return out
		}
	}
	return append(out, p)
}
