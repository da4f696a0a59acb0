package databasetest

import (
	"errors"

	"github.com/schemagate/schemagate/database"
)

var leaseRules = []rule{
	{"LeaseIsExclusive", leaseExclusive},
	{"LeaseRenewKeepsOthersOut", leaseRenew},
	{"LeaseReleasedIsFreeAtOnce", leaseReleased},
	{"LeaseThatRanOutIsTaken", leaseRanOut},
	{"LeaseOfTheDeadIsTakenEarly", leaseOfTheDead},
	{"LeaseThatAloneProtectsIsNeverTakenEarly", leaseAlone},
	{"LeaseOutlivesABrokenPresence", leasePresence},
	{"LeaseTakenByForce", leaseForced},
	{"LeaseTakenByForceIsNotTakenBack", leaseForcedOnce},
	{"HolderClaimShowsInLook", claimShows},
	{"LeaseIsIndependentOfALockedFence", leaseAndFence},
	{"LeaseIsRenewedBesideEverythingElse", leaseBeside},
}

func claim() database.Claim {
	return database.Claim{Holder: database.NewHolder(), Replica: "replica-a", Release: "v1.2", Address: "127.0.0.1:1", Token: "token"}
}

func (w *world) acquire(c Client, cl database.Claim) database.Holding {
	w.t.Helper()
	h, err := c.Acquire(w.ctx(), cl)
	w.must(err)
	w.t.Cleanup(func() { _ = h.Release(w.ctx()) }) // the case may have released it, and the context has ended
	return h
}

// refused: the client can't have the lease.
func (w *world) refused(c Client) {
	w.t.Helper()
	h, err := c.Acquire(w.ctx(), claim())
	w.want(err, database.ErrHeld)
	if err == nil {
		w.must(h.Release(w.ctx()))
	}
}

func leaseExclusive(w *world) {
	w.prepared()
	clients := make([]Client, 10)
	for i := range clients {
		clients[i] = w.open(service)
	}
	for range 3 {
		holdings := make([]database.Holding, len(clients))
		errs := together(len(clients), func(i int) (err error) {
			holdings[i], err = clients[i].Acquire(w.ctx(), claim())
			return err
		})
		var won []int
		for i, err := range errs {
			if err == nil {
				won = append(won, i)
			} else {
				w.want(err, database.ErrHeld)
			}
		}
		if len(won) != 1 {
			w.t.Fatalf("clients %v hold the lease", won)
		}
		w.refused(clients[won[0]]) // not twice for the same replica either
		w.must(holdings[won[0]].Release(w.ctx()))
	}
}

func leaseRenew(w *world) {
	a, b := w.prepared(), w.open(service)
	h := w.acquire(a, claim())
	for range 3 {
		if w.Elapse != nil {
			w.Elapse(w.t, service, w.TTL-w.Interval)
		}
		w.must(h.Renew(w.ctx()))
		w.refused(b)
		if v := w.look(b, database.Query{Since: -1}); !v.Lease.Alive || v.Lease.Dead {
			w.t.Errorf("lease %+v, want alive", v.Lease)
		}
	}
}

func leaseReleased(w *world) {
	a, b := w.prepared(), w.open(service)
	h := w.acquire(a, claim())
	w.must(h.Release(w.ctx()))
	if v := w.look(b, database.Query{Since: -1}); v.Lease.Alive || v.Lease.Dead || v.Lease.Holder != "" {
		w.t.Errorf("lease %+v after it was released", v.Lease)
	}
	mine := claim()
	w.acquire(b, mine)
	if v := w.look(a, database.Query{Since: -1}); v.Lease.Holder != mine.Holder {
		w.t.Errorf("lease %+v, want holder %s", v.Lease, mine.Holder)
	}
}

func leaseRanOut(w *world) {
	if w.Elapse == nil {
		w.t.Skip("leases don't run out")
	}
	a, b := w.prepared(), w.open(service)
	first, mine := claim(), claim()
	first.Exclusive = true
	old := w.acquire(a, first)
	w.Elapse(w.t, service, w.TTL)
	if v := w.look(b, database.Query{Since: -1}); v.Lease.Alive {
		w.t.Errorf("lease %+v, want one that ran out", v.Lease)
	}
	h := w.acquire(b, mine)
	w.want(old.Renew(w.ctx()), database.ErrHeld)
	w.must(old.Release(w.ctx())) // nothing of its own to give back
	w.must(h.Renew(w.ctx()))
	if v := w.look(a, database.Query{Since: -1}); !v.Lease.Alive || v.Lease.Holder != mine.Holder {
		w.t.Errorf("lease %+v, want the successor's", v.Lease)
	}
}

func (w *world) buries() {
	w.t.Helper()
	if w.Bury == nil || w.Elapse == nil {
		w.t.Skip("the end of a process ends its lease")
	}
}

func leaseOfTheDead(w *world) {
	w.buries()
	a, b := w.prepared(), w.open(service)
	w.acquire(a, claim())
	w.Bury(w.t, service)
	w.Elapse(w.t, service, w.Interval)
	if v := w.look(b, database.Query{Since: -1}); !v.Lease.Alive || v.Lease.Dead || !v.Lease.Gone {
		w.t.Errorf("lease %+v of a holder that is gone and missed one renewal, want alive", v.Lease)
	}
	w.refused(b)
	w.Elapse(w.t, service, 2*w.Interval)
	if v := w.look(b, database.Query{Since: -1}); v.Lease.Alive || !v.Lease.Dead {
		w.t.Errorf("lease %+v of a holder that is gone, want dead", v.Lease)
	}
	w.acquire(b, claim())
}

func leaseAlone(w *world) {
	w.buries()
	a, b := w.prepared(), w.open(service)
	cl := claim()
	cl.Exclusive = true
	w.acquire(a, cl)
	w.Bury(w.t, service)
	w.Elapse(w.t, service, 3*w.Interval)
	if v := w.look(b, database.Query{Since: -1}); !v.Lease.Alive || v.Lease.Dead || v.Lease.Gone || !v.Lease.Exclusive {
		w.t.Errorf("lease %+v, want alive until it runs out", v.Lease)
	}
	w.refused(b)
}

func leasePresence(w *world) {
	w.buries()
	a, b := w.prepared(), w.open(service)
	h := w.acquire(a, claim())
	w.Bury(w.t, service)
	w.must(w.again(func() error { return h.Renew(w.ctx()) })) // on a new connection
	w.Elapse(w.t, service, 3*w.Interval)
	if v := w.look(b, database.Query{Since: -1}); !v.Lease.Alive || v.Lease.Dead || v.Lease.Gone {
		w.t.Errorf("lease %+v, want alive: its holder is connected again", v.Lease)
	}
	w.refused(b)
}

func leaseForced(w *world) {
	a, b := w.prepared(), w.open(service)
	first, mine := claim(), claim()
	old := w.acquire(a, first)
	mine.Force = true
	h, err := b.Acquire(w.ctx(), mine)
	if !w.Forced {
		w.want(err, database.ErrHeld)
		w.must(old.Renew(w.ctx()))
		return
	}
	w.must(err)
	defer func() { w.must(h.Release(w.ctx())) }()
	w.want(old.Renew(w.ctx()), database.ErrHeld)
	if v := w.look(a, database.Query{Since: -1}); v.Lease.Holder != mine.Holder {
		w.t.Errorf("lease %+v, want that of %s", v.Lease, mine.Holder)
	}
}

// leaseForcedOnce: a presence that broke is made anew, and that is no second winning.
func leaseForcedOnce(w *world) {
	w.buries()
	a, b := w.prepared(), w.open(service)
	if !w.Forced {
		w.t.Skip("no lease is taken by force")
	}
	mine, later := claim(), claim()
	mine.Force, later.Force = true, true
	h := w.acquire(a, mine)
	w.Bury(w.t, service)
	w.acquire(b, later)
	w.want(w.again(func() error { return h.Renew(w.ctx()) }), database.ErrHeld)
	if v := w.look(a, database.Query{Since: -1}); v.Lease.Holder != later.Holder {
		w.t.Errorf("lease %+v, want that of %s", v.Lease, later.Holder)
	}
}

func claimShows(w *world) {
	a, b := w.prepared(), w.open(service)
	cl := claim()
	cl.Replica, cl.Release, cl.Exclusive = `O'Neill "é" \ 🐎`, "v1;--", true
	w.acquire(a, cl)
	got := w.look(b, database.Query{Since: -1}).Lease
	want := database.Lease{Holder: cl.Holder, Replica: cl.Replica, Release: cl.Release, Address: cl.Address, Token: cl.Token,
		Alive: true, Exclusive: true, AgeMS: got.AgeMS}
	if got != want || got.AgeMS < 0 {
		w.t.Errorf("lease %+v, want %+v", got, want)
	}
}

// leaseAndFence: nobody has to wait for a migration to renew.
func leaseAndFence(w *world) {
	w.fencedOnly()
	a, b := w.prepared(), w.open(service)
	release := w.Block(w.t, service)
	defer release()
	h := w.acquire(a, claim())
	w.must(h.Renew(w.ctx()))
	w.refused(b)
	w.must(h.Release(w.ctx()))
	if h, err := b.Acquire(w.ctx(), claim()); err != nil {
		w.t.Error(err)
	} else if err := h.Release(w.ctx()); errors.Is(err, database.ErrBlocked) {
		w.t.Error(err)
	}
}

// leaseBeside: a leader renews from one goroutine and works in another.
func leaseBeside(w *world) {
	c := w.prepared()
	h := w.acquire(c, claim())
	stop, renewed := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				renewed <- nil
				return
			default:
			}
			err = h.Renew(w.ctx())
		}
		renewed <- err
	}()
	for i := range 3 {
		c.Disconnect()
		s, _ := w.lead(c)
		w.must(s.Apply(w.ctx(), w.change(string(rune('1'+i)), w.Insert("counted", i))))
		w.must(s.Record(w.ctx(), database.Event{Kind: database.Complete, Digest: "d"}))
		w.history(c)
		s.Close()
	}
	close(stop)
	w.must(<-renewed)
}
