package databasetest

import (
	"errors"

	"github.com/schemagate/schemagate/database"
)

var applyRules = []rule{
	{"ApplyRecordsWhatItDid", applyRecords},
	{"FailingStatementLeavesNothing", failingStatement},
	{"ApplyTwiceIsNotPending", applyTwice},
	{"ResolvedAsAppliedIsNotPending", resolvedApplied},
	{"RepeatAppliesAgain", repeat},
	{"ChangeThatHoldsNothingIsApplied", nothingToDo},
	{"SeveralChangesAreAllOrNothing", severalChanges},
	{"UndoRecordsRolledBackAndHold", undo},
	{"DownScriptComesBackFromHistory", downScript},
	{"PartialChangeReportsProgress", partialChange},
	{"PartialChangeThatIsDoneIsNotPending", partialDone},
	{"ChangeLeavesNoLitterInTheSession", litter},
}

func applyRecords(w *world) {
	c := w.prepared()
	s, term := w.lead(c)
	ch := w.change("0007", w.Insert("counted", 1), w.Insert("counted", 2))
	w.must(s.Apply(w.ctx(), ch))
	w.wantNumbers("counted", 1, 2)
	events := w.history(w.open(service))
	if len(events) != 1 {
		w.t.Fatalf("history: %+v, want one event", events)
	}
	got := events[0]
	if got.ID <= 0 || got.At.IsZero() || got.Duration < 0 {
		w.t.Errorf("event %+v lacks id or time", got)
	}
	want := database.Event{ID: got.ID, At: got.At, Duration: got.Duration, Kind: database.Applied, Version: "0007", Name: ch.Name,
		Checksum: ch.Checksum, Term: term.Number, Holder: term.Holder, Release: origin.Release, Replica: origin.Replica, Format: ch.Format}
	if got != want {
		w.t.Errorf("event %+v, want %+v", got, want)
	}
}

func failingStatement(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, _ := w.lead(c)
	err := s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1), w.Fail, w.Insert("counted", 3)))
	w.wantOwnFault(err, "1.up.sql", 2)
	w.wantKinds(c, "")
	w.wantNumbers("counted")
	// The session goes on.
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: "1", Error: err.Error()}))
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.wantKinds(c, "failed 1, applied 1")
	w.wantNumbers("counted", 1)
}

func applyTwice(w *world) {
	a, b := w.prepared(), w.open(service)
	s, _ := w.lead(a)
	ch := w.change("1", w.Insert("counted", 1))
	w.must(s.Apply(w.ctx(), ch))
	w.want(s.Apply(w.ctx(), ch), database.ErrNotPending)
	next, _ := w.lead(b)
	w.want(next.Apply(w.ctx(), ch), database.ErrNotPending)
	ch.NoTransaction = true
	w.want(next.Apply(w.ctx(), ch), database.ErrNotPending)
	never := w.change("2", w.Insert("counted", 2))
	never.Undo = true
	w.want(next.Apply(w.ctx(), never), database.ErrNotPending)
	w.wantKinds(b, "applied 1")
	w.wantNumbers("counted", 1)
}

func resolvedApplied(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Resolved, Version: "1", Note: database.ResolvedApplied},
		database.Event{Kind: database.Resolved, Version: "2", Note: database.ResolvedRetry}))
	w.want(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))), database.ErrNotPending)
	w.must(s.Apply(w.ctx(), w.change("2", w.Insert("counted", 2))))
	w.wantNumbers("counted", 2)
}

func repeat(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	ch := w.change("1", w.Insert("counted", 1))
	ch.Repeat = true
	w.must(s.Apply(w.ctx(), ch))
	w.must(s.Apply(w.ctx(), ch))
	w.wantKinds(c, "applied 1, applied 1")
	w.wantNumbers("counted", 1, 1)
}

// An emptied migration counts all the same, within a transaction and outside of one.
func nothingToDo(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	loose := w.change("2")
	loose.NoTransaction = true
	w.must(s.Apply(w.ctx(), w.change("1")))
	w.must(s.Apply(w.ctx(), loose))
	w.wantKinds(c, "applied 1, applied 2")
}

func severalChanges(w *world) {
	c := w.prepared()
	if !c.Traits().ReleaseTransaction {
		w.t.Skip("several changes can't share a transaction here")
	}
	s, _ := w.lead(c)
	one := w.change("1", w.Create("made"), w.Insert("made", 1))
	err := s.Apply(w.ctx(), one, w.change("2", w.Insert("made", 2), w.Fail))
	w.wantOwnFault(err, "2.up.sql", 2)
	var ce *database.ChangeError
	if !errors.As(err, &ce) || ce.Version != "2" {
		w.t.Errorf("error %#v, want a ChangeError of version 2", err)
	}
	w.wantKinds(c, "")
	w.must(s.Apply(w.ctx(), one, w.change("2", w.Insert("made", 2)))) // so made was not
	w.wantKinds(c, "applied 1, applied 2")
	w.wantNumbers("made", 1, 2)
	err = s.Apply(w.ctx(), w.change("3", w.Insert("made", 3)), w.change("2", w.Insert("made", 2)))
	w.want(err, database.ErrNotPending)
	w.wantKinds(c, "applied 1, applied 2")
	w.wantNumbers("made", 1, 2)
}

func undo(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	up := w.change("1", w.Insert("counted", 1))
	down := w.change("1", w.Insert("counted", -1))
	down.File, down.Undo = "1.down.sql", true
	w.must(s.Apply(w.ctx(), up))
	w.must(s.Apply(w.ctx(), down))
	w.wantKinds(c, "applied 1, rolled back 1")
	w.want(s.Apply(w.ctx(), down), database.ErrNotPending)
	w.must(s.Apply(w.ctx(), up)) // pending again
	down.Hold = true
	w.must(s.Apply(w.ctx(), down))
	w.wantKinds(c, "applied 1, rolled back 1, applied 1, rolled back 1, hold 1")
	events := w.history(c)
	if hold := events[len(events)-1]; hold.Checksum != up.Checksum || hold.Name != up.Name {
		w.t.Errorf("hold %+v, want checksum and name of what it holds", hold)
	}
	w.wantNumbers("counted", -1, -1, 1, 1)
	failing := w.change("1", w.Insert("counted", 5), w.Fail)
	failing.File, failing.Undo = "1.down.sql", true
	w.must(s.Apply(w.ctx(), up))
	w.wantOwnFault(s.Apply(w.ctx(), failing), "1.down.sql", 2)
	w.want(s.Apply(w.ctx(), up), database.ErrNotPending) // still in force
}

func downScript(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	script, empty := "DROP TABLE x;\n-- and 'that' was it", ""
	downs := map[string]*string{"1": &script, "2": nil, "3": &empty}
	for _, v := range []string{"1", "2", "3"} {
		ch := w.change(v, w.Insert("counted", 1))
		ch.Down = downs[v]
		w.must(s.Apply(w.ctx(), ch))
	}
	reader := w.open(service)
	for _, e := range w.history(reader) {
		want := downs[e.Version]
		if (e.Down == nil) != (want == nil) || want != nil && *e.Down != *want {
			w.t.Errorf("way back of %s: %v, want %v", e.Version, e.Down, want)
		}
	}
	events, err := reader.History(w.ctx(), false)
	w.must(err)
	if len(events) < 3 {
		w.t.Fatalf("%d events without their way back, want 3", len(events))
	}
	for _, e := range events {
		if e.Down != nil {
			w.t.Errorf("event %s has a way back that was not asked for", e.Version)
		}
	}
}

func partialChange(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, _ := w.lead(c)
	broken := w.change("1", w.Insert("counted", 1), w.Insert("counted", 2), w.Fail, w.Insert("counted", 4))
	broken.NoTransaction = true
	w.wantOwnFault(s.Apply(w.ctx(), broken), "1.up.sql", 3)
	w.wantNumbers("counted", 1, 2)
	events := w.history(c)
	if len(events) == 0 {
		w.t.Fatal("no event tells of the statements that are done")
	}
	last := events[len(events)-1]
	if last.Kind != database.Running || last.Version != "1" || last.Checksum != broken.Checksum || last.Done != 2 || last.Trying != 0 ||
		last.Prefix != database.Prefix(broken.Statements[:2]) {
		w.t.Errorf("the last event is %+v, want running, two done", last)
	}
	mended := w.change("1", w.Insert("counted", 1), w.Insert("counted", 2), w.Insert("counted", 3), w.Insert("counted", 4))
	mended.NoTransaction, mended.From = true, 2
	next, _ := w.lead(w.open(service))
	w.must(next.Apply(w.ctx(), mended))
	w.wantNumbers("counted", 1, 2, 3, 4)
	events = w.history(c)
	if last := events[len(events)-1]; last.Kind != database.Applied || last.Version != "1" {
		w.t.Errorf("the last event is %+v, want applied", last)
	}
}

// partialDone: all statements ran, but not the last event.
func partialDone(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, _ := w.lead(c)
	ch := w.change("1", w.Insert("counted", 1))
	ch.NoTransaction, ch.From = true, 1
	w.must(s.Apply(w.ctx(), ch))
	w.wantNumbers("counted")
	empty := w.change("2")
	empty.NoTransaction = true
	w.must(s.Apply(w.ctx(), empty))
	w.wantKinds(c, "applied 1, applied 2")
	w.want(s.Apply(w.ctx(), ch), database.ErrNotPending)
}

func litter(w *world) {
	if w.Litter == nil {
		w.t.Skip("no sessions")
	}
	c := w.prepared()
	s, _ := w.lead(c)
	w.must(s.Apply(w.ctx(), w.change("1", w.Litter...)))
	w.must(s.Apply(w.ctx(), w.change("2", w.Insert("counted", 2))))
	loose := w.change("3", w.Litter...)
	loose.NoTransaction = true
	w.must(s.Apply(w.ctx(), loose))
	w.must(s.Apply(w.ctx(), w.change("4", w.Insert("counted", 4))))
	w.must(s.Apply(w.ctx(), w.change("5", w.Litter...)))
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}))
	if v := w.look(w.open(service), database.Query{Digest: "d", Since: -1}); v.Complete == 0 {
		w.t.Errorf("a look after it: %+v, want a complete event", v)
	}
	w.wantNumbers("counted", 2, 4)
}
