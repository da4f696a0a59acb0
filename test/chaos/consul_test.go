package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

func TestConsulUnreachableAtStart(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	proxy.Refuse()
	s := withEffects(t, fresh(t), effects(2, 0), elect(proxy.Addr()))

	short := s.with("SCHEMAGATE_TIMEOUT=2s").Start("up")
	short.Exits(69)
	short.Says(harness.Msg("campaign failed, trying again"), "Consul not reached at "+proxy.Addr())

	r := s.Start("up")
	r.Await(harness.Msg("campaign failed, trying again"))
	proxy.Accept()
	r.Exits(0)
	s.appliedOnce(2)
}

// ledAway waits until the leader no longer renews the lease: it has stopped to believe that it leads.
func (s *stage) ledAway() {
	s.T.Helper()
	harness.Until(s.T, "the lead has ended", func() bool {
		return s.Psql("SELECT clock_timestamp() - renewed_at > interval '"+ttl.String()+"' FROM schemagate_lease") == "t"
	})
}

// Consul goes away while the leader migrates. What the fence protects ends well; nothing new is started.
func TestConsulLostWhileMigrating(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	s := withEffects(t, fresh(t), effects(3, 2), elect(proxy.Addr()))
	open := s.closeBarrier()
	r := s.Start("up")
	pid := s.atBarrier()
	proxy.Refuse()
	proxy.Reset()
	s.ledAway()
	if got := s.Psql("SELECT state FROM pg_stat_activity WHERE pid = " + pid); got != "active" {
		t.Errorf("its statement is %q when its lead has ended, want it to run on", got)
	}
	open()
	r.AwaitN(harness.Msg("applied"), 2)
	r.Await(harness.Msg("campaign failed, trying again"))
	if got := s.Psql("SELECT string_agg(version || ' ' || term, ', ' ORDER BY version) FROM schemagate_history WHERE kind = 'applied'"); got != "0001 1, 0002 1" {
		t.Errorf("in force are %q, want those of the first term and no more", got)
	}
	proxy.Accept()
	r.Exits(0)
	s.appliedOnce(3)
	if got := s.Psql("SELECT term FROM schemagate_history WHERE version = '0003'"); got != "2" {
		t.Errorf("0003 was applied in term %s, want 2", got)
	}
}

// What only the lease protects is stopped with it.
func TestConsulLostWhileACommandRuns(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	s := newStage(t, fresh(t), harness.Files{"0001_a.ts": "a"}, elect(proxy.Addr()))
	command := filepath.Join(t.TempDir(), "migrate")
	pids, again := command+".pids", command+".again"
	script := "#!/bin/sh\necho $$ >> " + pids + "\n[ -e " + again + " ] || exec sleep 600\n"
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r := s.with("SCHEMAGATE_COMMAND=" + command).Start("up")
	read := func() []string { b, _ := os.ReadFile(pids); return strings.Fields(string(b)) }
	harness.Until(t, "the command runs", func() bool { return len(read()) == 1 })
	first := read()[0]
	proxy.Refuse()
	proxy.Reset()
	harness.Until(t, "the command was stopped", func() bool { _, err := os.Stat("/proc/" + first); return os.IsNotExist(err) })
	r.Await(harness.Msg("interrupted"))
	if err := os.WriteFile(again, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.Await(harness.Msg("campaign failed, trying again"))
	if n := len(read()); n != 1 {
		t.Errorf("the command was started %d times without a lead", n-1)
	}
	proxy.Accept()
	r.Exits(0)
	if n := len(read()); n != 2 {
		t.Errorf("the command was started %d times, want 2", n)
	}
}

// A leader that is asked to end gives the lock back, which the next one can have at once: the session asks for no lock delay.
func TestConsulLeaderResigns(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	s := withEffects(t, fresh(t), effects(3, 2), elect(consul.Addr()))
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=first").Start("up")
	first := s.atBarrier()
	sessions, _, err := consul.Client(t).Session().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 1 || sessions[0].LockDelay != 0 {
		t.Errorf("the leader's sessions are %+v, want one without a lock delay", sessions)
	}
	follower := s.with("SCHEMAGATE_REPLICA=second").Start("up")
	follower.Await(harness.Msg("waiting"))
	leader.Signal(syscall.SIGTERM)
	leader.Exits(143)
	harness.Until(t, "the session is gone", func() bool {
		sessions, _, err := consul.Client(t).Session().List(nil)
		return err == nil && (len(sessions) == 0 || sessions[0].ID != "" && strings.HasSuffix(sessions[0].Name, "second"))
	})
	s.atBarrier(first)
	follower.Says(harness.Msg("elected"))
	if follower.Count("presence is gone") > 0 {
		t.Errorf("the lease was not given back: %s", follower)
	}
	open()
	follower.Exits(0)
	s.appliedOnce(3)
}

// A killed holder's lock would last for ten to twenty seconds. The database proves its death sooner.
func TestConsulHolderKilled(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	s := withEffects(t, fresh(t), effects(3, 2), elect(consul.Addr()))
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=first").Start("up")
	first := s.atBarrier()
	follower := s.with("SCHEMAGATE_REPLICA=second").Start("up")
	follower.Await(harness.Msg("waiting"))
	leader.Kill()
	line := follower.Await("presence is gone")
	var said struct {
		Dead   string `json:"dead"`
		Silent int64  `json:"silent_ms"`
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		t.Fatal(err)
	}
	if said.Dead != "first" {
		t.Errorf("%q is dead, want first", said.Dead)
	}
	// Consul's own word would come after ten seconds at the earliest: the shortest TTL that it has.
	if said.Silent >= 10_000 {
		t.Errorf("it was silent for %d ms; that is Consul's time, not the database's", said.Silent)
	}
	s.atBarrier(first)
	open()
	follower.Exits(0)
	s.appliedOnce(3)
}

// The cluster loses its leader, and then its quorum for a while.
func TestConsulClusterLosesServers(t *testing.T) {
	t.Parallel()
	cluster := servers.ConsulCluster(t, 3)
	raft := cluster.AwaitLeader(t)
	var left []*servers.ConsulServer
	for _, n := range cluster.Nodes {
		if n != raft {
			left = append(left, n)
		}
	}
	s := withEffects(t, fresh(t), effects(4, 2), elect(left[0].Addr()))
	open := s.closeBarrier()
	replicas := []*harness.Replica{s.Start("up"), s.with(elect(left[1].Addr())).Start("up")}
	s.atBarrier()
	raft.Kill()
	cluster.AwaitLeader(t)
	left[1].Kill() // one of three is no quorum
	s.ledAway()
	open()
	harness.Until(t, "the migration under way has ended", func() bool {
		return s.Psql("SELECT count(*) FROM schemagate_history WHERE kind = 'applied' AND version = '0002'") == "1"
	})
	left[1].Start()
	raft.Start()
	harness.ExitAll(t, 0, replicas...)
	s.appliedOnce(4)
}
