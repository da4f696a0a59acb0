package runner

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/database"
)

// BackgroundService is the name under which a service's background work has its own lease, fence and terms.
func BackgroundService(service string) string { return service + "/background" }

// Background moves the data of a set's background backfills behind the open gate. Its leader is elected apart from that of the
// service, so that no deploy ever waits for it.
type Background struct {
	// Worker leads BackgroundService; Main reads the history of the service itself, and records there, under its fence, what is
	// done. Both are used by nobody else.
	Worker, Main *Runner
	// Show is told of every backfill that this replica knows of; it must not block.
	Show func([]backfill.Report)

	rates map[string]*seenRate
}

// seenRate follows a backfill that another replica works on.
type seenRate struct {
	rate   backfill.Rate
	walked int64
}

// HasBackground tells whether the set holds background backfills at all.
func (r *Runner) HasBackground() bool {
	for _, m := range r.Set.Migrations {
		if background(m) {
			return true
		}
	}
	return false
}

// owed are the background backfills that are not in force: due are those that may be worked on now, left is how many there are.
func (r *Runner) owed(ctx context.Context) (due []database.Change, left int, rows []database.Progress, err error) {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read the history: %w", err)
	}
	if store, ok := r.Database.(database.Backfills); ok {
		if rows, err = store.Backfills(ctx, r.Policy.Service); err != nil {
			return nil, 0, nil, fmt.Errorf("read the progress: %w", err)
		}
	}
	l := fold(events)
	for _, m := range r.Set.Migrations {
		rec := l.byKey[key(m.Version)]
		if !background(m) || rec != nil && rec.applied != nil {
			continue
		}
		left++
		if rec != nil && rec.heldSums[m.Checksum] {
			continue
		}
		c := change(m, r.Policy)
		c.Backfill.Since = l.undone[key(m.Version)]
		if rec != nil {
			c.Version, c.Backfill.Version = rec.version, rec.version
		}
		if !given(c, rows) {
			due = append(due, c)
		}
	}
	return due, left, rows, nil
}

// given up are those that failed or were cancelled, until a mended file comes or the operator resumes them.
func given(c database.Change, rows []database.Progress) bool {
	for _, p := range rows {
		if key(p.Version) == key(c.Version) && p.Checksum == c.Checksum && p.Since == c.Backfill.Since {
			return p.State == string(backfill.Failed) || p.State == string(backfill.Cancelled)
		}
	}
	return false
}

// BackgroundLeft counts the background backfills that are not in force yet.
func (r *Runner) BackgroundLeft(ctx context.Context) (int, error) {
	defer r.Database.Disconnect()
	_, left, _, err := r.owed(ctx)
	return left, err
}

// Run works, or watches another replica work, until everything is in force or ctx ends. With once it returns the first failure.
func (b *Background) Run(ctx context.Context, once bool) error {
	for {
		due, left, err := b.look(ctx)
		if err == nil && left == 0 {
			return nil
		}
		if err == nil && len(due) > 0 {
			b.Worker.goal = goal{settled: b.settled, record: b.record, plan: func(*ledger) (*Plan, error) { return b.plan(ctx) }}
			err = b.Worker.run(ctx)
		} else if err == nil && once {
			return fmt.Errorf("%w: %d background backfill(s) failed, were cancelled or are on hold: schemagate status tells which", ErrFailed, left)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && once && !passing(err):
			return err
		case err != nil:
			b.Worker.Log.Warn("background work stopped; it is looked at again", zap.Error(err))
		}
		b.Main.sleep(ctx, b.Main.backoff(1, watchEvery, watchEvery))
	}
}

// look reads what is owed, shows it and disconnects.
func (b *Background) look(ctx context.Context) (due []database.Change, left int, err error) {
	defer b.Main.Database.Disconnect()
	due, left, rows, err := b.Main.owed(ctx)
	if err == nil && b.Show != nil && len(rows) > 0 {
		b.Show(b.reports(rows))
	}
	return due, left, err
}

func (b *Background) reports(rows []database.Progress) (out []backfill.Report) {
	if b.rates == nil {
		b.rates = map[string]*seenRate{}
	}
	for _, p := range rows {
		s := b.rates[p.Version]
		if s == nil {
			s = &seenRate{}
			b.rates[p.Version] = s
		}
		s.rate.Add(int(p.Walked-s.walked), time.Now())
		s.walked = p.Walked
		out = append(out, backfill.Report{Progress: p, Rate: s.rate.PerSecond(), ETA: s.rate.ETA(p.Total - p.Walked)})
	}
	return out
}

// settled ends a run in which there is nothing to do any more: another replica did it.
func (b *Background) settled(ctx context.Context) bool {
	due, _, err := b.look(ctx)
	return err == nil && len(due) == 0
}

// plan is made within the worker's own term.
func (b *Background) plan(ctx context.Context) (*Plan, error) {
	due, _, err := b.look(ctx)
	out := &Plan{undecided: map[string]int{}}
	for _, c := range due {
		out.Steps = append(out.Steps, stepOf(c))
		out.Pending = append(out.Pending, c.Version)
	}
	return out, err
}

// record writes into the service's own history, within a term of its own there, what the background's fence has let happen. The
// progress says done by then, and stays so: should this replica die here, its successor finds that and records it.
func (b *Background) record(ctx context.Context, c database.Change, took time.Duration) error {
	event := c.Outcome(took)[0]
	event.Note = "in batches, behind the open gate"
	b.Main.goal = goal{plan: func(l *ledger) (*Plan, error) {
		out := &Plan{undecided: map[string]int{}}
		if rec := l.byKey[key(c.Version)]; rec == nil || rec.applied == nil && l.undone[key(c.Version)] == c.Backfill.Since {
			out.Steps = []Step{{Kind: StepRecord, Event: event}}
		}
		return out, nil
	}}
	return b.Main.run(ctx)
}
