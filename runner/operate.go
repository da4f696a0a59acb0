package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

// Rollback says how far to go back.
type Rollback struct {
	// Steps is how many migrations; used where To is empty.
	Steps int
	// To is the version that stays the last one in force; "0" rolls back everything.
	To string
	// Dialect parses the down scripts.
	Dialect migrations.Dialect
}

// Down rolls back from the history's own down scripts, newest first, and leaves a hold on each.
func (r *Runner) Down(ctx context.Context, how Rollback) error {
	r.goal = goal{plan: func(l *ledger) (*Plan, error) { return undo(l, how, r.Policy) }}
	return r.run(ctx)
}

// undo plans a rollback. What can't be rolled back is refused by name before the first step.
func undo(l *ledger, how Rollback, p Policy) (*Plan, error) {
	out := &Plan{undecided: map[string]int{}}
	if how.To != "" && how.To != "0" {
		if rec := l.byKey[key(how.To)]; rec == nil || rec.applied == nil {
			return out, misfit("--to %s: the history has no such version in force", how.To)
		}
	}
	for i, k := range slices.Backward(l.order) {
		rec := l.byKey[k]
		if how.To == "" && len(l.order)-i > how.Steps ||
			how.To != "" && how.To != "0" && migrations.CompareVersions(rec.version, how.To) <= 0 {
			continue
		}
		e := rec.applied
		file := rec.version + "_" + e.Name
		if e.Down == nil {
			return out, misfit("%s has no way back: its release shipped no down script, so nothing was rolled back", file)
		}
		down, err := migrations.ParseDown(e.Format, how.Dialect, file+" (down, from the history)", *e.Down)
		if err != nil {
			return out, err
		}
		c := script(down, p)
		c.Version, c.Name, c.Checksum, c.Format, c.Undo, c.Hold = rec.version, e.Name, e.Checksum, e.Format, true, true
		out.Steps = append(out.Steps, Step{Kind: StepUndo, Changes: []database.Change{c}})
		out.Pending = append(out.Pending, rec.version)
	}
	return out, nil
}

// Contract applies the contract migrations on the operator's word that no release which needs the old shape serves.
func (r *Runner) Contract(ctx context.Context) error {
	r.goal = goal{plan: func(l *ledger) (*Plan, error) { return contract(r.Set, l, r.Policy, r.Database.Traits()) }}
	return r.run(ctx)
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

// Report is the state of a service as one person asks for it.
type Report struct {
	View   database.View
	Events []database.Event
	Plan   *Plan
	// Misfit is why the set does not fit the history, nil where it does.
	Misfit error
	Open   bool
	Why    string
}

// Inspect looks without changing anything.
func (r *Runner) Inspect(ctx context.Context) (*Report, error) {
	defer r.Database.Disconnect()
	v, err := r.Database.Look(ctx, database.Query{Digest: r.Set.Digest, Since: -1})
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}
	out := &Report{View: v}
	if v.Ready {
		if out.Events, err = r.Database.History(ctx, false); err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
	}
	l := fold(out.Events)
	out.Plan, out.Misfit = plan(r.Set, l, r.Policy, r.Database.Traits())
	out.Open, out.Why = r.verdict(v)
	if !out.Open && v.Complete == 0 && v.Ready && r.Policy.Command == "" && l.covers(r.Set) {
		out.Open, out.Why = true, ""
	}
	return out, nil
}
