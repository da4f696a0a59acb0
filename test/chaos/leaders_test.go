package chaos

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// gate holds the first message that leads to a point, until it is opened.
type gate struct {
	reached, opened chan struct{}
	stage           atomic.Int64
}

// holdAt has the proxy hold the message; the test opens the gate.
func holdAt(t *testing.T, p *servers.TCPProxy, steps ...step) *gate {
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	p.Intercept(func(d servers.Direction, data []byte) servers.Verdict {
		n := g.stage.Load()
		if n >= int64(len(steps)) || !steps[n].matches(d, data) || !g.stage.CompareAndSwap(n, n+1) || n+1 < int64(len(steps)) {
			return servers.Forward
		}
		close(g.reached)
		select {
		case <-g.opened:
		case <-t.Context().Done(): // before the proxy waits for its connections
		}
		return servers.Forward
	})
	return g
}

func (g *gate) open() { close(g.opened) }

// Two replicas both lead, by everything that the election can tell them. Safety is the fence's alone.
func TestTwoLeadersAtOnce(t *testing.T) {
	// The first leader works on; Consul has forgotten it, and makes another one leader.
	t.Run("Consul wiped", func(t *testing.T) {
		t.Parallel()
		consul := servers.Consul(t)
		s := withEffects(t, fresh(t), effects(4, 2), elect(consul.Addr()))
		open := s.closeBarrier()
		stale := s.with("SCHEMAGATE_REPLICA=stale").Start("up")
		first := s.atBarrier()
		consul.Wipe()
		next := s.with("SCHEMAGATE_REPLICA=next").Start("up")
		next.Await(harness.Msg("term minted"))
		s.atBarrier(first)
		stale.Await(harness.Msg("fenced"))
		open()
		harness.ExitAll(t, 0, next, stale)
		s.appliedOnce(4)
		if got := s.Psql("SELECT string_agg(DISTINCT replica, ' ') FROM schemagate_history WHERE version IN ('0002', '0003', '0004')"); got != "next" {
			t.Errorf("0002 to 0004 are %q's, want them the next leader's", got)
		}
	})
	// Half of the replicas were given another Consul. Both look before anyone leads, and each wins where it asks.
	t.Run("two Consuls", func(t *testing.T) {
		t.Parallel()
		one, other := servers.Consul(t), servers.Consul(t)
		url := fresh(t)
		s := withEffects(t, url, effects(4, 2))
		pg := servers.SharedPostgres(t)
		p1, p2 := servers.Proxy(t, pg.Addr()), servers.Proxy(t, pg.Addr())
		won := holdAt(t, p1, point{name: "after winning"}.steps()...)
		// The second one's first look is answered while nobody leads, and the answer arrives when the first one is about to mint.
		noTables := step{servers.ToClient, []string{"42P01"}} // to the glance, then to the look
		look := holdAt(t, p2, noTables, noTables)
		b := s.at(p2.Through(url)).with(elect(other.Addr()), "SCHEMAGATE_REPLICA=b").Start("up")
		<-look.reached
		open := s.closeBarrier()
		a := s.at(p1.Through(url)).with(elect(one.Addr()), "SCHEMAGATE_REPLICA=a").Start("up")
		<-won.reached // elected by the one Consul, and nothing minted
		look.open()
		b.Await(harness.Msg("elected"))
		b.Await(harness.Msg("term minted"))
		s.atBarrier()
		won.open() // mints from what it saw, which was true then
		a.Await(harness.Msg("fenced"))
		open()
		harness.ExitAll(t, 0, a, b)
		s.appliedOnce(4)
	})
	// A paused process believes that it leads when it comes to itself.
	t.Run("paused", func(t *testing.T) {
		t.Parallel()
		consul := servers.Consul(t)
		s := withEffects(t, fresh(t), effects(4, 2), elect(consul.Addr()))
		open := s.closeBarrier()
		stale := s.with("SCHEMAGATE_REPLICA=stale").Start("up")
		first := s.atBarrier()
		stale.Signal(syscall.SIGSTOP)
		next := s.with("SCHEMAGATE_REPLICA=next").Start("up")
		next.Await(harness.Msg("term minted")) // once Consul has ended the session
		s.atBarrier(first)
		stale.Signal(syscall.SIGCONT)
		stale.Await(harness.Msg("fenced"))
		open()
		harness.ExitAll(t, 0, next, stale)
		s.appliedOnce(4)
	})
	// One replica's network is gone: a proxy that swallows everything, in both directions, to PostgreSQL and to Consul.
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		consul := servers.Consul(t)
		url := fresh(t)
		s := withEffects(t, url, effects(4, 2), elect(consul.Addr()))
		open := s.closeBarrier()
		db, election := servers.Proxy(t, servers.SharedPostgres(t).Addr()), servers.Proxy(t, consul.Addr())
		stale := s.at(db.Through(url)).with(elect(election.Addr()), "SCHEMAGATE_REPLICA=stale").Start("up")
		first := s.atBarrier()
		db.Blackhole(servers.Both)
		election.Blackhole(servers.Both)
		next := s.with("SCHEMAGATE_REPLICA=next").Start("up")
		next.Await(harness.Msg("term minted"))
		s.atBarrier(first)
		db.Heal()
		election.Heal()
		stale.Await(harness.Msg("fenced"))
		open()
		harness.ExitAll(t, 0, next, stale)
		s.appliedOnce(4)
	})
	// The same below TCP: the replica is in a network of its own, whose packets get lost. What the servers say meanwhile, such as that
	// its session was ended, is lost too.
	t.Run("packets lost", func(t *testing.T) {
		t.Parallel()
		consul := servers.Consul(t)
		network, err := servers.NewNetwork(t)
		if errors.Is(err, servers.ErrNoNamespaces) {
			t.Skipf("NOT RUN: %v", err)
		} else if err != nil {
			t.Fatal(err)
		}
		url := fresh(t)
		s := withEffects(t, url, effects(4, 2), elect(consul.Addr()))
		open := s.closeBarrier()
		db, election := network.Proxy(servers.SharedPostgres(t).Addr()), network.Proxy(consul.Addr())
		there := s.at(db.Through(url)).with(elect(election.Addr()), "SCHEMAGATE_REPLICA=stale")
		stale := there.StartCommand(network.Command(there.Path(), "up"))
		first := s.atBarrier()
		network.Cut(servers.Both)
		next := s.with("SCHEMAGATE_REPLICA=next").Start("up")
		next.Await(harness.Msg("term minted"))
		s.atBarrier(first)
		if network.Heal() == 0 {
			t.Error("no packet was lost")
		}
		stale.Await(harness.Msg("fenced"))
		open()
		harness.ExitAll(t, 0, next, stale)
		s.appliedOnce(4)
	})
}
