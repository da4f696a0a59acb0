package databasetest

import (
	"context"
	"slices"

	"github.com/schemagate/schemagate/database"
)

var lookRules = []rule{
	{"LookBeforeTablesIsNotReady", lookBefore},
	{"CompleteIsSeenByLook", completeSeen},
	{"RolledBackAfterCompleteIsSeenAsUndone", undoneSeen},
	{"FailuresSinceOnly", failuresSince},
	{"FloorAndCutoverAreSeen", floorAndCutover},
	{"DisconnectThenLookReconnects", reconnects},
	{"LookDuringApplySeesWhatWasBefore", lookDuring},
	{"LookWithAnEndedContextIsNobodysFault", lookCancelled},
}

func lookBefore(w *world) {
	c := w.open(service)
	for range 2 { // looking made nothing
		if v := w.look(c, database.Query{Digest: "d", Since: -1}); v.Ready || v.Complete != 0 || v.Last != 0 || v.Lease.Alive {
			w.t.Errorf("a look at an empty database: %+v", v)
		}
		if events := w.history(c); len(events) != 0 {
			w.t.Errorf("the history of an empty database: %+v", events)
		}
	}
}

func completeSeen(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "one"}, database.Event{Kind: database.Complete, Digest: "two"},
		database.Event{Kind: database.Complete, Digest: "one"}))
	events := w.history(c)
	for digest, want := range map[string]int64{"one": events[2].ID, "two": events[1].ID, "three": 0, "": 0} {
		if v := w.look(w.open(service), database.Query{Digest: digest, Since: -1}); v.Complete != want || !v.Ready {
			w.t.Errorf("digest %q: complete %d, want %d", digest, v.Complete, want)
		}
	}
}

func undoneSeen(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	wantUndone := func(want ...string) {
		w.t.Helper()
		got := w.look(c, database.Query{Digest: "d", Since: -1}).Undone
		slices.Sort(got)
		if !slices.Equal(got, want) {
			w.t.Errorf("undone %v, want %v", got, want)
		}
	}
	for _, v := range []string{"1", "2"} {
		w.must(s.Apply(w.ctx(), w.change(v, w.Insert("counted", 1))))
	}
	down := w.change("1", w.Insert("counted", 0))
	down.Undo = true
	w.must(s.Apply(w.ctx(), down))
	wantUndone() // nothing is complete
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}))
	wantUndone()
	w.must(s.Apply(w.ctx(), down))
	wantUndone("1")
	down.Version = "2"
	w.must(s.Apply(w.ctx(), down))
	wantUndone("1", "2")
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}))
	wantUndone()
}

func failuresSince(w *world) {
	c := w.prepared()
	s, term := w.lead(c)
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: "1"}, database.Event{Kind: database.Interrupted, Version: "2"}))
	since := w.look(c, database.Query{Since: -1}).Last
	failed := database.Event{Kind: database.Failed, Version: "3", Name: "n", Checksum: "c", Digest: "d", Code: "42", Error: "3.up.sql:1: no"}
	w.must(s.Record(w.ctx(), failed, database.Event{Kind: database.Interrupted, Version: "4"}))
	versions := func(since int64) (out []string) {
		for _, f := range w.look(c, database.Query{Since: since}).Failures {
			out = append(out, f.Version)
		}
		slices.Sort(out)
		return out
	}
	for _, x := range []struct {
		since int64
		want  []string
	}{{-1, nil}, {0, []string{"1", "3"}}, {since, []string{"3"}}, {since + 1, nil}} {
		if got := versions(x.since); !slices.Equal(got, x.want) {
			w.t.Errorf("failures since %d: %v, want %v", x.since, got, x.want)
		}
	}
	got := w.look(c, database.Query{Since: since}).Failures[0]
	if got.At.IsZero() || got.ID <= since {
		w.t.Errorf("failure %+v lacks id or time", got)
	}
	want := failed
	want.ID, want.At, want.Holder, want.Term, want.Release, want.Replica = got.ID, got.At, got.Holder, term.Number, origin.Release, origin.Replica
	if got != want {
		w.t.Errorf("failure %+v, want %+v", got, want)
	}
}

func floorAndCutover(w *world) {
	c := w.prepared()
	s, _ := w.lead(c)
	for _, x := range []struct {
		event   database.Event
		floor   string
		cutover database.Cutover
	}{
		{database.Event{Kind: database.Floor, Version: "3"}, "3", database.Cutover{}},
		{database.Event{Kind: database.CutoverBegan, Digest: "d"}, "3", database.Cutover{Digest: "d", Under: true}},
		{database.Event{Kind: database.Floor, Version: "5"}, "5", database.Cutover{Digest: "d", Under: true}},
		{database.Event{Kind: database.CutoverBegan, Digest: "e"}, "5", database.Cutover{Digest: "e", Under: true}},
		{database.Event{Kind: database.CutoverEnded, Digest: "e", Note: database.CutoverDone}, "5", database.Cutover{Digest: "e", Note: database.CutoverDone}},
		{database.Event{Kind: database.Complete, Digest: "d"}, "5", database.Cutover{Digest: "e", Note: database.CutoverDone}},
	} {
		w.must(s.Record(w.ctx(), x.event))
		v := w.look(c, database.Query{Digest: "x", Since: -1})
		if x.event.Kind == database.CutoverBegan || x.event.Kind == database.CutoverEnded {
			if v.Cutover.ID != v.Last {
				w.t.Errorf("after %s: the cutover's event is %d, want %d", x.event.Kind, v.Cutover.ID, v.Last)
			}
		}
		v.Cutover.ID = 0
		if v.Floor != x.floor || v.Cutover != x.cutover {
			w.t.Errorf("after %s: floor %q, cutover %+v, want %q and %+v", x.event.Kind, v.Floor, v.Cutover, x.floor, x.cutover)
		}
	}
}

func reconnects(w *world) {
	c := w.prepared()
	_, term := w.lead(c)
	for range 3 {
		c.Disconnect()
		c.Disconnect()
		if v := w.look(c, database.Query{Since: -1}); v.Fence != term {
			w.t.Errorf("fence %v, want %v", v.Fence, term)
		}
	}
	c.Disconnect()
	w.wantKinds(c, "")
	c.Disconnect()
	w.must(c.Prepare(w.ctx()))
	c.Disconnect()
	if _, err := c.Mint(w.ctx(), term.Number, database.NewHolder()); err != nil {
		w.t.Error(err)
	}
}

func lookDuring(w *world) {
	w.fencedOnly()
	a, b := w.prepared(), w.open(service)
	s, term := w.lead(a)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	done := w.start(ctx, s, w.change("1", w.Insert("counted", 1), w.Endless))
	if v := w.look(b, database.Query{Digest: "d", Since: 0}); v.Fence != term || v.Last != 0 || v.Complete != 0 {
		w.t.Errorf("a look meanwhile: %+v", v)
	}
	w.wantKinds(b, "")
	cancel()
	w.wantInterrupted(<-done)
}

func lookCancelled(w *world) {
	c := w.prepared()
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	if _, err := c.Look(ctx, database.Query{Since: -1}); !passing(err) {
		w.t.Errorf("error %v, want one that passes", err)
	}
	if v := w.look(c, database.Query{Since: -1}); !v.Ready {
		w.t.Errorf("the look after it: %+v", v)
	}
}
