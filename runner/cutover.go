package runner

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

// A cutover closes older releases before it changes what they can't live with, and opens the new one after it:
//
//  1. heed the registry for a full replicaTTL, while everybody still serves, so that the dead need not be waited for later;
//  2. announce, fenced: replicas of other sets close their gates at their next look, stop their apps or give them their time to
//     drain, and acknowledge in their rows; whoever starts now registers, looks, and stays shut;
//  3. wait until every row of an older set has acknowledged, is gone, or was silent for a full replicaTTL;
//  4. migrate; record together that the set is complete, that the cutover is done, and the floor that keeps older sets shut.
//
// Where nothing of it took effect, the announcement is withdrawn and the older releases open again.

// closeEvery is the time between looks while a cutover is announced: the old release is to come back, and the new one to go on,
// without delay, and only the few replicas of this service ask.
const closeEvery = 250 * time.Millisecond

// older says that the row is of another set that this set's cutover shuts: for a command any other, for files one that ends
// before the cutover's last migration.
func (r *Runner) older(row database.Replica, floor string) bool {
	if row.Digest == r.Set.Digest {
		return false
	}
	return row.Version == "" || floor == "" || migrations.CompareVersions(row.Version, floor) < 0
}

// cutFloor is the version of the set's last cutover migration, empty where a command cuts over.
func cutFloor(set *migrations.Set) (floor string) {
	for _, m := range set.Migrations {
		if m.Phase == migrations.Cutover {
			floor = m.Version
		}
	}
	return floor
}

// quiesce announces the cutover and waits for the older releases. It holds the lead all the while.
func (r *Runner) quiesce(ctx context.Context, st Step) election.Event {
	if err := r.openSession(ctx); err != nil {
		return r.outcome(ctx, st, err)
	}
	r.observe(func(n *Snapshot) { n.Current, n.Since = "cutover", time.Now() })
	defer r.observe(func(n *Snapshot) { n.Current = "" })
	var v vigil
	announced := st.Event.Kind == "" // by an earlier leader of this set, or there is nobody to wait for
	told := ""
	for {
		at := time.Now()
		reg, err := r.Database.Registry(ctx)
		if err != nil {
			return r.outcome(ctx, st, err)
		}
		v.read(reg, at)
		var rows []database.Replica
		for _, row := range reg.Replicas {
			if r.older(row, cutFloor(r.Set)) && row.State != database.ReplicaStopped {
				rows = append(rows, row)
			}
		}
		if !announced && (v.settled() || !r.plan.succeeds) {
			if unknown := unheard(rows, r.Policy.Init); len(unknown) > 0 {
				return r.fail(misfit("cutover: %s: nobody can tell them to stop. Stop them, and say so with SCHEMAGATE_INIT_REPLICAS=stopped; "+
					"or deploy with schemagate run or sidecar", few(unknown)))
			}
			if err := r.session.Record(ctx, st.Event); err != nil {
				return r.outcome(ctx, st, err)
			}
			announced = true
			r.Log.Info("cutover announced", zap.Int64("term", r.term.Number))
			continue
		}
		names := obstacles(rows, v.gone, InitStopped)
		if announced && len(names) == 0 {
			r.Log.Info("older releases have stopped", zap.Int64("term", r.term.Number))
			return r.event(election.Done)
		}
		if why := few(names); announced && why != told {
			told = why
			r.Log.Info("cutover waits", zap.String("for", why))
			r.observe(func(n *Snapshot) { n.Current = "cutover, waiting for " + why })
		}
		switch {
		case ctx.Err() != nil:
			return r.event(election.Stop)
		case !r.lead.Alive():
			return r.event(election.Interrupted)
		case !r.deadline.IsZero() && !time.Now().Before(r.deadline):
			r.lastErr = fmt.Errorf("cutover waits for %s", few(names))
			return r.event(election.Expired)
		}
		r.sleep(ctx, closeEvery)
	}
}

// unheard names the init-only releases among the rows: nobody can ask them to stop.
func unheard(rows []database.Replica, init InitPolicy) []string {
	var inits []database.Replica
	for _, row := range rows {
		if row.State == database.ReplicaInit {
			inits = append(inits, row)
		}
	}
	if init == InitStopped || len(inits) == 0 {
		return nil
	}
	out := make([]string, len(inits))
	for i, row := range inits {
		out[i] = "init-only replicas of release " + row.Release
		if row.Release == "" {
			out[i] = "init-only replicas of a release that does not name itself"
		}
	}
	return out
}

// cutDone are the events that end a cutover together with the set's complete event.
func (r *Runner) cutDone() (out []database.Event) {
	if !r.plan.cutover {
		return nil
	}
	if floor := cutFloor(r.Set); floor != "" && (r.plan.floor == "" || migrations.CompareVersions(r.plan.floor, floor) < 0) {
		out = append(out, database.Event{Kind: database.Floor, Version: floor, Name: floor})
	}
	return append(out, database.Event{Kind: database.CutoverEnded, Digest: r.Set.Digest, Note: database.CutoverDone})
}

// withdraw ends an announced cutover of this set of which nothing took effect, so that the older releases may open again. What
// took effect, or may have, keeps them shut.
func (r *Runner) withdraw(ctx context.Context) {
	if r.term.Number == 0 || r.plan == nil || !r.plan.cutover {
		return
	}
	events, err := r.Database.History(ctx, false)
	if err == nil {
		l := fold(events)
		switch {
		case !l.cutover.Under || l.cutover.Digest != r.Set.Digest:
			return
		case l.touched:
			r.Log.Error("the cutover is half done: older releases stay shut. Mend it and deploy again, or roll it back")
			return
		}
		err = r.record(ctx, database.Event{Kind: database.CutoverEnded, Digest: r.Set.Digest, Note: database.CutoverWithdrawn})
	}
	if err != nil {
		r.Log.Warn("the cutover could not be withdrawn; older releases withdraw it themselves once nobody leads", zap.Error(err))
		return
	}
	r.Log.Info("cutover withdrawn: nothing of it took effect")
}

// abandoned plans for a set that an announced cutover of another set keeps shut while nobody leads that one: where nothing of
// it took effect, it is ended.
func abandoned(set *migrations.Set, l *ledger) (*Step, error) {
	if !l.cutover.Under || l.cutover.Digest == set.Digest {
		return nil, nil
	}
	if !l.touched {
		return &Step{Kind: StepRecord, Event: database.Event{Kind: database.CutoverEnded, Digest: l.cutover.Digest, Note: database.CutoverWithdrawn}}, nil
	}
	if len(set.Migrations) == 0 && l.complete[set.Digest] == 0 {
		return nil, nil // a mended command takes the cutover over
	}
	for _, version := range l.touchedBy {
		if _, ok := set.Find(version); !ok {
			return nil, misfit("a cutover of another release has begun (%s) and is not complete: mend that release and deploy it again, "+
				"or roll it back (schemagate down); if nothing of it took effect: schemagate resolve cutover --retry", version)
		}
	}
	return nil, nil
}

// App is what a replica that stays can do about its app.
type App interface {
	// Stop returns when the app was stopped, or has had its time to drain, or ctx has ended.
	Stop(ctx context.Context)
	// Start is called when the gate opens again.
	Start()
}

// closing is a watching replica's part in somebody else's cutover.
type closing struct {
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the app has stopped; nil while no cutover is announced
	acked   bool
	vacant  time.Time // since when nobody leads the cutover
}

// heed closes for an announced cutover, acknowledges, and opens again when it was withdrawn. It returns the state to register.
func (r *Runner) heed(ctx context.Context, c *closing, under, open bool) (state string) {
	switch {
	case under && c.stopped == nil:
		c.stopped = make(chan struct{})
		c.acked, c.vacant = false, time.Time{}
		sctx, cancel := context.WithCancel(ctx)
		c.cancel = cancel
		go func(done chan struct{}) {
			defer close(done)
			if r.App != nil {
				r.App.Stop(sctx)
			}
		}(c.stopped)
	case !under && open && c.stopped != nil:
		c.end()
		if r.App != nil {
			r.App.Start()
		}
	}
	switch {
	case c.isStopped():
		return database.ReplicaStopped
	case open:
		return database.ReplicaOpen
	}
	return database.ReplicaClosed
}

func (c *closing) isStopped() bool {
	if c.stopped == nil {
		return false
	}
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// end waits for Stop, which it hurries.
func (c *closing) end() {
	if c.stopped != nil {
		c.cancel()
		<-c.stopped
		c.stopped = nil
	}
}
