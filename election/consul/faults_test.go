package consul_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/election/electiontest"
	"github.com/schemagate/schemagate/test/servers"
)

// TestLostRaceLeavesNoSession: the key was free when it was read, and is held when it is to be acquired.
func TestLostRaceLeavesNoSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servers.Consul(t))
	line := servers.Proxy(t, p.server.Addr())
	e := p.open(t, line.Through(p.url()), consul.Options{})
	reached, proceed := make(chan struct{}), make(chan struct{})
	line.Intercept(func(d servers.Direction, b []byte) servers.Verdict {
		if d == servers.ToServer && strings.Contains(string(b), "acquire=") {
			close(reached)
			<-proceed
		}
		return servers.Forward
	})
	outcome := make(chan error, 1)
	go func() {
		_, err := e.Campaign(t.Context(), candidate("late"), election.Rival{})
		outcome <- err
	}()
	<-reached
	thief := p.takeKey(t)
	close(proceed)
	if err := <-outcome; !errors.Is(err, election.ErrHeld) {
		t.Fatalf("the loser of a race got %v, want ErrHeld", err)
	}
	if s := p.sessions(t); len(s) != 1 || s[0] != thief {
		t.Errorf("sessions %v, want only the one that holds the key, %s", s, thief)
	}
}

// TestLostAnswerLeavesNoLock: Consul gave us the lock, and we never heard of it.
func TestLostAnswerLeavesNoLock(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servers.Consul(t))
	line := servers.Proxy(t, p.server.Addr())
	e := p.open(t, line.Through(p.url()), consul.Options{})
	var asked atomic.Bool
	line.Intercept(func(d servers.Direction, b []byte) servers.Verdict {
		switch {
		case d == servers.ToServer && strings.Contains(string(b), "acquire="):
			asked.Store(true)
		case d == servers.ToClient && asked.CompareAndSwap(true, false):
			if !strings.Contains(string(b), "true") {
				t.Error("the answer that is lost is not that of an acquired lock")
			}
			return servers.Cut
		}
		return servers.Forward
	})
	if _, err := e.Campaign(t.Context(), candidate("a"), election.Rival{}); !errors.Is(err, consul.ErrUnreachable) {
		t.Fatalf("a campaign without an answer gave %v, want ErrUnreachable", err)
	}
	if s := p.sessions(t); len(s) != 0 || p.pair(t).Session != "" {
		t.Errorf("sessions %v, the key is held by %q", s, p.pair(t).Session)
	}
	line.Intercept(nil)
	mustWin(t, e, candidate("a"))
}

// TestCancelledCampaignLeavesNoLock: asked to stop just as the lock is acquired.
func TestCancelledCampaignLeavesNoLock(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servers.Consul(t))
	line := servers.Proxy(t, p.server.Addr())
	e := p.open(t, line.Through(p.url()), consul.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	line.Intercept(func(d servers.Direction, b []byte) servers.Verdict {
		if d == servers.ToServer && strings.Contains(string(b), "acquire=") {
			cancel()
		}
		return servers.Forward
	})
	if lead, err := e.Campaign(ctx, candidate("a"), election.Rival{}); lead != nil || err == nil {
		t.Fatalf("a cancelled campaign gave %v, %v", lead, err)
	}
	if s := p.sessions(t); len(s) != 0 {
		t.Errorf("sessions %v are left", s)
	}
}

// TestTrustCountsFromBeforeTheSession: what the proxy sees of a request is later than its sending.
func TestTrustCountsFromBeforeTheSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sharedConsul())
	line := servers.Proxy(t, p.server.Addr())
	line.Delay(300 * time.Millisecond) // an answer comes this much later, twice
	created := make(chan time.Time, 1)
	line.Intercept(func(d servers.Direction, b []byte) servers.Verdict {
		if d == servers.ToServer && strings.Contains(string(b), "/v1/session/create") {
			created <- time.Now()
		}
		return servers.Forward
	})
	lead := mustWin(t, p.open(t, line.Through(p.url()), consul.Options{}), candidate("a"))
	if trust := lead.Deadline().Sub(<-created); trust > 9*time.Second {
		t.Errorf("trusted for %v after the session was asked for, want nine seconds at most", trust)
	}
}

// TestDatabaseAwayFailsTheCampaign: nobody may hold the lock who could do nothing with it.
func TestDatabaseAwayFailsTheCampaign(t *testing.T) {
	t.Parallel()
	store := electiontest.NewStore(t, time.Hour)
	p := newPlace(t, sharedConsul())
	db, line := store.Open(t)
	line.Refuse()
	line.Reset()
	e := p.open(t, p.url(), consul.Options{Timing: store.Timing, Leases: db})
	if _, err := e.Campaign(t.Context(), candidate("a"), election.Rival{}); !errors.Is(err, database.ErrUnreachable) {
		t.Fatalf("a campaign without a database gave %v", err)
	}
	if s := p.pair(t).Session; s != "" {
		t.Errorf("the key is held by %s", s)
	}
}

// TestDatabaseAwayKeepsTheLead: Consul decides. The database hangs, and the lead is renewed all the same.
func TestDatabaseAwayKeepsTheLead(t *testing.T) {
	t.Parallel()
	store := electiontest.NewStore(t, 10*time.Second)
	p := newPlace(t, sharedConsul())
	db, line := store.Open(t)
	lead := mustWin(t, p.open(t, p.url(), consul.Options{Timing: store.Timing, Leases: db}), candidate("a"))
	line.Blackhole(servers.Both)
	hung := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for lead.Deadline().Before(hung.Add(2 * store.Timing.TTL)) { // trust reaches 0.9 TTL ahead, so this is renewed
		select {
		case <-tick.C:
		case <-lead.Context().Done():
			t.Fatalf("the lead ended: %v", context.Cause(lead.Context()))
		}
	}
	line.Heal()
}

// TestCrowdIsWoken: one release wakes all who wait.
func TestCrowdIsWoken(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sharedConsul())
	lead := mustWin(t, p.open(t, p.url(), consul.Options{}), candidate("a"))
	var crowd sync.WaitGroup
	for range 50 {
		e := p.open(t, p.url(), consul.Options{})
		if _, err := e.Campaign(t.Context(), candidate("b"), election.Rival{}); !errors.Is(err, election.ErrHeld) {
			t.Fatal(err)
		}
		crowd.Go(func() { e.Await(t.Context(), election.Rival{}, time.Hour) })
	}
	if err := lead.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	crowd.Wait()
}

// TestConnectionThatHangsIsNotTheEnd: what hangs is tried again on another connection before trust runs out.
func TestConnectionThatHangsIsNotTheEnd(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sharedConsul())
	hang(t, p, p.url())
}

// hang swallows everything on the connections that are open, and waits for a renewal over another one.
func hang(t *testing.T, p place, url string) {
	t.Helper()
	line := servers.Proxy(t, p.server.Addr())
	lead := mustWin(t, p.open(t, line.Through(url), consul.Options{}), candidate("a"))
	connections := line.Accepted()
	line.Intercept(func(servers.Direction, []byte) servers.Verdict {
		if line.Accepted() == connections {
			return servers.Swallow
		}
		return servers.Forward
	})
	before := lead.Deadline()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for line.Accepted() == connections || !lead.Deadline().After(before) {
		select {
		case <-tick.C:
		case <-lead.Context().Done():
			t.Fatalf("the lead ended: %v", context.Cause(lead.Context()))
		}
	}
}

// TestWipedConsul: the lead ends, another wins, and nothing of the old lead's end touches the new one.
func TestWipedConsul(t *testing.T) {
	t.Parallel()
	p := newPlace(t, servers.Consul(t))
	old := mustWin(t, p.open(t, p.url(), consul.Options{}), candidate("a"))
	b := p.open(t, p.url(), consul.Options{})
	p.server.Wipe()
	next := mustWin(t, b, candidate("b"))
	mustLose(t, old)
	if err := old.Resign(t.Context()); err != nil {
		t.Errorf("resigning from a Consul that does not know us: %v", err)
	}
	if !next.Alive() || p.pair(t).Session == "" {
		t.Error("the old leader's resignation ended the new lead")
	}
}

// TestLeaseTakenWhileAway: the leader's presence in the database breaks, another winner takes the lease meanwhile. The
// leader comes back as one who renews, and does not take it again.
func TestLeaseTakenWhileAway(t *testing.T) {
	t.Parallel()
	store := electiontest.NewStore(t, time.Hour)
	p := newPlace(t, sharedConsul())
	db, line := store.Open(t)
	lead := mustWin(t, p.open(t, p.url(), consul.Options{Timing: store.Timing, Leases: db}), candidate("a"))
	line.Refuse()
	line.Reset()
	store.Usurp(t)
	usurper := store.Rival(t).Holder
	line.Heal()
	mustLose(t, lead)
	if h := store.Rival(t).Holder; h != usurper {
		t.Errorf("the lease is %s's, want the usurper's, %s", h, usurper)
	}
}
