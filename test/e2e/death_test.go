package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// The leader is killed inside a migration. A follower takes over because the server no longer knows the leader's presence, and
// ends the dead one's statement, which would otherwise go on waiting.
func TestLeaderKilledInsideAMigration(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 3))
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=first").Start("up")
	dead := s.atBarrier(1)
	followers := s.StartMany(2, "up")
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	leader.Kill()
	harness.Until(t, "the dead leader's statement has ended", func() bool { return s.pidGone(dead) })
	harness.Until(t, "a follower is at the barrier", func() bool { return s.sessions("/t2/%/migrate") == "1" && s.atBarrier(1) != dead })
	open()
	harness.ExitAll(t, 0, followers...)
	s.appliedOnce(3)
	if !followers[0].Said("presence is gone") && !followers[1].Said("presence is gone") {
		t.Errorf("no follower says why it took over: %s%s", followers[0], followers[1])
	}
	if got := s.events("failed"); got != "" {
		t.Errorf("%q is recorded as failed", got)
	}
}

// The leader is killed while its index build waits for a transaction of somebody else. What it leaves is an invalid index.
func TestLeaderKilledInsideAnIndexBuild(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_items.up.sql": indexed()["0001_items.up.sql"]})
	s.Up()
	release := holding(t, s.URL, "update items set n = n")
	s.Write(indexed())
	building := func() (pid string) {
		harness.Until(t, "a build waits for the transaction", func() bool {
			pid = s.Psql("select pid from pg_stat_activity where datname = current_database() and application_name like '%/migrate' " +
				"and state = 'active' and wait_event_type = 'Lock'")
			return pid != ""
		})
		return pid
	}
	leader := s.Start("up")
	dead := building()
	followers := s.StartMany(2, "up")
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	if got := s.Psql("select indisvalid from pg_index where indexrelid = 'items_n'::regclass"); got != "f" {
		t.Errorf("the index under construction is valid: %q", got)
	}
	leader.Kill()
	harness.Until(t, "the dead leader's statement has ended", func() bool { return s.pidGone(dead) })
	if again := building(); again == dead {
		t.Errorf("pid %s is still building", dead)
	}
	release()
	harness.ExitAll(t, 0, followers...)
	s.indexesAre("items_n true")
	if got := s.applied(); got != "0001 0002" {
		t.Errorf("applied %q", got)
	}
	if !followers[0].Said("presence is gone") && !followers[1].Said("presence is gone") {
		t.Errorf("no follower says why it took over: %s%s", followers[0], followers[1])
	}
}

// commitOf has the proxy swallow the server's answer to the commit of a version, and tells when that was so: the migration is in
// force, and its leader does not know. The verdict on the answer is the caller's.
func commitOf(p *servers.TCPProxy, version string, answer servers.Verdict) (committed <-chan struct{}) {
	var asked, told atomic.Bool
	done := make(chan struct{})
	p.Intercept(func(d servers.Direction, data []byte) servers.Verdict {
		switch {
		case told.Load():
			return servers.Forward
		case d == servers.ToServer && bytes.Contains(data, []byte("insert into")) && bytes.Contains(data, []byte("E'applied', E'"+version+"'")):
			asked.Store(true)
		case d == servers.ToClient && asked.Load() && bytes.Contains(data, []byte("COMMIT\x00")):
			if told.CompareAndSwap(false, true) {
				close(done)
				return answer
			}
		}
		return servers.Forward
	})
	return done
}

// The leader is killed when its commit has taken effect and the answer has not arrived.
func TestLeaderKilledRightAfterItsCommit(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(3))
	proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	committed := commitOf(proxy, "0002", servers.Swallow)
	leader := s.at(proxy.Through(s.URL)).Start("up")
	<-committed
	follower := s.Start("up")
	follower.Await(harness.Msg("waiting"))
	if got := s.applied(); got != "0001 0002" {
		t.Errorf("applied %q by the dead leader", got)
	}
	leader.Kill()
	follower.Exits(0)
	follower.Says("presence is gone")
	s.appliedOnce(3)
}

// The leader lives on and only its connection breaks there: it looks into the history and never repeats blindly.
func TestConnectionBrokenRightAfterACommit(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(3))
	proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	committed := commitOf(proxy, "0002", servers.Cut)
	leader := s.at(proxy.Through(s.URL)).Start("up")
	<-committed
	leader.Exits(0)
	leader.Says(harness.Msg("outcome unknown; the history will tell"))
	s.appliedOnce(3)
}

// A leader that is silent past its TTL loses the lease. When it comes to itself it commits nothing, says that it was fenced,
// and follows.
func TestSilentLeaderIsFenced(t *testing.T) {
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
			t.Parallel()
			s := newStage(t, heldAt(2, 3)).with("SCHEMAGATE_LEASE_TTL=2s")
			proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
			open := s.closeBarrier()
			stale := s.at(proxy.Through(s.URL)).with("SCHEMAGATE_REPLICA=stale").Start("up")
			pid := s.atBarrier(1)
			end := silence(stale, proxy)
			next := s.with("SCHEMAGATE_REPLICA=next").Start("up")
			next.Await(harness.Msg("elected"))
			harness.Until(t, "the stale leader's session has ended", func() bool { return s.pidGone(pid) })
			s.atBarrier(1)
			end() // it meets the new leader's term while that is at work
			stale.Await(harness.Msg("fenced"))
			stale.Await(harness.Msg("waiting"))
			open()
			harness.ExitAll(t, 0, next, stale)
			s.appliedOnce(3)
			next.NeverSays("presence is gone") // it was there all the time
			if got := s.Psql("select distinct replica from schemagate_history where version in ('0002', '0003')"); got != "next" {
				t.Errorf("0002 and 0003 are %q's, want them the next leader's", got)
			}
		})
	}
}

// A leader asked to end gives the lease back at once, and nobody fails with it.
func TestLeaderEndedBySignal(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, heldAt(2, 3))
			open := s.closeBarrier()
			leader := s.Start("up")
			s.atBarrier(1)
			followers := s.StartMany(2, "up")
			for _, f := range followers {
				f.Await(harness.Msg("waiting"))
			}
			leader.Signal(sig)
			leader.Exits(code)
			s.atBarrier(1)
			open()
			harness.ExitAll(t, 0, followers...)
			s.appliedOnce(3)
			for _, f := range followers {
				f.NeverSays("presence is gone", "failed")
			}
			if got := s.events("failed"); got != "" {
				t.Errorf("%q is recorded as failed", got)
			}
			if got := s.events("interrupted"); got != "0002" {
				t.Errorf("%q is recorded as interrupted, want 0002", got)
			}
		})
	}
}

// Sessions of the leader that somebody ends make nobody fail.
func TestLeadersSessionsAreEnded(t *testing.T) {
	for name, which := range map[string]string{"the migration's": "/migrate", "the presence": "/lease/", "all": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, heldAt(2, 3))
			open := s.closeBarrier()
			leader := s.Start("up")
			s.atBarrier(1)
			follower := s.Start("up")
			follower.Await(harness.Msg("waiting"))
			ended := s.Psql("select string_agg(pid::text, ',') from pg_stat_activity where datname = current_database() " +
				"and application_name like 'schemagate/%" + which + "%' and application_name not like '%/look'")
			if ended == "" {
				t.Fatal("no session to end")
			}
			s.Psql("select pg_terminate_backend(pid) from unnest(array[" + ended + "]) pid")
			harness.Until(t, "they are gone", func() bool {
				return s.Psql("select count(*) from pg_stat_activity where pid in ("+ended+")") == "0"
			})
			s.atBarrier(1)
			open()
			harness.ExitAll(t, 0, leader, follower)
			s.appliedOnce(3)
			if strings.Contains(which, "migrate") && !leader.Said(harness.Msg("interrupted")) {
				t.Errorf("it does not say that it was interrupted: %s", leader)
			}
			if got := s.events("failed"); got != "" {
				t.Errorf("%q is recorded as failed", got)
			}
		})
	}
}

// The server goes down in the middle of a migration and comes back.
func TestServerRestartsInsideAMigration(t *testing.T) {
	for name, bounce := range map[string]func(*servers.PG){
		"fast shutdown": func(pg *servers.PG) { pg.Stop(servers.Fast); pg.Start() },
		"crash":         func(pg *servers.PG) { pg.Kill(); pg.Start() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg := servers.Postgres(t)
			s := stageOn(t, pg.NewDatabase(t), heldAt(2, 3))
			s.closeBarrier() // the server's end opens it
			replicas := s.StartMany(3, "up")
			s.atBarrier(1)
			bounce(pg)
			harness.ExitAll(t, 0, replicas...)
			s.appliedOnce(3)
			if got := s.events("failed"); got != "" {
				t.Errorf("%q is recorded as failed", got)
			}
		})
	}
}

// The server is lost for good in the middle of a migration, and a standby takes its place at the same address.
func TestFailoverInsideAMigration(t *testing.T) {
	t.Parallel()
	primary, standby := servers.Postgres(t), servers.Postgres(t)
	standby.Stop(servers.Fast)
	data := filepath.Join(standby.Dir(), "data")
	for _, cmd := range [][]string{
		{"rm", "-rf", data},
		{"pg_basebackup", "-d", primary.URL(), "-D", data, "-R", "-X", "stream", "-c", "fast"},
		{"chown", "-R", "--reference=" + filepath.Join(primary.Dir(), "data"), data},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	standby.Start()

	proxy := servers.Proxy(t, primary.Addr())
	s := stageOn(t, primary.NewDatabase(t), heldAt(2, 3))
	after := s.at(strings.Replace(s.URL, primary.Addr(), standby.Addr(), 1))
	s.closeBarrier() // the primary's end opens it
	replicas := s.at(proxy.Through(s.URL)).StartMany(3, "up")
	s.atBarrier(1)
	lsn := s.Psql("select pg_current_wal_lsn()")
	harness.Until(t, "the standby has what is committed", func() bool {
		return standby.Exec(t, "select pg_last_wal_replay_lsn() >= '"+lsn+"'") == "t"
	})
	primary.Kill()
	standby.Exec(t, "select pg_promote()")
	proxy.Retarget(standby.Addr())
	harness.ExitAll(t, 0, replicas...)
	after.appliedOnce(3)
	if got := after.events("failed"); got != "" {
		t.Errorf("%q is recorded as failed", got)
	}
}
