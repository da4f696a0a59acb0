package backfill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schemagate/schemagate/database"
)

// ErrCancelled: the operator cancelled it; what is done stays done, and the version is not applied.
var ErrCancelled = errors.New("cancelled")

// What may hold a backfill up, as the operator reads it.
const (
	ReasonLock     = "a table or row lock"
	ReasonOperator = "schemagate pause"
	ReasonFile     = "the pause file"
	ReasonComing   = "rows that are written in the old shape meanwhile"
)

// Report is what is shown while it goes on.
type Report struct {
	database.Progress
	// Rate is keys per second; ETA is negative where it can't be told.
	Rate float64
	ETA  time.Duration
	// Keys are those of the batch that was just committed.
	Keys int
}

// Engine moves the data of one backfill.
type Engine struct {
	Session  database.Batcher
	Store    database.Backfills
	Backfill database.Backfill
	// PauseFile pauses while it exists; empty: none.
	PauseFile string
	// Report is told of every batch and every change of state; it must not block.
	Report func(Report)
	// Finished, if any, are the events to be recorded together with the end.
	Finished func(took time.Duration) []database.Event

	p     database.Progress
	size  *Sizer
	rate  Rate
	tries int // for a lock
	// whole: the pass under way was begun by this engine, with so many rows changed before it.
	whole   bool
	changed int64
	// fewest is the least that was left at the end of a pass, and stuck how many passes did not make it less.
	fewest int64
	stuck  int
}

// poll is how often a paused backfill looks whether it may go on.
const poll = time.Second

// Run works until nothing is left, or until something ends it: the context, which is to end with the lead, the operator, a
// failure.
func (e *Engine) Run(ctx context.Context) (database.Progress, error) {
	var err error
	if e.p, err = e.Session.Begin(ctx, e.Backfill); err != nil {
		return e.p, err
	}
	if State(e.p.State) == Done {
		if e.Finished != nil {
			e.p, err = e.Session.Mark(ctx, e.Backfill, e.p, e.Finished(time.Duration(e.p.ActiveMS)*time.Millisecond)...)
		}
		return e.p, err
	}
	e.size, e.whole, e.changed = NewSizer(e.Backfill.Size), e.p.Position == "", e.p.Changed
	if err = e.obey(ctx); err == nil {
		err = e.start(ctx)
	}
	for done := false; err == nil && !done; {
		if err = e.obey(ctx); err == nil {
			done, err = e.step(ctx)
		}
	}
	if err != nil && ctx.Err() == nil && own(err) {
		if merr := e.mark(ctx, Break, err.Error()); merr != nil && !own(merr) {
			return e.p, merr
		}
	}
	return e.p, err
}

// Apply moves all data of a change from a session that nobody competes with.
func Apply(ctx context.Context, session database.Session, db database.Database, c database.Change) error {
	batcher, ok := session.(database.Batcher)
	store, ok2 := db.(database.Backfills)
	if !ok || !ok2 {
		return fmt.Errorf("%w: %s: %s can't move data in batches", database.ErrRefused, c.File, db.Traits().Name)
	}
	_, err := (&Engine{Session: batcher, Store: store, Backfill: *c.Backfill, Finished: c.Outcome}).Run(ctx)
	return err
}

// own tells a failure of the backfill itself from what is nobody's fault.
func own(err error) bool {
	for _, e := range []error{database.ErrUnreachable, database.ErrInterrupted, database.ErrUnknown, database.ErrFenced, database.ErrBlocked,
		database.ErrConfig, database.ErrDenied, database.ErrNotPending, ErrCancelled, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// start takes the backfill up, and counts what there is to do once.
func (e *Engine) start(ctx context.Context) error {
	if e.p.Total == database.Unknown {
		var err error
		if e.Backfill.Counted() {
			if e.p.Left, err = e.Session.Left(ctx, e.Backfill); err == nil {
				e.p.Total = e.p.Walked + e.p.Left
			}
		} else {
			e.p.Total, err = e.Session.Total(ctx, e.Backfill)
		}
		if err != nil {
			return err
		}
	}
	return e.mark(ctx, Start, "")
}

// step moves one batch, or ends the pass.
func (e *Engine) step(ctx context.Context) (done bool, err error) {
	before := e.p
	before.State, before.Reason = string(Running), ""
	began := time.Now()
	next, n, err := e.Session.Batch(ctx, e.Backfill, before, e.size.Size())
	switch {
	case errors.Is(err, database.ErrBlocked):
		e.size.Held()
		if err := e.mark(ctx, Held, ReasonLock); err != nil {
			return false, err
		}
		e.tries++
		return false, sleep(ctx, backoff(e.tries-1))
	case err != nil:
		return false, err
	case n == 0:
		return e.passed(ctx)
	}
	if _, err := Next(State(e.p.State), Moved); err != nil {
		return false, err
	}
	e.p, e.tries = next, 0
	if e.Backfill.Counted() && e.p.Left > 0 {
		e.p.Left = max(0, e.p.Left-int64(n)) // until it is counted again
	}
	e.size.Took(n, time.Since(began))
	e.rate.Add(n, time.Now())
	e.report(n)
	return false, sleep(ctx, e.Backfill.Pause)
}

// passed is reached when no key is left behind the cursor: what is left is counted, and if something is, another pass begins.
func (e *Engine) passed(ctx context.Context) (done bool, err error) {
	if !e.Backfill.Counted() {
		return true, e.finish(ctx)
	}
	left, err := e.Session.Left(ctx, e.Backfill)
	if err != nil {
		return false, err
	}
	e.p.Left = left
	switch {
	case left == 0:
		return true, e.finish(ctx)
	case e.Backfill.Where == "" && !e.Backfill.Idempotent:
		return false, e.Backfill.Fault("%d rows are left after a whole pass: they were written meanwhile, or the statement passes over them. "+
			"Give where= instead of left=; or, if running the statement again on rows that are done does no harm, say idempotent", left)
	case e.whole && e.p.Changed == e.changed, e.Backfill.Where == "" && e.falls(left) > 2:
		return false, e.Backfill.Fault("%d rows are left that whole passes do not change: what is counted and what the statement changes do not agree", left)
	}
	e.whole, e.changed = true, e.p.Changed
	e.p.Pass, e.p.Position, e.p.Total = e.p.Pass+1, "", e.p.Walked+left
	if e.p.Pass <= 3 {
		return false, e.mark(ctx, Moved, "")
	}
	if err := e.mark(ctx, Held, ReasonComing); err != nil {
		return false, err
	}
	return false, sleep(ctx, poll)
}

// falls counts the passes that left no less than one before.
func (e *Engine) falls(left int64) (stuck int) {
	if e.stuck == 0 || left < e.fewest {
		e.fewest, e.stuck = left, 0
	}
	e.stuck++
	return e.stuck
}

func (e *Engine) finish(ctx context.Context) error {
	var events []database.Event
	if e.Finished != nil {
		events = e.Finished(time.Duration(e.p.ActiveMS) * time.Millisecond)
	}
	e.p.Total, e.p.Left = e.p.Walked, 0
	return e.mark(ctx, Finish, "", events...)
}

// obey waits for as long as the operator or the pause file says.
func (e *Engine) obey(ctx context.Context) error {
	for paused := false; ; paused = true {
		reason := ""
		switch {
		case e.p.Wish == database.WishCancel:
			if State(e.p.State) != Cancelled {
				if err := e.mark(ctx, Cancel, "schemagate cancel"+by(e.p)); err != nil {
					return err
				}
			}
			return fmt.Errorf("%w: %s_%s%s; schemagate resume %s goes on with it", ErrCancelled, e.p.Version, e.Backfill.Name, by(e.p), e.p.Version)
		case e.p.Wish == database.WishPause:
			reason = ReasonOperator + by(e.p)
		case e.PauseFile != "" && exists(e.PauseFile):
			reason = ReasonFile + " " + e.PauseFile
		case !paused:
			return nil
		default:
			return e.mark(ctx, Start, "")
		}
		if !paused || e.p.Reason != reason {
			if err := e.mark(ctx, Pause, reason); err != nil {
				return err
			}
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
		if err := e.listen(ctx); err != nil {
			return err
		}
	}
}

// listen reads the operator's latest word.
func (e *Engine) listen(ctx context.Context) error {
	list, err := e.Store.Backfills(ctx, e.Backfill.Service)
	for _, p := range list {
		if p.Version == e.Backfill.Version {
			e.p.Wish, e.p.WishBy = p.Wish, p.WishBy
		}
	}
	return err
}

// mark goes along an edge and records it.
func (e *Engine) mark(ctx context.Context, on Event, reason string, events ...database.Event) error {
	next, err := Next(State(e.p.State), on)
	if err != nil {
		return err
	}
	p := e.p
	p.State, p.Reason = string(next), reason
	if p, err = e.Session.Mark(ctx, e.Backfill, p, events...); err != nil {
		return err
	}
	e.p = p
	e.report(0)
	return nil
}

func (e *Engine) report(keys int) {
	if e.Report == nil {
		return
	}
	left := int64(database.Unknown)
	if e.p.Total >= 0 {
		left = max(0, e.p.Total-e.p.Walked)
	}
	e.Report(Report{Progress: e.p, Rate: e.rate.PerSecond(), ETA: e.rate.ETA(left), Keys: keys})
}

// by says whose word it was.
func by(p database.Progress) string {
	if p.WishBy == "" {
		return ""
	}
	return " by " + p.WishBy
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sleep returns early, with the cause, when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
