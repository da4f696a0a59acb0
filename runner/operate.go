package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// Rollback says how far to go back.
type Rollback struct {
	// Steps is how many migrations; used where To is empty.
	Steps int
	// To is the version that stays the last one in force; "0" rolls back everything.
	To string
	// Release rolls back to what was in force when that release last completed.
	Release string
	// Force rolls back what live replicas still need.
	Force bool
	// Dialect parses the down scripts.
	Dialect migrations.Dialect
}

// Down rolls back from the history's own down scripts, newest first, and leaves a hold on each.
func (r *Runner) Down(ctx context.Context, how Rollback) error {
	r.goal = goal{plan: func(l *ledger) (*Plan, error) { return undo(l, how, r.Policy) }, judge: func(reg database.Registry, from string) []string {
		if how.Force {
			return nil
		}
		silent := func(row database.Replica) bool { return time.Duration(row.AgeMS)*time.Millisecond >= replicaTTL }
		return obstacles(needing(reg, from), silent, InitStopped)
	}}
	err := r.run(ctx)
	if errors.Is(err, ErrWaits) {
		err = fmt.Errorf("%w, which need it: stop them first, or roll back all the same with --force", err)
	}
	return err
}

// needing picks the replicas that serve, or may at any moment, whose set reaches the version from.
func needing(reg database.Registry, from string) (out []database.Replica) {
	for _, row := range reg.Replicas {
		serves := row.State == database.ReplicaOpen || row.State == database.ReplicaWaiting
		if serves && row.Version != "" && migrations.CompareVersions(row.Version, from) >= 0 {
			out = append(out, row)
		}
	}
	return out
}

// undo plans a rollback. What can't be rolled back is refused by name before the first step.
func undo(l *ledger, how Rollback, p Policy) (*Plan, error) {
	out := &Plan{undecided: map[string]int{}}
	if how.To != "" && how.To != "0" {
		if rec := l.byKey[key(how.To)]; rec == nil || rec.applied == nil {
			return out, misfit("--to %s: the history has no such version in force", how.To)
		}
	}
	var later map[string]bool
	if how.Release != "" {
		var gone []string
		var err error
		if later, gone, err = l.since(how.Release); err != nil {
			return out, err
		}
		if len(gone) > 0 {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s had in force what is no longer: %s; a way back can't bring it back, deploying that release does",
				how.Release, strings.Join(gone, ", ")))
		}
	}
	for i, k := range slices.Backward(l.order) {
		rec := l.byKey[k]
		stays := len(l.order)-i > how.Steps
		switch {
		case how.Release != "":
			stays = !later[k]
		case how.To != "":
			stays = how.To != "0" && migrations.CompareVersions(rec.version, how.To) <= 0
		}
		if stays {
			continue
		}
		e := *rec.applied
		e.Version = rec.version
		if e.Down == nil {
			return out, misfit("%s_%s has no way back: its release shipped no down script, or one without a statement, so nothing was rolled back", e.Version, e.Name)
		}
		c, err := wayBack(e, how.Dialect, p)
		if err != nil {
			return out, err
		}
		c.Hold = true
		out.Steps = append(out.Steps, Step{Kind: StepUndo, Changes: []database.Change{c}})
		out.Pending = append(out.Pending, rec.version)
	}
	if n := len(out.Pending); n > 0 {
		lowest := slices.MinFunc(out.Pending, migrations.CompareVersions)
		census := Step{Kind: StepCensus, Event: database.Event{Version: lowest, Name: "the rollback of " + lowest}}
		out.Steps = append([]Step{census}, out.Steps...)
		if due := l.floorDue(out.Pending...); due != l.floor {
			out.Steps = append(out.Steps, Step{Kind: StepRecord, Event: database.Event{Kind: database.Floor, Version: due, Note: "lowered: rolled back"}})
		}
		if l.cutover.Under {
			out.Steps = append(out.Steps, endCutover(l))
		}
	}
	return out, nil
}

// Resolution is a person's answer to what only a person can know.
type Resolution struct {
	Version string
	// Answer is one of database.Resolved...; Statement is the 1-based statement to go on from.
	Answer    string
	Statement int
}

// Resolve records the answer, fenced like every write.
func (r *Runner) Resolve(ctx context.Context, how Resolution) error {
	r.goal = goal{plan: func(l *ledger) (*Plan, error) { return r.resolution(l, how) }}
	return r.run(ctx)
}

func (r *Runner) resolution(l *ledger, how Resolution) (*Plan, error) {
	out := &Plan{undecided: map[string]int{}}
	if how.Version == "cutover" {
		switch {
		case !l.cutover.Under:
			return out, misfit("resolve cutover: none is under way")
		case how.Answer != database.ResolvedRetry:
			return out, misfit("resolve cutover: the one answer is --retry: nothing of it took effect, and older releases may serve again")
		}
		out.Steps = []Step{endCutover(l)}
		return out, nil
	}
	m, ok := r.Set.Find(how.Version)
	rec := l.byKey[key(how.Version)]
	if !ok && rec == nil {
		return out, misfit("resolve %s: neither this release's set nor the history knows that version", how.Version)
	}
	e := database.Event{Kind: database.Resolved, Version: how.Version, Note: how.Answer}
	if ok {
		c := change(m, r.Policy)
		e.Version, e.Name, e.Checksum, e.Format, e.Down = c.Version, c.Name, c.Checksum, c.Format, c.Down
		if how.Answer == database.ResolvedStatement {
			if how.Statement < 1 || how.Statement > len(c.Statements)+1 {
				return out, misfit("resolve %s --from-statement %d: %s has %d statement(s)", how.Version, how.Statement, c.File, len(c.Statements))
			}
			e.Done = how.Statement - 1
			e.Prefix = database.Prefix(c.Statements[:e.Done])
		}
	} else if how.Answer == database.ResolvedStatement {
		return out, misfit("resolve %s --from-statement: this release's set does not hold the file", how.Version)
	}
	if rec != nil {
		e.Version = rec.version
		if rec.applied != nil && how.Answer != database.ResolvedAgain {
			return out, misfit("resolve %s: it is in force since %s; there is nothing to answer", how.Version, rec.applied.At.UTC().Format("2006-01-02 15:04"))
		}
		if e.Name == "" {
			e.Name, e.Checksum = rec.last.Name, rec.last.Checksum
		}
	}
	out.Steps = []Step{{Kind: StepRecord, Event: e}}
	return out, nil
}

// endCutover lets older releases serve again.
func endCutover(l *ledger) Step {
	return Step{Kind: StepRecord, Event: database.Event{Kind: database.CutoverEnded, Digest: l.cutover.Digest, Note: database.CutoverWithdrawn}}
}

// Report is the state of a service as one person asks for it.
type Report struct {
	View     database.View
	Registry database.Registry
	Events   []database.Event
	Plan     *Plan
	// Backfills is how far the data migrations in batches came.
	Backfills []database.Progress
	// Misfit is why the set does not fit the history, nil where it does.
	Misfit error
	Open   bool
	Why    string
}

// Inspect looks without changing anything.
func (r *Runner) Inspect(ctx context.Context) (*Report, error) {
	defer r.Database.Disconnect()
	v, l, events, err := r.seen(ctx)
	if err != nil {
		return nil, err
	}
	out := &Report{View: v, Events: events}
	if v.Ready {
		if out.Registry, err = r.Database.Registry(ctx); err != nil {
			return nil, fmt.Errorf("read the registry: %w", err)
		}
		if store, ok := r.Database.(database.Backfills); ok {
			if out.Backfills, err = store.Backfills(ctx, r.Policy.Service); err != nil {
				return nil, fmt.Errorf("read the progress: %w", err)
			}
		}
	}
	warnings, err := r.foresee(ctx, l)
	if err != nil && !errors.Is(err, adopt.ErrRecord) && !errors.Is(err, adopt.ErrUnfinished) {
		return nil, err
	}
	out.Plan, out.Misfit = plan(r.Set, l, r.Policy, r.Database.Traits())
	out.Plan.Warnings = append(warnings, out.Plan.Warnings...)
	if err != nil {
		out.Misfit = errors.Join(err, out.Misfit)
	}
	if m, ok := pendingContract(r.Set, l); ok {
		// One reading shows who is there; it takes a full replicaTTL to show who is not.
		nobody := func(database.Replica) bool { return false }
		why := few(obstacles(below(out.Registry, floorOf(m)), nobody, r.Policy.Init))
		if why == "" {
			why = fmt.Sprintf("a replica under run or sidecar to find nobody of an older release for %v (or schemagate up --contract)", replicaTTL)
		}
		out.Plan = out.Plan.waiting(m.Version, why)
	}
	out.Open, out.Why = r.verdict(v)
	if !out.Open && v.Complete == 0 && v.Ready && r.Policy.Command == "" && l.covers(r.Set) {
		out.Open, out.Why = true, ""
	}
	return out, nil
}
