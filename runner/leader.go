package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

// settleFor bounds each of the short calls of a takeover, so that a lost lead is noticed between them.
const settleFor = 5 * time.Second

// takeTerm mints. A mint whose answer was lost is asked again under the same holder: it is then found to be ours.
func (r *Runner) takeTerm(ctx context.Context, s election.State) election.Event {
	r.closeSession()
	if r.mint.Number != s.Seen+1 {
		r.mint = database.Term{Number: s.Seen + 1, Holder: database.NewHolder()}
	}
	short, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	t, err := r.Database.Mint(short, s.Seen, r.mint.Holder)
	if err != nil {
		return r.settle(ctx, s, err, election.Minted)
	}
	r.term, r.mint, r.left = t, database.Term{}, database.Term{}
	r.Log.Info("term minted", zap.Int64("term", t.Number))
	e := r.event(election.Minted)
	e.Term = t.Number
	return e
}

// settle turns the answer of a leader's short call into an event, and waits a little before the next try.
func (r *Runner) settle(ctx context.Context, s election.State, err error, ok election.Kind) election.Event {
	switch {
	case err == nil:
		r.lastErr = nil
		return r.event(ok)
	case ctx.Err() != nil:
		return r.event(election.Stop)
	case errors.Is(err, database.ErrFenced):
		return r.fenced(err)
	case errors.Is(err, database.ErrDenied), errors.Is(err, database.ErrConfig):
		return r.fail(fmt.Errorf("%s: %w", s.Phase, err))
	}
	if r.lastErr == nil {
		r.Log.Warn("not yet", zap.Stringer("phase", s.Phase), zap.Error(err))
	}
	r.lastErr = err
	r.sleep(ctx, r.backoff(s.Tries+1, 50*time.Millisecond, 2*time.Second))
	switch {
	case errors.Is(err, database.ErrBlocked):
		return r.event(election.Blocked)
	case errors.Is(err, database.ErrUnknown):
		return r.event(election.Unknown)
	}
	return r.event(election.Unreachable)
}

func (r *Runner) fenced(err error) election.Event {
	r.Log.Warn("fenced", zap.Error(err))
	r.term = database.Term{} // told; see resign
	r.closeSession()
	return r.event(election.Fenced)
}

// read plans from the history as it stands within one's own term; no look made before the mint is used.
func (r *Runner) read(ctx context.Context) election.Event {
	l, e := r.history(ctx)
	if e != nil {
		return *e
	}
	p, err := r.goal.plan(l)
	if err != nil {
		return r.fail(err)
	}
	r.plan = p
	r.observe(func(n *Snapshot) { n.Plan, n.Leader = p, r.Candidate.Replica })
	for _, w := range p.Warnings {
		r.Log.Warn(w)
	}
	if len(p.Ahead) > 0 {
		r.Log.Info("the schema is ahead of this release", zap.Strings("versions", lastFew(p.Ahead)))
	}
	if r.goal.open && p.Complete && len(p.Steps) == 0 {
		return r.event(election.SawOpen)
	}
	if len(p.Steps) > 0 {
		r.Log.Info("planned", zap.Int("applied", len(p.Applied)), zap.Int("pending", len(p.Pending)))
	}
	planned := r.event(election.Planned)
	planned.Steps = len(p.Steps)
	return planned
}

func lastFew(versions []string) []string {
	return versions[max(0, len(versions)-5):]
}

// complete is the leader's last act.
func (r *Runner) complete(ctx context.Context) election.Event {
	if !r.goal.open {
		return r.event(election.Done)
	}
	st := Step{Kind: "complete"}
	if err := r.openSession(ctx); err != nil {
		return r.outcome(ctx, st, err)
	}
	// On record before the set is complete: no later term can then raise a floor that shuts this set without seeing it.
	if err := r.register(ctx, database.ReplicaOpen); err != nil {
		return r.outcome(ctx, st, err)
	}
	complete := database.Event{Kind: database.Complete, Digest: r.Set.Digest, Note: r.Policy.Source}
	done := append(r.cutDone(), complete) // last, so that a glance finds it there
	if err := r.session.Record(ctx, done...); err != nil {
		return r.outcome(ctx, st, err)
	}
	r.sweep(ctx, r.plan.floor)
	r.Log.Info("complete", zap.String("digest", r.Set.Digest[:12]), zap.Int64("term", r.term.Number))
	return r.event(election.Done)
}

// resign gives the lease back even when the run is being stopped; expiry is the backstop.
func (r *Runner) resign(ctx context.Context, s election.State) election.Event {
	if s.After != election.Opened {
		r.withdraw(ctx)
	}
	r.closeSession()
	r.left = r.term
	r.term, r.plan = database.Term{}, nil
	if r.lead == nil {
		return r.event(election.Done)
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	if err := r.lead.Resign(short); err != nil && !errors.Is(err, election.ErrLost) {
		r.Log.Warn("the lease could not be given back; it runs out by itself", zap.Error(err))
	}
	r.lead = nil
	r.Log.Debug("resigned", zap.Stringer("then", s.After))
	return r.event(election.Done)
}
