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
// again; a database that does not answer changes nothing but what is shown.
func (r *Runner) Watch(ctx context.Context) {
	defer r.Database.Disconnect()
	bySet := r.view.Complete == 0 // opened by comparison, having no complete event of its own
	for {
		r.deadline = time.Time{}
		r.sleep(ctx, r.backoff(1, watchEvery, watchEvery))
		if ctx.Err() != nil {
			return
		}
		v, err := r.Database.Look(ctx, database.Query{Digest: r.Set.Digest, Since: -1})
		if err == nil {
			r.view = v
		}
		open, why := r.verdict(v)
		if err == nil && !open && bySet && v.Complete == 0 && v.Ready {
			open, why, err = r.stillCovered(ctx)
		}
		if err == nil && v.Last != r.planned {
			r.refresh(ctx, v.Last)
		}
		r.Database.Disconnect()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.Log.Warn("the database does not answer; the gate stays as it is", zap.Error(err))
			r.observe(func(n *Snapshot) { n.Did, n.Came, n.Reachable, n.Err = election.Look, election.Unreachable, false, err })
			continue
		}
		if open != r.shown.Open {
			if open {
				r.Log.Info("gate open again")
			} else {
				r.Log.Warn("gate closed", zap.String("why", why))
			}
		}
		came := election.SawVacant
		if open {
			came = election.SawOpen
		}
		r.observe(func(n *Snapshot) {
			n.Did, n.Came = election.Look, came
			n.Reachable, n.Err, n.Open, n.Why, n.Leader, n.Term = true, nil, open, why, v.Lease.Replica, v.Fence.Number
		})
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
func (r *Runner) refresh(ctx context.Context, last int64) {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		return // the next look tries again
	}
	p, err := plan(r.Set, fold(events), r.Policy, r.Database.Traits())
	if err != nil {
		r.Log.Debug("the set does not fit the history", zap.Error(err))
	}
	r.planned = last
	r.observe(func(n *Snapshot) { n.Plan = p })
}
