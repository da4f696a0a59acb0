package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

// look asks the database once. Only its answer opens the gate.
func (r *Runner) look(ctx context.Context) election.Event {
	if r.goal.open && r.Stays && r.registered.IsZero() {
		// A first use has no tables yet, and a migration may hold what this needs: nothing opens without it, so it is tried again.
		if err := r.register(ctx, database.ReplicaWaiting); err != nil && !passing(err) && !errors.Is(err, database.ErrNotPrepared) {
			return r.unreachable(ctx, err, "register")
		}
	}
	if e, ok := r.glance(ctx); ok {
		return e
	}
	if err := r.ReadWhole(); err != nil {
		return r.fail(err)
	}
	v, err := r.Database.Look(ctx, database.Query{Digest: r.Set.Digest, Since: r.since})
	if err != nil {
		return r.unreachable(ctx, err, "look")
	}
	r.view, r.lastErr = v, nil
	if r.left.Number > 0 {
		// Whoever took over ends our session before it raises the term, so that we may have looked in between.
		if err := r.left.Check(v.Fence); err != nil {
			r.Log.Warn("fenced", zap.Error(err))
			r.left = database.Term{}
		}
	}
	if r.since < 0 {
		r.since = v.Last
	}
	r.observe(func(n *Snapshot) { n.Reachable, n.Leader, n.Term, n.Err = true, v.Lease.Replica, v.Fence.Number, nil })
	seen := func(k election.Kind) election.Event {
		e := r.event(k)
		e.Term = v.Fence.Number
		return e
	}
	if !r.goal.open {
		if r.goal.settled != nil && r.goal.settled(ctx) {
			return seen(election.SawOpen)
		}
		switch {
		case v.Lease.Alive && r.goal.yields:
			return r.fail(fmt.Errorf("%w: %s leads", ErrWaits, v.Lease.Replica))
		case v.Lease.Alive:
			return seen(election.SawLed)
		}
		return seen(election.SawVacant)
	}
	if err := belowFloor(r.Set, v.Floor); err != nil {
		return r.fail(err)
	}
	if err := r.cutAway(v); err != nil && !r.Policy.Again {
		return r.fail(err)
	}
	if r.shutBy(v.Cutover) && r.Stays && r.state != database.ReplicaStopped {
		// My gate is shut and my app does not run: whoever cuts over need not wait for me.
		if err := r.register(ctx, database.ReplicaStopped); err != nil {
			r.Log.Debug("acknowledge the cutover", zap.Error(err))
		}
	}
	if open, _ := r.verdict(v); open && (!r.Policy.Always || v.Complete > r.since) {
		return r.opening(ctx, v, seen(election.SawOpen))
	}
	if f := r.concerns(v.Failures); f != nil {
		return r.fail(&FailedError{Event: *f})
	}
	if v.Ready && v.Last != r.planned && (r.planned < 0 || !r.Campaigns) {
		if open, e := r.compare(ctx, v); e != nil {
			return *e
		} else if open {
			return r.opening(ctx, v, seen(election.SawOpen))
		}
	}
	if v.Lease.Alive {
		return seen(election.SawLed)
	}
	return seen(election.SawVacant)
}

// glance is the hot path: a start that has nothing to do asks one small question, and this replica is on record; so does a
// follower whose turn it is, since most often the set is complete then. Anything else, an error included, is for the look to say.
func (r *Runner) glance(ctx context.Context) (election.Event, bool) {
	if !r.goal.open || r.since >= 0 && r.looked == nil || r.Policy.Always {
		return election.Event{}, false
	}
	clear, init, err := r.Database.Glance(ctx, r.Set.Digest)
	if err != nil || !clear || !r.onRecord(database.View{Init: init}) {
		return election.Event{}, false
	}
	r.view.Complete = 1 // there is one
	r.observe(func(n *Snapshot) { n.Reachable, n.Err = true, nil })
	return r.event(election.SawOpen), true
}

// opening lets the gate open on the look v, if that look came after this replica was on record; else it registers and has the
// look repeated.
func (r *Runner) opening(ctx context.Context, v database.View, open election.Event) election.Event {
	if r.onRecord(v) {
		return open
	}
	switch err := r.register(ctx, database.ReplicaOpen); {
	case errors.Is(err, database.ErrDenied) && !r.Stays:
		// An app user may have no more than the right to look.
		r.Log.Warn("the role may not write to schemagate_replicas, so a later release's contract migration will not know that this release may live")
		return open
	case err != nil:
		return r.unreachable(ctx, err, "register")
	}
	r.planned = -1 // comparing is part of the look that is repeated
	return r.look(ctx)
}

// compare holds the whole set against the history: at the first look, so that a set which does not fit is told before any
// campaign, and for those who never campaign, because nobody may be left to complete an older set.
func (r *Runner) compare(ctx context.Context, v database.View) (open bool, e *election.Event) {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		ev := r.unreachable(ctx, err, "read the history")
		return false, &ev
	}
	r.planned = v.Last
	l := fold(events)
	if _, err := r.foresee(ctx, l); err != nil {
		if errors.Is(err, adopt.ErrRecord) || errors.Is(err, adopt.ErrUnfinished) {
			ev := r.fail(err)
			return false, &ev
		}
		r.planned = -1 // another tool's record counts, and was not read: for the leader to do
		return false, nil
	}
	p, err := r.goal.plan(l)
	if err != nil && !errors.Is(err, ErrNeedsResolve) {
		ev := r.fail(err)
		return false, &ev
	}
	r.observe(func(n *Snapshot) { n.Plan = p })
	return !r.Campaigns && r.Policy.Command == "" && l.covers(r.Set), nil
}

// verdict says whether the view lets this release serve, and if not, why.
func (r *Runner) verdict(v database.View) (open bool, why string) {
	if err := belowFloor(r.Set, v.Floor); err != nil {
		return false, err.Error()
	}
	if r.shutBy(v.Cutover) {
		return false, "a cutover to another release is under way"
	}
	if err := r.cutAway(v); err != nil {
		return false, err.Error()
	}
	for _, version := range v.Undone {
		if _, ok := r.Set.Find(version); ok {
			return false, version + " was rolled back"
		}
	}
	if v.Complete == 0 {
		return false, "the database has no record that this release's set is complete"
	}
	return true, ""
}

// shutBy says that another set has announced a cutover.
func (r *Runner) shutBy(c database.Cutover) bool { return c.Under && c.Digest != r.Set.Digest }

// cutAway says that another command has cut over since this one was complete. Sets of files have their floor for that.
func (r *Runner) cutAway(v database.View) error {
	c := v.Cutover
	if len(r.Set.Migrations) > 0 || c.Under || c.Note != database.CutoverDone || v.Complete == 0 || v.Complete > c.ID || c.Digest == r.Set.Digest {
		return nil
	}
	return misfit("another release has cut over since this one's command was complete: deploy that release or a later one; " +
		"if the schema was brought back by hand, run this one's command again: schemagate up --again")
}

// concerns picks the failure that is this release's own: its version and checksum, or its digest.
func (r *Runner) concerns(failures []database.Event) *database.Event {
	for i, f := range failures {
		if f.Version == "" && f.Digest == r.Set.Digest {
			return &failures[i]
		}
		if m, ok := r.Set.Find(f.Version); ok && f.Version != "" && m.Checksum == f.Checksum && !deferred(m) {
			return &failures[i]
		}
	}
	return nil
}

// unreachable sorts an error of a look: what may pass is waited out, what won't is told at once.
func (r *Runner) unreachable(ctx context.Context, err error, what string) election.Event {
	if ctx.Err() != nil {
		return r.event(election.Stop)
	}
	if errors.Is(err, database.ErrDenied) && r.Campaigns {
		err = r.allMissing(ctx, err)
	}
	if errors.Is(err, database.ErrDenied) || errors.Is(err, database.ErrConfig) || !passing(err) {
		return r.fail(fmt.Errorf("%s: %w", what, err))
	}
	if r.lastErr == nil {
		r.Log.Warn("database not reached, waiting for it", zap.Error(err), zap.Duration("timeout", r.Timeout))
	}
	r.lastErr = err
	r.observe(func(n *Snapshot) { n.Reachable, n.Err = false, err })
	return r.event(election.Unreachable)
}

// passing errors go away by themselves.
func passing(err error) bool {
	for _, e := range []error{database.ErrUnreachable, database.ErrInterrupted, database.ErrBlocked, database.ErrUnknown,
		context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// wait sleeps without a connection. The sleep grows, because a crowd that looks often would slow the migration it waits for.
func (r *Runner) wait(ctx context.Context, s election.State) election.Event {
	r.Database.Disconnect()
	r.turnOver()
	if r.lastErr != nil { // nobody to notify us: plain backing off
		r.sleep(ctx, r.backoff(s.Tries, 200*time.Millisecond, 5*time.Second))
		return r.event(election.Woke)
	}
	r.waits++
	if r.waits == 1 {
		r.Log.Info("waiting", zap.String("leader", r.view.Lease.Replica), zap.Int64("term", r.view.Fence.Number))
	}
	d := r.backoff(r.waits, 100*time.Millisecond, 2*time.Second)
	if !r.deadline.IsZero() {
		d = min(d, max(0, time.Until(r.deadline)))
	}
	if !r.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.deadline)
		defer cancel()
	}
	leader := election.RivalOf(r.view.Lease)
	if leader.Holder == r.heard { // it has told us to look, and has nothing more to tell
		leader.Address = ""
	}
	if r.looked = r.Elector.Await(ctx, leader, d); r.looked != nil {
		r.heard = leader.Holder
	}
	return r.event(election.Woke)
}

// turnOver lets the next follower look. Our connection is closed by now.
func (r *Runner) turnOver() {
	if r.looked != nil {
		r.looked()
		r.looked = nil
	}
}

func (r *Runner) campaign(ctx context.Context) election.Event {
	r.turnOver() // what follows takes its time
	if err := r.preflight(ctx, r.view.Ready); err != nil {
		return r.campaignError(ctx, err)
	}
	if !r.view.Ready {
		if err := r.Database.Prepare(ctx); err != nil {
			return r.campaignError(ctx, err)
		}
		if r.goal.open && r.Stays {
			if err := r.register(ctx, database.ReplicaWaiting); err != nil {
				return r.campaignError(ctx, err)
			}
		}
	}
	c := r.Candidate
	c.Holder = database.NewHolder()
	c.Exclusive = r.Policy.Command != "" || !r.Database.Traits().Fenced
	if r.Address != nil {
		c.Address = r.Address()
	}
	lead, err := r.Elector.Campaign(ctx, c, election.RivalOf(r.view.Lease))
	if err != nil {
		return r.campaignError(ctx, err)
	}
	r.lead, r.lastErr = lead, nil
	if dead := r.view.Lease; dead.Dead {
		r.Log.Warn("taking over: the leader's presence is gone", zap.String("dead", dead.Replica), zap.Int64("silent_ms", dead.AgeMS))
	} else {
		r.Log.Info("elected")
	}
	return r.event(election.Won)
}

func (r *Runner) campaignError(ctx context.Context, err error) election.Event {
	switch {
	case ctx.Err() != nil:
		return r.event(election.Stop)
	case errors.Is(err, election.ErrHeld):
		r.lastErr = nil
		return r.event(election.Held)
	case errors.Is(err, database.ErrDenied), errors.Is(err, database.ErrConfig):
		return r.fail(fmt.Errorf("campaign: %w", err))
	}
	if errors.Is(err, database.ErrBlocked) { // two first starts race: the other one makes the tables
		r.Log.Debug("campaign", zap.Error(err))
		return r.event(election.Unreachable)
	}
	if r.lastErr == nil {
		r.Log.Warn("campaign failed, trying again", zap.Error(err))
	}
	r.lastErr = err
	return r.event(election.Unreachable)
}
