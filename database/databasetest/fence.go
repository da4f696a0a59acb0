package databasetest

import (
	"context"
	"errors"

	"github.com/schemagate/schemagate/database"
)

var fenceRules = []rule{
	{"PrepareRaces", prepareRaces},
	{"PrepareKeepsWhatIsThere", prepareKeeps},
	{"MintIsCompareAndSet", mintIsCompareAndSet},
	{"MintTwiceWithOneHolderIsOnce", mintTwice},
	{"MintFailsWhenAnotherTermStands", mintFails},
	{"MintGoesOnFromAnyTerm", mintGoesOn},
	{"StaleSessionIsFenced", staleSession},
	{"OldHolderSameNumberIsFenced", oldHolder},
	{"MintDoesNotWaitForeverOnALockedFence", mintBlocked},
	{"MintIsFencedEvenWhileANewerTermHoldsTheLock", mintBehind},
	{"RecordDoesNotWaitForeverOnALockedFence", recordBlocked},
	{"ServicesDoNotSeeEachOther", services},
}

func prepareRaces(w *world) {
	clients := make([]Client, 10)
	for i := range clients {
		clients[i] = w.open(service)
	}
	for i, err := range together(len(clients), func(i int) error {
		return w.again(func() error { return clients[i].Prepare(w.ctx()) })
	}) {
		if err != nil {
			w.t.Errorf("client %d: %v", i, err)
		}
	}
	for _, c := range clients {
		if v := w.look(c, database.Query{Since: -1}); !v.Ready || v.Fence != (database.Term{}) || v.Lease.Alive || v.Last != 0 {
			w.t.Errorf("a look after it: %+v, want ready and nothing else", v)
		}
	}
}

func prepareKeeps(w *world) {
	c := w.prepared()
	s, term := w.lead(c)
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}))
	w.must(w.open(service).Prepare(w.ctx()))
	if v := w.look(c, database.Query{Digest: "d", Since: -1}); v.Fence != term || v.Complete == 0 {
		w.t.Errorf("a look after a second Prepare: %+v, want term %v and a complete event", v, term)
	}
}

func mintIsCompareAndSet(w *world) {
	c := w.prepared()
	clients := make([]Client, 10)
	for i := range clients {
		clients[i] = w.open(service)
	}
	for seen := range int64(3) {
		terms := make([]database.Term, len(clients))
		errs := together(len(clients), func(i int) error {
			holder := database.NewHolder()
			return w.again(func() (err error) { terms[i], err = clients[i].Mint(w.ctx(), seen, holder); return err })
		})
		var winner database.Term
		for i, err := range errs {
			if err != nil {
				w.want(err, database.ErrFenced)
			} else if winner != (database.Term{}) {
				w.t.Fatalf("two winners: %v and %v", winner, terms[i])
			} else {
				winner = terms[i]
			}
		}
		if v := w.look(c, database.Query{Since: -1}); v.Fence != winner || winner.Number != seen+1 {
			w.t.Fatalf("the fence is at %v, the winner at %v, from %d", v.Fence, winner, seen)
		}
	}
}

func mintTwice(w *world) {
	a, b := w.prepared(), w.open(service)
	holder := database.NewHolder()
	first, err := a.Mint(w.ctx(), 0, holder)
	w.must(err)
	second, err := b.Mint(w.ctx(), 0, holder)
	w.must(err)
	if first != second || first != w.look(b, database.Query{Since: -1}).Fence {
		w.t.Errorf("terms %v and %v", first, second)
	}
}

func mintFails(w *world) {
	c := w.prepared()
	_, term := w.lead(c)
	for _, seen := range []int64{0, 2, 7} {
		mine := database.NewHolder()
		_, err := c.Mint(w.ctx(), seen, mine)
		w.want(err, database.ErrFenced)
		var fe *database.FencedError
		if !errors.As(err, &fe) || fe.Current != term || fe.Mine != (database.Term{Number: seen + 1, Holder: mine}) {
			w.t.Errorf("from %d: %#v, want both terms", seen, err)
		}
	}
	if v := w.look(c, database.Query{Since: -1}); v.Fence != term {
		w.t.Errorf("the fence moved from %v to %v", term, v.Fence)
	}
}

func mintGoesOn(w *world) {
	a, b := w.prepared(), w.open(service)
	for want := int64(1); want <= 5; want++ {
		_, term := w.lead([]Client{a, b}[want%2])
		if term.Number != want {
			w.t.Fatalf("term %d, want %d", term.Number, want)
		}
	}
}

func (w *world) fencedOnly() {
	w.t.Helper()
	if !w.open(service).Traits().Fenced {
		w.t.Skip("not fenced: the lease alone protects writes")
	}
}

func staleSession(w *world) {
	w.fencedOnly()
	a, b := w.prepared(), w.open(service)
	old, _ := w.lead(a)
	w.must(old.Record(w.ctx(), database.Event{Kind: database.Floor, Version: "0"}))
	// A mint alone, so that the old session still stands.
	_, err := b.Mint(w.ctx(), 1, database.NewHolder())
	w.must(err)
	w.wantFenced(old)
	w.wantKinds(b, "floor 0")
	w.wantNumbers("counted")
}

func oldHolder(w *world) {
	w.fencedOnly()
	c := w.prepared()
	_, term := w.lead(c)
	w.wantFenced(w.session(c, database.Term{Number: term.Number, Holder: database.NewHolder()}))
	w.wantFenced(w.session(c, database.Term{Number: term.Number + 1, Holder: term.Holder}))
	w.wantKinds(c, "")
	w.wantNumbers("counted")
}

// wantFenced tries every way in which a session can write.
func (w *world) wantFenced(s database.Session) {
	w.t.Helper()
	loose := w.change("2", w.Insert("counted", 2))
	loose.NoTransaction = true
	undo := w.change("0", w.Insert("counted", 3))
	undo.Undo = true
	w.want(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))), database.ErrFenced)
	w.want(s.Apply(w.ctx(), loose), database.ErrFenced)
	w.want(s.Apply(w.ctx(), undo), database.ErrFenced)
	w.want(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}), database.ErrFenced)
}

func mintBlocked(w *world) {
	w.fencedOnly()
	c := w.prepared()
	release := w.Block(w.t, service)
	_, err := c.Mint(w.ctx(), 0, database.NewHolder())
	w.want(err, database.ErrBlocked)
	release()
	_, term := w.lead(c)
	if term.Number != 1 {
		w.t.Errorf("term %d after a mint that was blocked, want 1", term.Number)
	}
}

func mintBehind(w *world) {
	w.fencedOnly()
	a, b := w.prepared(), w.open(service)
	s, term := w.lead(b)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	done := w.start(ctx, s, w.change("1", w.Insert("counted", 1), w.Endless))
	_, err := a.Mint(w.ctx(), 0, database.NewHolder())
	w.want(err, database.ErrFenced)
	cancel()
	w.wantInterrupted(<-done) // and it was not ended by the mint
	if v := w.look(a, database.Query{Since: -1}); v.Fence != term {
		w.t.Errorf("the fence moved to %v", v.Fence)
	}
}

func recordBlocked(w *world) {
	w.fencedOnly()
	c := w.prepared()
	s, _ := w.lead(c)
	release := w.Block(w.t, service)
	w.want(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}), database.ErrBlocked)
	w.want(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))), database.ErrBlocked)
	release()
	w.wantKinds(c, "")
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.wantKinds(c, "applied 1")
	w.wantNumbers("counted", 1)
}

func services(w *world) {
	mine := w.prepared()
	theirs := w.open("other/background")
	if v := w.look(theirs, database.Query{Since: -1}); v.Ready {
		w.t.Error("a service is ready before it was prepared, by another one's tables")
	}
	w.must(theirs.Prepare(w.ctx()))
	s, term := w.lead(mine)
	w.must(s.Apply(w.ctx(), w.change("1", w.Insert("counted", 1))))
	w.must(s.Record(w.ctx(), database.Event{Kind: database.Failed, Version: "2"}, database.Event{Kind: database.Floor, Version: "1"},
		database.Event{Kind: database.CutoverBegan, Digest: "d"}, database.Event{Kind: database.Complete, Digest: "d"}))
	h, err := mine.Acquire(w.ctx(), claim())
	w.must(err)
	defer func() { w.must(h.Release(w.ctx())) }()
	v := w.look(theirs, database.Query{Digest: "d", Since: 0})
	if v.Complete != 0 || v.Last != 0 || len(v.Failures) != 0 || v.Floor != "" || v.Cutover != (database.Cutover{}) || v.Lease.Alive || v.Fence != (database.Term{}) {
		w.t.Errorf("the other service sees %+v", v)
	}
	w.wantKinds(theirs, "")
	// The same version, term and lease are free for the other one, while this one stands.
	other, err := theirs.Acquire(w.ctx(), claim())
	w.must(err)
	defer func() { w.must(other.Release(w.ctx())) }()
	os, _ := w.lead(theirs)
	w.must(os.Apply(w.ctx(), w.change("1", w.Insert("counted", 2))))
	w.must(s.Record(w.ctx(), database.Event{Kind: database.RolledBack, Version: "1"}))
	if v := w.look(mine, database.Query{Since: -1}); v.Fence != term {
		w.t.Errorf("the other service moved this one's fence to %v", v.Fence)
	}
	if v := w.look(theirs, database.Query{Digest: "d", Since: -1}); len(v.Undone) != 0 {
		w.t.Errorf("the other service sees the rollback of %v", v.Undone)
	}
	w.wantKinds(theirs, "applied 1")
	w.wantNumbers("counted", 1, 2)
}
