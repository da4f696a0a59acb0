package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

// ErrWaits says that a contract migration can't run yet, and for whom it waits.
var ErrWaits = errors.New("waits")

// A contract migration runs when no live replica is of a release whose set ends before its floor. The order matters, and is the
// same for the operator's word and for a replica that watches:
//
//  1. read the registry: nobody lives below the floor (else nothing is changed, and nobody's gate closes);
//  2. raise the floor, fenced: whoever registers from now on and then looks finds its gate shut;
//  3. read the registry again: whoever registered before the floor was raised, and may have looked before it, is seen here;
//     then the floor is lowered again, and the contract waits;
//  4. contract.
//
// A replica registers before it looks, so that of any two one sees the other.

// floorOf is the version that every serving release must have before the contract migration may run.
func floorOf(m migrations.Migration) string {
	if m.After != "" {
		return m.After
	}
	return m.Version
}

// judge says who stands in the way of a floor; nil: nobody.
type judge func(reg database.Registry, floor string) []string

// Contract applies the contract migrations on the operator's word: what is unknown or silent has stopped. A replica that was
// heard of within its time is not argued with, unless force is set.
func (r *Runner) Contract(ctx context.Context, force bool) error {
	return r.contract(ctx, false, func(reg database.Registry, floor string) []string {
		if force {
			return nil
		}
		silent := func(row database.Replica) bool { return time.Duration(row.AgeMS)*time.Millisecond >= replicaTTL }
		return obstacles(below(reg, floor), silent, InitStopped)
	})
}

func (r *Runner) contract(ctx context.Context, yields bool, j judge) error {
	r.goal = goal{judge: j, yields: yields, plan: func(l *ledger) (*Plan, error) {
		p, err := contractPlan(r.Set, l, r.Policy, r.Database.Traits())
		if err == nil {
			r.backUpFirst(p)
		}
		return p, err
	}}
	return r.run(ctx)
}

// contractPlan plans the pending contract migrations, up to the first that waits for a data migration.
func contractPlan(set *migrations.Set, l *ledger, p Policy, traits database.Traits) (*Plan, error) {
	out, err := plan(set, l, p, traits)
	if err != nil {
		return out, err
	}
	if len(out.Pending) > 0 {
		return out, misfit("%s is still pending: contract migrations come after what gates the release", out.Pending[0])
	}
	out.Steps = nil
	floor := l.floor
	var moved []database.Backfill // the counted ones since the contract before
	for _, m := range set.Migrations {
		r := l.byKey[key(m.Version)]
		if r != nil && r.applied != nil {
			if m.Phase == migrations.Contract {
				moved = nil
			}
			if b := backfillOf(m, change(m, p), p); b != nil && b.Counted() {
				moved = append(moved, *b)
			}
			continue
		}
		if m.Phase != migrations.Contract {
			out.Warnings = append(out.Warnings, fmt.Sprintf("the contract migrations after %s wait for it", m.Up.File))
			break
		}
		c := change(m, p)
		if r != nil {
			c.Version = r.version
			if err := resume(&c, r); err != nil {
				return out, err
			}
			if r.trying > 0 {
				out.undecided[c.Version] = r.trying
			}
		}
		c.Settled, moved = moved, nil
		need := floorOf(m)
		if floor != "" && migrations.CompareVersions(floor, need) > 0 {
			need = floor
		}
		raised := database.Event{Kind: database.Floor, Version: need, Name: c.Version}
		out.Steps = append(out.Steps, Step{Kind: StepCensus, Event: raised})
		if floor != need {
			out.Steps = append(out.Steps, Step{Kind: StepRecord, Event: raised})
		}
		floor = need
		out.Steps = append(out.Steps, Step{Kind: StepCensus, Event: raised}, Step{Kind: StepApply, Changes: []database.Change{c}})
	}
	return out, nil
}

// census reads the registry for the floor of the step. Whoever stands in the way makes the contract wait, with the floor as it
// was before.
func (r *Runner) census(ctx context.Context, st Step) election.Event {
	reg, err := r.Database.Registry(ctx)
	if err != nil {
		return r.outcome(ctx, st, err)
	}
	names := r.goal.judge(reg, st.Event.Version)
	if len(names) == 0 {
		return r.event(election.Done)
	}
	if err := r.lowerFloor(ctx); err != nil {
		return r.outcome(ctx, st, err)
	}
	return r.fail(fmt.Errorf("%w: %s %w for %s", ErrSet, st.Event.Name, ErrWaits, few(names)))
}

// unsettled asks what is left of the backfills before a contract, before anything is locked for it.
func (r *Runner) unsettled(ctx context.Context, c database.Change) error {
	batcher, ok := r.session.(database.Batcher)
	if !ok {
		return nil
	}
	for _, b := range c.Settled {
		n, err := batcher.Left(ctx, b)
		if err == nil {
			err = b.Settled(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notSettled makes a contract wait for rows that are left again.
func (r *Runner) notSettled(ctx context.Context, st Step, err error) election.Event {
	if lerr := r.lowerFloor(ctx); lerr != nil {
		return r.outcome(ctx, st, lerr)
	}
	return r.fail(fmt.Errorf("%w: %s %w: %w", ErrSet, st.Changes[0].File, ErrWaits, err))
}

// lowerFloor brings the floor back to what the migrations in force ask for.
func (r *Runner) lowerFloor(ctx context.Context) error {
	events, err := r.Database.History(ctx, false)
	if err != nil {
		return err
	}
	l := fold(events)
	due := l.floorDue()
	if due == l.floor {
		return nil
	}
	return r.session.Record(ctx, database.Event{Kind: database.Floor, Version: due, Note: "lowered: nothing in force asks for more"})
}

// floorDue is the highest floor that a migration in force has raised; what is undone counts as not in force.
func (l *ledger) floorDue(undone ...string) (due string) {
	for _, f := range l.floors {
		rec := l.byKey[key(f.Name)]
		if f.Name != "" && (rec == nil || rec.applied == nil || slices.Contains(undone, rec.version)) {
			continue
		}
		if f.Version != "" && (due == "" || migrations.CompareVersions(f.Version, due) > 0) {
			due = f.Version
		}
	}
	return due
}

// pendingContract is the next contract migration of the set that nothing of the set's own stands before; ok is false where
// there is none.
func pendingContract(set *migrations.Set, l *ledger) (m migrations.Migration, ok bool) {
	for _, m := range set.Migrations {
		if r := l.byKey[key(m.Version)]; r != nil && r.applied != nil {
			continue
		}
		return m, m.Phase == migrations.Contract
	}
	return m, false
}

// waitsFor says what a contract migration needs, as far as the set and the history tell.
func waitsFor(m migrations.Migration, unfinished string) string {
	if background(m) {
		return waitsForBackground
	}
	if unfinished != "" {
		return unfinished + " to be applied"
	}
	return "the replicas of every release before " + floorOf(m) + " to end"
}

// vigilance is what a watching replica does about the set's contract migrations.
type vigilance struct {
	vigil vigil
	next  migrations.Migration
	due   bool
	told  string
	// raised: the floor stands higher than what is in force asks for: a contract's leader ended between floor and contract.
	raised bool
	rounds int // of watching
	// failures in a row of the contract itself; it is tried again later each time.
	failures int
	again    time.Time
	done     chan error // of the contract under way; nil where there is none
}

// showEvery is how many rounds pass between readings of the registry that are only for showing: hundreds of replicas would
// otherwise read hundreds of rows every few seconds.
const showEvery = 6

// watchContract takes one reading of the registry where a contract migration is due, and begins it when nobody stands in its
// way any more. Every watching replica judges by itself; whoever is elected contracts.
func (r *Runner) watchContract(ctx context.Context, w *vigilance) {
	if w.done != nil {
		select {
		case err := <-w.done:
			w.done = nil
			w.failures++
			if err == nil || errors.Is(err, ErrWaits) {
				w.failures = 0
			}
			w.again = time.Now().Add(r.backoff(w.failures, time.Minute, time.Hour))
			if err != nil && ctx.Err() == nil {
				r.Log.Warn("contract", zap.Error(err))
			}
		default:
		}
		return
	}
	w.rounds++
	if (!w.due || r.Beside == nil) && w.rounds%showEvery != 1 {
		return
	}
	at := time.Now()
	reg, err := r.Database.Registry(ctx)
	if err != nil {
		w.vigil = vigil{} // the contact is broken
		return
	}
	r.observe(func(n *Snapshot) { n.Replicas = reg.Replicas })
	if !w.due || r.Beside == nil {
		return
	}
	w.vigil.read(reg, at)
	names := obstacles(below(reg, floorOf(w.next)), w.vigil.gone, r.Policy.Init)
	why := few(names)
	if why == "" && !w.vigil.settled() {
		why = fmt.Sprintf("nobody to be heard of for %v", replicaTTL)
	}
	if why != w.told {
		w.told = why
		r.Log.Info("contract migration", zap.String("migration", w.next.ID()), zap.String("waits_for", why))
		r.observe(func(n *Snapshot) { n.Plan = n.Plan.waiting(w.next.Version, why) })
	}
	if why != "" && !w.raised || w.failures > 0 && time.Now().Before(w.again) { // a raised floor is lowered by the census
		return
	}
	sub, err := r.Beside()
	if err != nil {
		r.Log.Warn("contract", zap.Error(err))
		return
	}
	sub.Commander = r.Commander // for the backup
	seen := w.vigil             // its map is never changed, only replaced
	done := make(chan error, 1)
	w.done = done
	go func() {
		defer close(done)
		done <- sub.contract(ctx, true, func(reg database.Registry, floor string) []string {
			if reg.Server != seen.server {
				return []string{"the readings of the registry to begin anew: another server answers"}
			}
			if why != "" {
				return []string{why}
			}
			return obstacles(below(reg, floor), seen.gone, r.Policy.Init)
		})
	}()
}

// wait lets a contract under way end; ctx, which has ended, stops it.
func (w *vigilance) wait() {
	if w.done != nil {
		<-w.done
	}
}

// waiting is the plan with a new word on what the version waits for.
func (p *Plan) waiting(version, why string) *Plan {
	if p == nil {
		return nil
	}
	out := *p
	out.Lines = append([]Line(nil), p.Lines...)
	for i, l := range out.Lines {
		if l.Version == version {
			out.Lines[i].WaitsFor = why
		}
	}
	return &out
}
