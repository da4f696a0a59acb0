package databasetest

import (
	"strings"

	"github.com/schemagate/schemagate/database"
)

var batchRules = []rule{
	{"BatchesGoOnBehindTheCursor", batchesGoOn},
	{"BatchesMeetOnlyWhatTheConditionFinds", batchesMeetTheCondition},
	{"ProgressOutlivesItsSession", progressOutlives},
	{"ProgressOfAnotherShapeCountsNoMore", progressOfAnotherShape},
	{"OlderTermMovesNothing", olderTermMovesNothing},
	{"BatchThatFailsKeepsTheCursor", batchThatFails},
	{"BatchThatChangesNothingIsAFault", batchChangesNothing},
	{"KeyMustBeUnique", keyMustBeUnique},
	{"MarkWritesProgressAndEvents", markWrites},
	{"WishReachesWhoeverMovesTheData", wishReaches},
}

// batches returns a client of a database with a table called moved, whose rows have the keys 1 to rows, and its leader's session.
func (w *world) batches(rows int) (Client, database.Session, database.Batcher) {
	w.t.Helper()
	c := w.prepared()
	w.Exec(w.t, w.Keyed("moved"))
	for id := 1; id <= rows; id++ {
		w.Exec(w.t, w.Row("moved", id, id))
	}
	s, _ := w.lead(c)
	return c, s, w.batcher(s)
}

func (w *world) batcher(s database.Session) database.Batcher {
	w.t.Helper()
	b, ok := s.(database.Batcher)
	if !ok {
		w.t.Fatalf("%T moves no data in batches", s)
	}
	return b
}

// backfill adds 100 to each n of the table moved.
func (w *world) backfill() database.Backfill {
	b := database.Backfill{Service: service, Version: "7", Name: "move", Checksum: "sum7", File: "7.up.sql", Line: 1, Table: "moved", Key: []string{"id"}}
	w.Move(&b)
	return b
}

// batch moves the next keys, and tells how many those were.
func (w *world) batch(s database.Batcher, b database.Backfill, p database.Progress, limit, want int) database.Progress {
	w.t.Helper()
	next, n, err := s.Batch(w.ctx(), b, p, limit)
	w.must(err)
	if n != want {
		w.t.Errorf("a batch of up to %d behind %q took %d keys, want %d", limit, p.Position, n, want)
	}
	return next
}

func (w *world) begin(s database.Batcher, b database.Backfill) database.Progress {
	w.t.Helper()
	p, err := s.Begin(w.ctx(), b)
	w.must(err)
	return p
}

// recorded is what the database knows of the backfill.
func (w *world) recorded(c Client) database.Progress {
	w.t.Helper()
	all, err := c.(database.Backfills).Backfills(w.ctx(), service)
	w.must(err)
	if len(all) != 1 || all[0].Version != "7" {
		w.t.Fatalf("progress of %+v, want that of 7", all)
	}
	return all[0]
}

func batchesGoOn(w *world) {
	c, _, s := w.batches(7)
	b := w.backfill()
	p := w.begin(s, b)
	if p.Position != "" || p.Pass != 1 || p.Batches != 0 {
		w.t.Errorf("a fresh start is %+v", p)
	}
	for i, want := range []int{3, 3, 1} {
		p = w.batch(s, b, p, 3, want)
		if got := w.recorded(c); got.Position != p.Position || got.Batches != int64(i+1) || got.Walked != p.Walked || got.Replica != origin.Replica {
			w.t.Errorf("recorded %+v behind a batch that ended at %+v", got, p)
		}
	}
	if w.batch(s, b, p, 3, 0); p.Walked != 7 || p.Changed != 7 {
		w.t.Errorf("walked %d and changed %d, want 7 and 7", p.Walked, p.Changed)
	}
	w.wantNumbers("moved", 101, 102, 103, 104, 105, 106, 107)
	total, err := s.Total(w.ctx(), b)
	w.must(err)
	if total < 0 {
		w.t.Errorf("%d keys are expected", total)
	}
}

func batchesMeetTheCondition(w *world) {
	_, _, s := w.batches(3)
	w.Exec(w.t, w.Row("moved", 4, 400))
	b := w.backfill()
	b.Where = w.Small
	p := w.begin(s, b)
	left := func(want int64) {
		w.t.Helper()
		n, err := s.Left(w.ctx(), b)
		w.must(err)
		if n != want {
			w.t.Errorf("%d rows are left, want %d", n, want)
		}
	}
	left(3)
	p = w.batch(s, b, p, 2, 2)
	left(1)
	p = w.batch(s, b, p, 2, 1)
	left(0)
	w.batch(s, b, p, 2, 0)
	w.wantNumbers("moved", 101, 102, 103, 400)
}

func progressOutlives(w *world) {
	c, first, s := w.batches(4)
	b := w.backfill()
	p := w.batch(s, b, w.begin(s, b), 3, 3)
	first.Close()
	next, _ := w.lead(c)
	s = w.batcher(next)
	b.Checksum = "an edit that moves the same rows"
	again := w.begin(s, b)
	if again.Position != p.Position || again.Walked != 3 || again.Checksum != b.Checksum {
		w.t.Errorf("the successor begins at %+v, want %+v", again, p)
	}
	w.batch(s, b, again, 3, 1)
	w.wantNumbers("moved", 101, 102, 103, 104) // each once
}

func progressOfAnotherShape(w *world) {
	_, _, s := w.batches(2)
	b := w.backfill()
	for name, change := range map[string]func(*database.Backfill){
		"another condition": func(b *database.Backfill) { b.Where = w.Small },
		"a rollback since":  func(b *database.Backfill) { b.Since = 99 },
	} {
		w.batch(s, b, w.begin(s, b), 1, 1)
		other := b
		change(&other)
		if p := w.begin(s, other); p.Position != "" || p.Walked != 0 {
			w.t.Errorf("%s: begins at %+v", name, p)
		}
		if p := w.begin(s, b); p.Position != "" { // what it was before is gone with it
			w.t.Errorf("%s, and back: begins at %+v", name, p)
		}
	}
}

func olderTermMovesNothing(w *world) {
	c, _, s := w.batches(3)
	b := w.backfill()
	p := w.batch(s, b, w.begin(s, b), 1, 1)
	// A mint alone, so that the old session still stands: the fence is all that is in the way.
	_, err := w.open(service).Mint(w.ctx(), 1, database.NewHolder())
	w.must(err)
	_, err = s.Begin(w.ctx(), b)
	w.want(err, database.ErrFenced)
	_, _, err = s.Batch(w.ctx(), b, p, 1)
	w.want(err, database.ErrFenced)
	_, err = s.Mark(w.ctx(), b, p, database.Event{Kind: database.Applied, Version: b.Version})
	w.want(err, database.ErrFenced)
	w.wantNumbers("moved", 2, 3, 101)
	w.wantKinds(c, "")
	if got := w.recorded(c); got.Position != p.Position || got.Batches != 1 {
		w.t.Errorf("recorded %+v, want what the older term left", got)
	}
}

func batchThatFails(w *world) {
	if w.Change != nil {
		w.t.Skip("an update of one call can't fail halfway here")
	}
	c, _, s := w.batches(3)
	b := w.backfill()
	p := w.batch(s, b, w.begin(s, b), 1, 1)
	b.Statements = append(b.Statements, database.BatchStatement{Parts: []database.BatchPart{{Text: w.Fail}}, Line: 9})
	_, _, err := s.Batch(w.ctx(), b, p, 1)
	w.wantOwnFault(err, b.File, 9)
	w.wantNumbers("moved", 2, 3, 101)
	if got := w.recorded(c); got.Position != p.Position || got.Walked != 1 {
		w.t.Errorf("recorded %+v, want %+v", got, p)
	}
	b = w.backfill()
	w.batch(s, b, p, 9, 2)
	w.wantNumbers("moved", 101, 102, 103)
}

// A condition that the change leaves as it was would be walked for ever.
func batchChangesNothing(w *world) {
	c, _, s := w.batches(2)
	b := w.backfill()
	b.Where = w.Any
	_, _, err := s.Batch(w.ctx(), b, w.begin(s, b), 2)
	w.wantOwnFault(err, b.File, b.Line)
	if got := w.recorded(c); got.Position != "" {
		w.t.Errorf("recorded %+v", got)
	}
}

func keyMustBeUnique(w *world) {
	if w.Change != nil {
		w.t.Skip("documents have no columns")
	}
	_, _, s := w.batches(2)
	for _, key := range [][]string{{"n"}, {"nope"}} { // n may be null, and is not unique
		b := w.backfill()
		b.Key = key
		_, err := s.Begin(w.ctx(), b)
		w.wantOwnFault(err, b.File, b.Line)
		if !strings.Contains(err.Error(), key[0]) {
			w.t.Errorf("error %v does not name %s", err, key[0])
		}
	}
	w.wantNumbers("moved", 1, 2)
}

func markWrites(w *world) {
	c, _, s := w.batches(1)
	b := w.backfill()
	p := w.begin(s, b)
	p.State, p.Reason, p.Left = "done", "it's a \\ reason", 0
	_, err := s.Mark(w.ctx(), b, p, database.Event{Kind: database.Applied, Version: b.Version, Name: b.Name, Checksum: b.Checksum})
	w.must(err)
	w.wantKinds(c, "applied 7")
	if got := w.recorded(c); got.State != p.State || got.Reason != p.Reason || got.Left != 0 {
		w.t.Errorf("recorded %+v, want %+v", got, p)
	}
}

func wishReaches(w *world) {
	c, _, s := w.batches(2)
	b := w.backfill()
	says := c.(database.Backfills)
	w.must(says.Wish(w.ctx(), service, b.Version, database.WishPause, "ann"))
	p := w.begin(s, b)
	if p.Wish != database.WishPause || p.WishBy != "ann" {
		w.t.Errorf("begun with the wish %q of %q, want pause, of ann", p.Wish, p.WishBy)
	}
	w.must(says.Wish(w.ctx(), service, b.Version, database.WishCancel, "bob"))
	if p = w.batch(s, b, p, 1, 1); p.Wish != database.WishCancel || p.WishBy != "bob" {
		w.t.Errorf("after a batch the wish is %q of %q, want cancel, of bob", p.Wish, p.WishBy)
	}
	p.State = "cancelled"
	p, err := s.Mark(w.ctx(), b, p)
	w.must(err)
	w.must(says.Wish(w.ctx(), service, b.Version, "", "ann"))
	if got := w.recorded(c); got.Wish != "" || got.State != "pending" || got.Position != p.Position {
		w.t.Errorf("recorded %+v, want it to be pending where it was", got)
	}
}
