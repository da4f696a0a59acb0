package databasetest

import (
	"context"
	"errors"
	"time"

	"github.com/schemagate/schemagate/database"
)

var interruptionRules = []rule{
	{"CancelledContextReturnsSoon", cancelledApply},
	{"CancelledContextInAPartialChangeKeepsItsProgress", cancelledPartial},
	{"EndedContextIsNobodysFault", endedContext},
	{"StatementTimeoutIsTheChangesOwnFault", statementTimeout},
	{"TakeoverOfARunningApply", takeover},
	{"LockTimeoutIsBlocked", lockTimeout},
}

// start runs the change in the background and returns when it has begun. Asking whether it has takes the fence for a moment, and
// on a busy machine the change may give up waiting for that: then it starts again.
func (w *world) start(ctx context.Context, s database.Session, ch database.Change) <-chan error {
	w.t.Helper()
	var done chan error
	begin := func() {
		done = make(chan error, 1)
		go func(done chan error) { done <- s.Apply(ctx, ch) }(done)
	}
	begin()
	w.until("the change is under way", func() bool {
		select {
		case err := <-done:
			w.want(err, database.ErrBlocked)
			begin()
		default:
		}
		return w.Busy(w.t, service)
	})
	return done
}

func (w *world) wantInterrupted(err error) {
	w.t.Helper()
	if !passing(err) {
		w.t.Errorf("error %v, want an interruption", err)
	}
}

func cancelledApply(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, term := w.lead(c)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	done := w.start(ctx, s, w.change("1", w.Insert("counted", 1), w.Endless))
	cancel()
	w.wantInterrupted(<-done)
	w.until("the change's transaction is over", func() bool { return !w.Busy(w.t, service) })
	w.wantKinds(c, "")
	w.wantNumbers("counted")
	s = w.session(c, term)
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.wantNumbers("counted", 1)
}

func cancelledPartial(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, term := w.lead(c)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	ch := w.change("1", w.Insert("counted", 1), w.Endless)
	ch.NoTransaction = true
	done := make(chan error, 1)
	go func() { done <- s.Apply(ctx, ch) }()
	w.until("the first statement is done", func() bool { return len(w.Numbers(w.t, "counted")) == 1 })
	cancel()
	w.wantInterrupted(<-done)
	w.until("its last transaction is over", func() bool { return !w.Busy(w.t, service) })
	events := w.history(c)
	if last := events[len(events)-1]; last.Kind != database.Running || last.Done != 1 {
		w.t.Errorf("the last event is %+v, want running, one done", last)
	}
	mended := w.change("1", w.Insert("counted", 1), w.Insert("counted", 2))
	mended.NoTransaction, mended.From = true, 1
	w.must(w.session(c, term).Apply(w.ctx(), mended))
	w.wantNumbers("counted", 1, 2)
}

func endedContext(w *world) {
	c := w.prepared()
	s, term := w.lead(c)
	ctx, cancel := context.WithCancelCause(w.ctx())
	cancel(errors.New("the reason"))
	loose := w.change("1", w.Insert("counted", 1))
	loose.NoTransaction = true
	w.wantInterrupted(s.Apply(ctx, w.change("1", w.Insert("counted", 1))))
	w.wantInterrupted(w.session(c, term).Apply(ctx, loose))
	w.wantInterrupted(w.session(c, term).Record(ctx, database.Event{Kind: database.Complete, Digest: "d"}))
	_, err := c.Mint(ctx, term.Number, database.NewHolder())
	w.wantInterrupted(err)
	_, err = c.History(ctx, false)
	w.wantInterrupted(err)
	w.wantKinds(c, "")
	w.wantNumbers("counted")
	if v := w.look(c, database.Query{Since: -1}); v.Fence != term {
		w.t.Errorf("the fence moved to %v", v.Fence)
	}
}

func statementTimeout(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, _ := w.lead(c)
	ch := w.change("1", w.Insert("counted", 1), w.Endless)
	ch.StatementTimeout = 2 * time.Second // which is for each statement: the first one ends in time, on a busy machine, too
	w.wantOwnFault(s.Apply(w.ctx(), ch), "1.up.sql", 2)
	w.wantKinds(c, "")
	w.wantNumbers("counted")
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: "1"}))
}

// takeover: a successor gets the fence while an older term's change is running, and nothing of that change is kept.
func takeover(w *world) {
	w.fencedOnly()
	a, b := w.prepared(), w.open(service)
	s, term := w.lead(a)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	done := w.start(ctx, s, w.change("1", w.Insert("counted", 1), w.Endless))
	holder := database.NewHolder()
	_, err := b.Mint(w.ctx(), term.Number, holder)
	w.want(err, database.ErrBlocked)
	if !w.Evicts {
		cancel()
	}
	w.wantInterrupted(<-done)
	w.must(w.again(func() error { _, err := b.Mint(w.ctx(), term.Number, holder); return err }))
	next := database.Term{Number: term.Number + 1, Holder: holder}
	w.must(w.again(func() error { return b.Drain(w.ctx(), next) }))
	// Whatever the old leader tries now, it is neither done nor taken for the change's own failure.
	err = s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1)))
	if !errors.Is(err, database.ErrFenced) && !passing(err) {
		w.t.Errorf("the old session's next change: %v", err)
	}
	w.wantFenced(w.session(a, term))
	w.wantKinds(b, "")
	w.wantNumbers("counted")
	w.must(w.session(b, next).Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.wantKinds(b, "applied 1")
	w.wantNumbers("counted", 1)
}

// lockTimeout: what the app has locked is waited for, but not for long, and is nobody's failure.
func lockTimeout(w *world) {
	c := w.prepared()
	if w.LockTable == nil {
		w.t.Skip("no table locks")
	}
	s, _ := w.lead(c)
	release := w.LockTable(w.t, "counted")
	ch := w.change("1", w.Insert("counted", 1))
	ch.LockTimeout = 50 * time.Millisecond
	w.want(s.Apply(w.ctx(), ch), database.ErrBlocked)
	release()
	w.wantKinds(c, "")
	w.must(s.Apply(w.ctx(), ch))
	w.wantNumbers("counted", 1)
}
