package runner

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
)

// preflight asks, once a run and before the first campaign, whether the role may do what is planned, so that what is missing is told
// before anything is changed. The plan is that of a look without a term: it is used for nothing else.
func (r *Runner) preflight(ctx context.Context, ready bool) error {
	p, ok := r.Database.(database.Preflighter)
	if !ok || r.preflown {
		return nil
	}
	var events []database.Event
	var err error
	if ready {
		events, err = r.Database.History(ctx, !r.goal.open)
	}
	if err == nil && r.goal.open { // what another tool did is not pending
		if _, adopted, aerr := r.found(ctx, fold(events)); aerr == nil {
			events = append(events, adopted...)
		}
	}
	var changes []database.Change
	switch {
	case errors.Is(err, database.ErrDenied): // that is all that can be told
	case err != nil:
		return fmt.Errorf("read the history: %w", err)
	default:
		planned, err := r.goal.plan(fold(events))
		if err != nil {
			return nil // the leader says so, from what it reads within its term
		}
		for _, st := range planned.Steps {
			changes = append(changes, st.Changes...)
		}
	}
	missing, err := p.Preflight(ctx, changes)
	if err != nil {
		return err
	}
	r.preflown = true
	var fatal []database.Missing
	for _, m := range missing {
		if m.Advice {
			r.Log.Warn("a privilege is missing", zap.String("needed_to", m.What), zap.String("grant", m.Grant))
			continue
		}
		fatal = append(fatal, m)
	}
	if len(fatal) > 0 {
		return &database.DeniedError{Missing: fatal}
	}
	return nil
}

// allMissing turns the first thing that was denied into all that is missing, where that can be told.
func (r *Runner) allMissing(ctx context.Context, err error) error {
	if all, ok := errors.AsType[*database.DeniedError](r.preflight(ctx, true)); ok {
		return all
	}
	return err
}
