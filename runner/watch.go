package runner

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

// watchEvery is the time between looks behind an open gate: short enough that a release which no longer fits stops within
// seconds, long enough that hundreds of replicas cost the database next to nothing.
const watchEvery = 5 * time.Second

// Watch keeps looking after the gate has opened, until ctx ends. Only an answer of the database closes the gate or opens it
// again; a database that does not answer changes nothing but what is shown. Each round renews this replica's row before it
// looks, takes its part in another release's cutover, and begins a contract migration of this one's when it may.
func (r *Runner) Watch(ctx context.Context) {
	defer r.Database.Disconnect()
	r.goal = goal{}
	bySet := r.view.Complete == 0 // opened by comparison, having no complete event of its own
	var duty vigilance
	defer duty.wait()
	var shut closing
	defer shut.end()
	state := database.ReplicaOpen
	again := false // look again at once
	for {
		if !again {
			r.pace(ctx, &shut, duty.due)
		}
		again = false
		if ctx.Err() != nil {
			return
		}
		if r.Stays {
			if err := r.register(ctx, state); err != nil {
				r.Log.Debug("renew the registration", zap.Error(err))
			}
		}
		v, err := r.Database.Look(ctx, database.Query{Digest: r.Set.Digest, Since: -1})
		if err == nil {
			r.view = v
		}
		open, why := r.verdict(v)
		if err == nil && !open && bySet && v.Complete == 0 && v.Ready && !r.shutBy(v.Cutover) {
			open, why, err = r.stillCovered(ctx)
		}
		if err == nil && open && state == database.ReplicaStopped {
			// Another cutover may count on my having stopped: my row must say otherwise before the look that opens.
			state, again = database.ReplicaOpen, true
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			duty.vigil = vigil{} // the contact is broken
			r.Database.Disconnect()
			r.Log.Warn("the database does not answer; the gate stays as it is", zap.Error(err))
			r.observe(func(n *Snapshot) { n.Did, n.Came, n.Reachable, n.Err = election.Look, election.Unreachable, false, err })
			continue
		}
		switch {
		case open && !r.shown.Open:
			r.Log.Info("gate open again")
		case !open && (r.shown.Open || why != r.shown.Why):
			r.Log.Warn("gate closed", zap.String("why", why))
		}
		came := election.SawVacant
		if open {
			came = election.SawOpen
		}
		r.observe(func(n *Snapshot) {
			n.Did, n.Came = election.Look, came
			n.Reachable, n.Err, n.Open, n.Why, n.Leader, n.Term = true, nil, open, why, v.Lease.Replica, v.Fence.Number
		})
		if r.Stays {
			before := state
			if state = r.heed(ctx, &shut, r.shutBy(v.Cutover), open); state != before {
				if err := r.register(ctx, state); err != nil {
					r.Log.Debug("register", zap.Error(err))
				}
			}
			r.reclaim(ctx, v, &shut)
		}
		// The gate is as the look has it; what follows may take its time.
		if v.Last != r.planned {
			r.refresh(ctx, v.Last, &duty)
		}
		if open && r.Stays {
			r.watchContract(ctx, &duty)
		}
		r.Database.Disconnect()
	}
}

// pace sleeps between looks: for less where a contract migration is due, shortly while a cutover is announced, and no longer than until the app has stopped for it.
func (r *Runner) pace(ctx context.Context, shut *closing, due bool) {
	r.deadline = time.Time{}
	if shut.stopped == nil || !r.shutBy(r.view.Cutover) {
		every := watchEvery
		if due { // readings without a gap, even on a busy machine
			every /= 2
		}
		r.sleep(ctx, r.backoff(1, every, every))
		return
	}
	d := r.backoff(1, 2*closeEvery, 2*closeEvery)
	if shut.acked {
		r.sleep(ctx, d)
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-shut.stopped:
		shut.acked = true
	}
}

// reclaim ends another set's cutover that nobody leads any more and that left nothing behind. The new release's own replicas go
// first: they campaign as soon as nobody leads.
func (r *Runner) reclaim(ctx context.Context, v database.View, shut *closing) {
	if !r.shutBy(v.Cutover) || v.Lease.Alive || r.Beside == nil {
		shut.vacant = time.Time{}
		return
	}
	if shut.vacant.IsZero() {
		shut.vacant = time.Now()
	}
	if time.Since(shut.vacant) < 2*replicaTTL {
		return
	}
	shut.vacant = time.Time{}
	sub, err := r.Beside()
	if err == nil {
		sub.goal = goal{yields: true, plan: func(l *ledger) (*Plan, error) {
			out := &Plan{undecided: map[string]int{}}
			if l.cutover.Under && !l.touched {
				out.Steps = []Step{endCutover(l)}
			}
			return out, nil
		}}
		err = sub.run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("end the abandoned cutover", zap.Error(err))
	}
}

func (r *Runner) stillCovered(ctx context.Context) (open bool, why string, err error) {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		return false, "", err
	}
	if fold(events).covers(r.Set) {
		return true, "", nil
	}
	return false, "the schema no longer holds all of this release's set", nil
}

// refresh reads the history anew for what is shown of it; the gate does not depend on it.
func (r *Runner) refresh(ctx context.Context, last int64, duty *vigilance) {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		return // the next look tries again
	}
	l := fold(events)
	p, err := plan(r.Set, l, r.Policy, r.Database.Traits())
	if err != nil {
		r.Log.Debug("the set does not fit the history", zap.Error(err))
	}
	r.planned = last
	next, due := pendingContract(r.Set, l)
	duty.raised = l.floor != l.floorDue()
	if due != duty.due || next.Version != duty.next.Version {
		duty.next, duty.due, duty.told = next, due, ""
	}
	if due {
		p = p.waiting(next.Version, duty.told)
	}
	r.observe(func(n *Snapshot) { n.Plan = p })
}
