package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

// taking is what a leader records before it plans.
type taking struct {
	events []database.Event
	write  *database.ForeignWrite // another tool's table, for handing back
}

// history reads the events within one's own term, and takes over what another tool left, where nothing of ours is in force yet.
func (r *Runner) history(ctx context.Context) (*ledger, *election.Event) {
	for {
		events, err := r.Database.History(ctx, !r.goal.open)
		if err != nil {
			e := r.settle(ctx, election.State{Phase: election.Read}, err, election.Planned)
			return nil, &e
		}
		l := fold(events)
		take := r.goal.take
		if take == nil && r.goal.open {
			take = r.takeOver
		}
		if take == nil {
			return l, nil
		}
		t, err := take(ctx, l)
		if err == nil && len(t.events) > 0 {
			err = r.keep(ctx, t)
		}
		if err != nil {
			e := r.notTaken(ctx, err)
			return nil, &e
		}
		if len(t.events) == 0 {
			return l, nil
		}
	}
}

func (r *Runner) keep(ctx context.Context, t taking) error {
	if err := r.openSession(ctx); err != nil {
		return err
	}
	if t.write == nil {
		return r.session.Record(ctx, t.events...)
	}
	s, ok := r.session.(database.ForeignSession)
	if !ok {
		return fmt.Errorf("%w: %s: other tools' records can't be written", database.ErrRefused, r.Database.Traits().Name)
	}
	return s.HandBack(ctx, *t.write, t.events...)
}

// notTaken sorts the error: what won't pass by itself is told at once.
func (r *Runner) notTaken(ctx context.Context, err error) election.Event {
	r.closeSession()
	if !passing(err) && !errors.Is(err, database.ErrFenced) && ctx.Err() == nil {
		return r.fail(err)
	}
	return r.settle(ctx, election.State{Phase: election.Read}, err, election.Planned)
}

// foreign reads other tools' records, if this database can hold any.
func (r *Runner) foreign(ctx context.Context) ([]database.ForeignTable, error) {
	f, ok := r.Database.(database.Foreign)
	if !ok {
		return nil, nil
	}
	tables, err := f.Foreign(ctx, adopt.Shapes())
	if err != nil {
		return nil, fmt.Errorf("read other tools' records: %w", err)
	}
	return tables, nil
}

// unadopted says that another tool's record counts: nothing is in force by our own doing, or the record was handed back since.
func (l *ledger) unadopted() bool { return l.own <= l.handedBack && l.adopted <= l.handedBack }

// found is what another tool's record says that our history does not.
func (r *Runner) found(ctx context.Context, l *ledger) (*adopt.Taken, []database.Event, error) {
	if r.Policy.Command != "" || !l.unadopted() {
		return &adopt.Taken{}, nil, nil
	}
	tables, err := r.foreign(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, err := adopt.Read(r.Set, tables)
	if err != nil || t.Tool == "" {
		return t, nil, err
	}
	var out []database.Event
	there := map[string]bool{}
	for _, e := range t.Events {
		there[key(e.Version)] = true
		if rec := l.byKey[key(e.Version)]; rec == nil || rec.applied == nil {
			out = append(out, e)
		}
	}
	if l.handedBack > 0 { // the tool may have gone back since
		for _, k := range slices.Backward(slices.Clone(l.order)) {
			if rec := l.byKey[k]; !there[k] {
				out = append(out, database.Event{Kind: database.RolledBack, Version: rec.version, Name: rec.name, Checksum: rec.applied.Checksum, Format: rec.applied.Format,
					Note: adopt.NotePrefix + t.Tool})
			}
		}
	}
	// Written last: without it, a take-over that broke off half-way is gone on with.
	return t, append(out, database.Event{Kind: database.Adopted, Note: fmt.Sprintf("%d version(s) from %s (%s)", len(t.Events), t.Tool, t.Table)}), nil
}

// takeOver is the first start's.
func (r *Runner) takeOver(ctx context.Context, l *ledger) (taking, error) {
	t, events, err := r.found(ctx, l)
	if err != nil || len(events) == 0 {
		return taking{}, err
	}
	r.Log.Info("adopted", zap.String("tool", t.Tool), zap.String("table", t.Table), zap.Int("versions", len(t.Events)), zap.Int64("term", r.term.Number))
	if len(t.Unknown) > 0 {
		r.Log.Warn("the other tool applied versions that this set does not hold", zap.Strings("versions", lastFew(t.Unknown)))
	}
	return taking{events: events}, nil
}

// Adoption is what came of adopting, or would.
type Adoption struct {
	adopt.Taken
	// New are the versions that were not in the history.
	New []string
	// Back are those that the other tool rolled back since it was handed the record.
	Back []string
	// Why is set where there is nothing to adopt.
	Why string
}

func adoption(t *adopt.Taken, events []database.Event, l *ledger) *Adoption {
	a := &Adoption{Taken: *t}
	for _, e := range events {
		switch e.Kind {
		case database.Applied:
			a.New = append(a.New, e.Version)
		case database.RolledBack:
			a.Back = append(a.Back, e.Version)
		}
	}
	switch {
	case !l.unadopted():
		a.Why = fmt.Sprintf("schemagate's own history has %d version(s) in force", len(l.order))
	case t.Tool == "":
		a.Why = "no record of another tool was found"
	}
	return a
}

// Adopt takes over without applying anything; a dry run changes nothing.
func (r *Runner) Adopt(ctx context.Context, dry bool) (out *Adoption, err error) {
	if r.Policy.Command != "" {
		return nil, errNoFiles
	}
	if dry {
		defer r.Database.Disconnect()
		_, l, _, err := r.seen(ctx)
		if err != nil {
			return nil, err
		}
		t, events, err := r.found(ctx, l)
		if err != nil {
			return nil, err
		}
		return adoption(t, events, l), nil
	}
	r.goal = goal{plan: nothing, take: func(ctx context.Context, l *ledger) (taking, error) {
		t, events, err := r.found(ctx, l)
		if err != nil {
			return taking{}, err
		}
		if out == nil || l.unadopted() {
			out = adoption(t, events, l)
		}
		return taking{events: events}, nil
	}}
	return out, r.run(ctx)
}

var errNoFiles = fmt.Errorf("%w: with SCHEMAGATE_COMMAND the files are another tool's, and so is its record", database.ErrConfig)

func nothing(*ledger) (*Plan, error) { return &Plan{}, nil }

// Baseline puts everything up to the version in force without running it.
func (r *Runner) Baseline(ctx context.Context, version string) (n int, err error) {
	if r.Policy.Command != "" {
		return 0, errNoFiles
	}
	r.goal = goal{plan: nothing, take: func(ctx context.Context, l *ledger) (taking, error) {
		events, err := adopt.Baseline(r.Set, version)
		if err != nil {
			return taking{}, err
		}
		n = len(events) - 1
		if l.adopted > 0 && l.adoptedNote == events[n].Note && len(l.order) == n {
			return taking{}, nil // an earlier try's answer was lost
		}
		if l.own > 0 || l.adopted > 0 || len(l.order) > 0 {
			return taking{}, misfit("baseline %s: the history has %d version(s) in force; baseline is for a database that it knows nothing of (schemagate history)", version, len(l.order))
		}
		tables, err := r.foreign(ctx)
		if err != nil {
			return taking{}, err
		}
		if t, err := adopt.Read(r.Set, tables); err == nil && len(t.Events) > 0 && strings.Trim(version, "0") != "" {
			return taking{}, misfit("baseline %s: %s recorded %d version(s) in %s: schemagate adopt takes them over", version, t.Tool, len(t.Events), t.Table)
		}
		return taking{events: events}, nil
	}}
	return n, r.run(ctx)
}

// HandBack writes what is in force into the record of the tool that owns the set's format.
func (r *Runner) HandBack(ctx context.Context, d migrations.Dialect) (out *adopt.Given, err error) {
	if r.Policy.Command != "" {
		return nil, errNoFiles
	}
	before := int64(-1)
	r.goal = goal{plan: nothing, take: func(ctx context.Context, l *ledger) (taking, error) {
		if before < 0 {
			before = l.handedBack
		}
		if l.handedBack > before { // done
			return taking{}, nil
		}
		var held []adopt.Held
		for _, k := range l.order {
			rec := l.byKey[k]
			held = append(held, adopt.Held{Version: rec.version, Name: rec.name, Note: rec.applied.Note, At: rec.applied.At})
		}
		for _, rec := range l.byKey {
			if rec.applied == nil && (rec.done > 0 || rec.trying > 0) {
				return taking{}, fmt.Errorf("%w: %s is half-way, which the other tool can't be told: schemagate up first", ErrNeedsResolve, rec.version)
			}
		}
		tables, err := r.foreign(ctx)
		if err != nil {
			return taking{}, err
		}
		if out, err = adopt.Back(r.Set, d, held, tables); err != nil {
			return taking{}, err
		}
		return taking{events: []database.Event{{Kind: database.HandedBack, Note: fmt.Sprintf("%d version(s) to %s", len(held), out.Tool)}}, write: &out.Write}, nil
	}}
	return out, r.run(ctx)
}

// seen is the history as it stands, without a term.
func (r *Runner) seen(ctx context.Context) (v database.View, l *ledger, events []database.Event, err error) {
	if v, err = r.Database.Look(ctx, database.Query{Digest: r.Set.Digest, Since: -1}); err != nil {
		return v, nil, nil, fmt.Errorf("look: %w", err)
	}
	if v.Ready {
		if events, err = r.Database.History(ctx, false); err != nil {
			return v, nil, nil, fmt.Errorf("read the history: %w", err)
		}
	}
	return v, fold(events), events, nil
}

// foresee has a look show what a leader would take over before it plans.
func (r *Runner) foresee(ctx context.Context, l *ledger) (warnings []string, err error) {
	t, events, err := r.found(ctx, l)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	for i := range events {
		events[i].ID = l.last + 1
		l.add(&events[i])
	}
	return []string{fmt.Sprintf("%d version(s) are taken over from %s (%s) at the first start", len(t.Events), t.Tool, t.Table)}, nil
}

// missing: a statement did not find a table.
func missing(code, message string) bool {
	return code == "42P01" || code == "1146" || code == "1" && strings.HasPrefix(message, "no such table")
}
