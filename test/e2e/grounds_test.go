package e2e

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// herd is how many replicas start at once: 30, or as many as SCHEMAGATE_TEST_HERD says, which then run as they are shipped.
func herd(t *testing.T, s *harness.Stage) (int, *harness.Stage) {
	t.Helper()
	v := os.Getenv("SCHEMAGATE_TEST_HERD")
	if v == "" {
		return 30, s
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("SCHEMAGATE_TEST_HERD: %v", err)
	}
	return n, s.With("GOMAXPROCS=1").Running(harness.Plain(t))
}

func TestHerdOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		g.Write(g.numbered(5))
		n, s := herd(t, g.With("SCHEMAGATE_LEASE_TTL=15s"))
		harness.ExitAll(t, 0, s.StartMany(n, "up")...)
		g.appliedOnce(5)
		if n := g.completed(); n != 1 {
			t.Errorf("complete is recorded %d times, want once", n)
		}
	}, servers.MariaSetting("max_connections", "100"))
}

// followed starts a leader, which comes to the barrier, and followers, which wait for it.
func (g *ground) followed(n int, way string) (leader *harness.Replica, followers []*harness.Replica) {
	g.T.Helper()
	leader = g.with("SCHEMAGATE_REPLICA=first").At(way).Start("up")
	g.arrived()
	followers = g.StartMany(n, "up")
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	return leader, followers
}

// The leader is killed inside a migration. Where the database can tell, a follower takes over on its word; where it can't, when
// the lease has run out.
func TestLeaderKilledOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		g.Write(g.resumable(2, 3))
		open := g.closeBarrier()
		leader, followers := g.followed(2, g.URL)
		leader.Kill()
		g.arrived()
		open()
		harness.ExitAll(t, 0, followers...)
		g.takenOver(3, 2)
		if got := followers[0].Said("presence is gone") || followers[1].Said("presence is gone"); got != g.fenced {
			t.Errorf("taken over on the database's word: %v, want %v", got, g.fenced)
		}
		if got := g.events("failed"); got != "" {
			t.Errorf("%q is recorded as failed", got)
		}
	})
}

// A leader that is silent past its TTL loses the lease; when it comes to itself it finds out, follows, and does nothing more.
func TestSilentLeaderOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		for name, silence := range map[string]func(*harness.Replica, *servers.TCPProxy) (end func()){
			"stopped": func(r *harness.Replica, _ *servers.TCPProxy) func() {
				r.Signal(syscall.SIGSTOP)
				return func() { r.Signal(syscall.SIGCONT) }
			},
			"cut off": func(_ *harness.Replica, p *servers.TCPProxy) func() {
				p.Blackhole(servers.Both)
				return p.Heal
			},
		} {
			t.Run(name, func(t *testing.T) {
				g := g.again(t)
				g.Write(g.resumable(2, 3))
				proxy := servers.Proxy(t, g.network)
				open := g.closeBarrier()
				stale, followers := g.followed(1, proxy.Through(g.URL))
				end := silence(stale, proxy)
				followers[0].Await(harness.Msg("elected"))
				g.arrived()
				end() // it meets the new leader's term while that is at work
				stale.AwaitN(harness.Msg("waiting"), 1)
				open()
				harness.ExitAll(t, 0, followers[0], stale)
				g.takenOver(3, 2)
				if g.fenced {
					stale.Says(harness.Msg("fenced"))
				}
				if got := g.term(); got != "2" {
					t.Errorf("the term is %s, want 2", got)
				}
			})
		}
	})
}

// A leader asked to end gives the lease back at once, and nobody fails with it.
func TestLeaderEndedBySignalOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		g = g.with("SCHEMAGATE_LEASE_TTL=10m") // nobody waits for it to run out
		g.Write(g.resumable(2, 3))
		open := g.closeBarrier()
		leader, followers := g.followed(2, g.URL)
		leader.Signal(syscall.SIGTERM)
		leader.Exits(143)
		g.arrived()
		open()
		harness.ExitAll(t, 0, followers...)
		g.takenOver(3, 2)
		for _, f := range followers {
			f.NeverSays("presence is gone", "failed")
		}
		if got := g.events("interrupted"); got != g.version(2) {
			t.Errorf("%q is recorded as interrupted, want %s", got, g.version(2))
		}
		if got := g.events("failed"); got != "" {
			t.Errorf("%q is recorded as failed", got)
		}
	})
}

// The server goes down in the middle of a migration and comes back.
func TestServerRestartsOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		g.Write(g.resumable(2, 3))
		open := g.closeBarrier()
		leader, followers := g.followed(2, g.URL)
		g.restart() // which opens MariaDB's barrier
		open()
		harness.ExitAll(t, 0, append(followers, leader)...)
		if strings.Count(g.traces(), g.version(2)) == 1 { // the driver tries a script's reads again, which may carry it over
			g.appliedOnce(3)
		} else {
			g.takenOver(3, 2)
		}
		if got := g.events("failed"); got != "" {
			t.Errorf("%q is recorded as failed", got)
		}
	})
}

// A healthy leader keeps its lease for as long as its migration takes.
func TestLongMigrationOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		g.Write(g.heldAt(2, 3))
		open := g.closeBarrier()
		leader, followers := g.followed(2, g.URL)
		for range 3 {
			renewed := g.renewed()
			harness.Until(t, "the lease was renewed", func() bool { return g.renewed() > renewed+groundTTL })
		}
		open()
		harness.ExitAll(t, 0, append(followers, leader)...)
		g.appliedOnce(3)
		if got := g.term(); got != "1" {
			t.Errorf("it took %s terms", got)
		}
		leader.NeverSays("fenced", "interrupted")
	})
}

// A migration that fails is everybody's failure, with the same words; a new start tries again.
func TestFailingMigrationOnOtherDatabases(t *testing.T) {
	grounds(t, func(t *testing.T, g *ground) {
		set := g.heldAt(1, 2).And(harness.Files{g.file(2): g.fails(2)})
		g.Write(set)
		open := g.closeBarrier()
		leader, followers := g.followed(3, g.URL)
		open()
		harness.ExitAll(t, 70, append(followers, leader)...)
		what := leader.LastWords()
		if !strings.HasPrefix(what, "apply "+g.file(2)+":3: ") || !strings.Contains(what, "vershun") {
			t.Errorf("the leader says %q", what)
		}
		for _, f := range followers {
			if got := f.LastWords(); !strings.HasPrefix(got, what+" (as the leader first recorded at ") {
				t.Errorf("a follower says %q, want %q and whose failure it is", got, what)
			}
		}
		if got := g.events("failed"); got != g.version(2) {
			t.Errorf("%q is recorded as failed, want %s once", got, g.version(2))
		}
		traces := []string{g.version(1)}
		if !g.fenced { // what it did stays done, and a person is asked, as it does not call itself idempotent
			traces = append(traces, g.version(2))
		}
		if got := g.traces(); got != strings.Join(traces, " ") {
			t.Errorf("it left the traces %q, want %q", got, traces)
		}
		if g.fenced {
			g.Expect(70, "up").Says(what)
		} else {
			g.Expect(70, "up").Says("schemagate resolve " + g.version(2))
			g.Expect(0, "resolve", g.version(2), "--retry")
		}
		g.Write(harness.Files{g.file(2): g.trace(2)})
		harness.ExitAll(t, 0, g.StartMany(3, "up")...)
		g.takenOver(2, 2)
	})
}

// A script that does not call itself idempotent is nobody's to repeat, however its leader was lost.
func TestWhatOnlyTheLeaseProtectsIsNotRepeated(t *testing.T) {
	t.Parallel()
	g := mongoGround(t, servers.FerretDB(t, "sqlite"))
	g.Write(g.heldAt(2, 3))
	open := g.closeBarrier()
	stale, followers := g.followed(2, g.URL)
	stale.Signal(syscall.SIGSTOP)
	harness.ExitAll(t, 70, followers...)
	for _, f := range followers {
		f.Says("schemagate resolve " + g.version(2))
	}
	stale.Signal(syscall.SIGCONT)
	stale.Exits(70)
	open()
	if got, want := g.traces(), g.version(1)+" "+g.version(2); got != want {
		t.Errorf("the traces are %q, want %q", got, want)
	}
}
