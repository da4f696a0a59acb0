package electiontest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
)

func (s Suite) onlyOneOfManyWins(t *testing.T) {
	e := s.Begin(t, long)
	const many = 20
	members := make([]*Member, many)
	for i := range members {
		members[i] = e.Join(t)
	}
	ctx := within(t)
	start := make(chan struct{})
	leads, errs := make([]*election.Lead, many), make([]error, many)
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			<-start
			leads[i], errs[i] = m.Campaign(ctx, candidate(fmt.Sprint("r", i)), election.Rival{})
		})
	}
	close(start)
	wg.Wait()
	won := 0
	for i, lead := range leads {
		switch {
		case lead != nil:
			won++
			defer resign(lead)
			if !lead.Alive() {
				t.Error("the winner's lead is over already")
			}
		case !errors.Is(errs[i], election.ErrHeld):
			t.Errorf("candidate %d lost with %v, want ErrHeld", i, errs[i])
		}
	}
	if won != 1 {
		t.Errorf("%d candidates won", won)
	}
}

func (s Suite) heldIsErrHeld(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	lead := mustWin(t, a, candidate("a"))
	for range 3 { // an attempt leaves nothing behind that would help the next one
		mustBeHeld(t, b, e.Rival(t))
	}
	mustBeHeld(t, a, e.Rival(t)) // not even by the leader's own replica
	if !lead.Alive() {
		t.Error("campaigns of others ended the lead")
	}
}

func (s Suite) leaderIsVisible(t *testing.T) {
	e := s.Begin(t, long)
	a := e.Join(t)
	c := candidate("a")
	c.Address = "192.0.2.1:8099"
	lead := mustWin(t, a, c)
	if r := e.Rival(t); r.Holder != c.Holder || r.Address != c.Address || r.Dead || !e.Shown(t) {
		t.Errorf("the database shows %+v as the leader, alive %v, want %+v", r, e.Shown(t), c)
	}
	if err := lead.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	if r := e.Rival(t); r != (election.Rival{}) || e.Shown(t) {
		t.Errorf("after resigning the database shows %+v as the leader", r)
	}
}

func (s Suite) resignFreesAtOnce(t *testing.T) {
	e := s.Begin(t, long)
	members := []*Member{e.Join(t), e.Join(t)}
	for round := range 4 {
		lead := mustWin(t, members[round%2], candidate("r"))
		if err := lead.Resign(within(t)); err != nil {
			t.Fatal(err)
		}
		if lead.Alive() || !errors.Is(context.Cause(lead.Context()), context.Canceled) {
			t.Fatalf("a lead that was given back: alive %v, cause %v", lead.Alive(), context.Cause(lead.Context()))
		}
	}
}

// renewedHolderKeepsIt goes by the deadline: once it lies several TTLs away from the start, so many have been lived through.
func (s Suite) renewedHolderKeepsIt(t *testing.T) {
	e := s.Begin(t, s.TTL)
	a, b := e.Join(t), e.Join(t)
	began := time.Now()
	lead := mustWin(t, a, candidate("a"))
	ctx := within(t)
	tick := time.NewTicker(s.TTL / 10)
	defer tick.Stop()
	for lead.Deadline().Before(began.Add(3 * s.TTL)) {
		if !e.Shown(t) && lead.Alive() {
			t.Fatal("the database shows no leader, though there is one")
		}
		mustBeHeld(t, b, e.Rival(t))
		select {
		case <-tick.C:
		case <-lead.Context().Done():
			t.Fatalf("the lead ended: %v", context.Cause(lead.Context()))
		case <-ctx.Done():
			t.Fatal("the lead is not renewed")
		}
	}
}

func (s Suite) silentHolderIsReplaced(t *testing.T) {
	e := s.Begin(t, s.TTL)
	a, b, c := e.Join(t), e.Join(t), e.Join(t)
	old := mustWin(t, a, candidate("a"))
	a.silence()
	next := outlast(t, e, b, "b")
	if old.Alive() {
		t.Error("two leads are alive")
	}
	mustEnd(t, old)
	a.heal()
	resign(old) // late, and no longer its own to give
	mustBeHeld(t, c, e.Rival(t))
	if !next.Alive() {
		t.Errorf("the old leader's resignation ended the new lead: %v", context.Cause(next.Context()))
	}
}

// deadRivalIsReplacedEarly: at a TTL of an hour, winning at all is early.
func (s Suite) deadRivalIsReplacedEarly(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	mustWin(t, a, candidate("a"))
	a.kill()
	next := outlast(t, e, b, "b")
	if !next.Alive() {
		t.Error("the successor's lead is over already")
	}
	a.heal()
	mustBeHeld(t, a, e.Rival(t))
}

func (s Suite) suspicionReplacesNobody(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	lead := mustWin(t, a, candidate("a"))
	r := e.Rival(t)
	mustBeHeld(t, b, r) // seen, and not dead
	// Proof of somebody else's death, from a look that is old by now.
	mustBeHeld(t, b, election.Rival{Holder: database.NewHolder(), Token: database.NewHolder(), Dead: true})
	if !lead.Alive() {
		t.Errorf("the lead ended: %v", context.Cause(lead.Context()))
	}
}

func (s Suite) leadEndsWhenTheServerHangs(t *testing.T) {
	e := s.Begin(t, s.TTL)
	a, b := e.Join(t), e.Join(t)
	lead := mustWin(t, a, candidate("a"))
	a.silence()
	mustEnd(t, lead)
	a.heal()
	resign(lead)
	outlast(t, e, b, "b")
}

func (s Suite) lostLeadSaysErrLost(t *testing.T) {
	for name, steal := range s.Begin(t, long).Thefts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := s.Begin(t, long)
			steal = e.Thefts[name]
			lead := mustWin(t, e.Join(t), candidate("a"))
			steal(t)
			mustEnd(t, lead)
		})
	}
}

func (s Suite) cancelledCampaignWinsNothing(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if lead, err := a.Campaign(ctx, candidate("a"), election.Rival{}); lead != nil || err == nil {
		t.Fatalf("a cancelled campaign gave %v, %v", lead, err)
	}
	mustWin(t, b, candidate("b"))
}

func (s Suite) serverAway(t *testing.T) {
	e := s.Begin(t, long)
	a := e.Join(t)
	a.kill()
	lead, err := campaign(t, a, candidate("a"), election.Rival{})
	if lead != nil || !errors.Is(err, database.ErrUnreachable) {
		t.Fatalf("a campaign without a server gave %v, %v, want ErrUnreachable", lead, err)
	}
	a.heal()
	outlast(t, e, a, "a")
}

// noGoroutineLeft does everything that starts one.
func (s Suite) noGoroutineLeft(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	before := goleak.IgnoreCurrent()
	lead := mustWin(t, a, candidate("a"))
	mustBeHeld(t, b, e.Rival(t))
	b.Await(t.Context(), e.Rival(t), time.Millisecond)
	if err := lead.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	lead = mustWin(t, b, candidate("b"))
	if err := lead.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Member{a, b} {
		m.Leave()
		for _, l := range m.Lines {
			l.Reset() // the proxies' own
		}
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
