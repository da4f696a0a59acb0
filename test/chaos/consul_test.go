package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/servers"
)

func TestConsulUnreachableAtStart(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	proxy.Refuse()
	s := withEffects(t, fresh(t), effects(2, 0), elect(proxy.Addr()))

	short := s.with("SCHEMAGATE_TIMEOUT=2s").up()
	short.exits(69)
	short.says(msg("campaign failed, trying again"), "Consul not reached at "+proxy.Addr())

	r := s.up()
	r.await(msg("campaign failed, trying again"))
	proxy.Accept()
	r.exits(0)
	s.appliedOnce(2)
}

// ledAway waits until the leader no longer renews the lease: it has stopped to believe that it leads.
func (s *stage) ledAway() {
	s.t.Helper()
	until(s.t, "the lead has ended", func() bool {
		return s.psql("SELECT clock_timestamp() - renewed_at > interval '"+ttl.String()+"' FROM schemagate_lease") == "t"
	})
}

// Consul goes away while the leader migrates. What the fence protects ends well; nothing new is started.
func TestConsulLostWhileMigrating(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	s := withEffects(t, fresh(t), effects(3, 2), elect(proxy.Addr()))
	open := s.closeBarrier()
	r := s.up()
	pid := s.atBarrier()
	proxy.Refuse()
	proxy.Reset()
	s.ledAway()
	if got := s.psql("SELECT state FROM pg_stat_activity WHERE pid = " + pid); got != "active" {
		t.Errorf("its statement is %q when its lead has ended, want it to run on", got)
	}
	open()
	r.awaitN(msg("applied"), 2)
	r.await(msg("campaign failed, trying again"))
	if got := s.psql("SELECT string_agg(version || ' ' || term, ', ' ORDER BY version) FROM schemagate_history WHERE kind = 'applied'"); got != "0001 1, 0002 1" {
		t.Errorf("in force are %q, want those of the first term and no more", got)
	}
	proxy.Accept()
	r.exits(0)
	s.appliedOnce(3)
	if got := s.psql("SELECT term FROM schemagate_history WHERE version = '0003'"); got != "2" {
		t.Errorf("0003 was applied in term %s, want 2", got)
	}
}

// What only the lease protects is stopped with it.
func TestConsulLostWhileACommandRuns(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	proxy := servers.Proxy(t, consul.Addr())
	s := newStage(t, fresh(t), files{"0001_a.ts": "a"}, elect(proxy.Addr()))
	command := filepath.Join(t.TempDir(), "migrate")
	pids, again := command+".pids", command+".again"
	script := "#!/bin/sh\necho $$ >> " + pids + "\n[ -e " + again + " ] || exec sleep 600\n"
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r := s.with("SCHEMAGATE_COMMAND=" + command).up()
	read := func() []string { b, _ := os.ReadFile(pids); return strings.Fields(string(b)) }
	until(t, "the command runs", func() bool { return len(read()) == 1 })
	first := read()[0]
	proxy.Refuse()
	proxy.Reset()
	until(t, "the command was stopped", func() bool { _, err := os.Stat("/proc/" + first); return os.IsNotExist(err) })
	r.await(msg("interrupted"))
	if err := os.WriteFile(again, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.await(msg("campaign failed, trying again"))
	if n := len(read()); n != 1 {
		t.Errorf("the command was started %d times without a lead", n-1)
	}
	proxy.Accept()
	r.exits(0)
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
	leader := s.with("SCHEMAGATE_REPLICA=first").up()
	first := s.atBarrier()
	sessions, _, err := consul.Client(t).Session().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 1 || sessions[0].LockDelay != 0 {
		t.Errorf("the leader's sessions are %+v, want one without a lock delay", sessions)
	}
	follower := s.with("SCHEMAGATE_REPLICA=second").up()
	follower.await(msg("waiting"))
	leader.signal(syscall.SIGTERM)
	leader.exits(143)
	until(t, "the session is gone", func() bool {
		sessions, _, err := consul.Client(t).Session().List(nil)
		return err == nil && (len(sessions) == 0 || sessions[0].ID != "" && strings.HasSuffix(sessions[0].Name, "second"))
	})
	s.atBarrier(first)
	follower.says(msg("elected"))
	if follower.said("presence is gone") > 0 {
		t.Errorf("the lease was not given back: %s", follower)
	}
	open()
	follower.exits(0)
	s.appliedOnce(3)
}

// A killed holder's lock would last for ten to twenty seconds. The database proves its death sooner.
func TestConsulHolderKilled(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t)
	s := withEffects(t, fresh(t), effects(3, 2), elect(consul.Addr()))
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=first").up()
	first := s.atBarrier()
	follower := s.with("SCHEMAGATE_REPLICA=second").up()
	follower.await(msg("waiting"))
	leader.kill()
	line := follower.await("presence is gone")
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
	follower.exits(0)
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
	replicas := []*replica{s.up(), s.with(elect(left[1].Addr())).up()}
	s.atBarrier()
	raft.Kill()
	cluster.AwaitLeader(t)
	left[1].Kill() // one of three is no quorum
	s.ledAway()
	open()
	until(t, "the migration under way has ended", func() bool {
		return s.psql("SELECT count(*) FROM schemagate_history WHERE kind = 'applied' AND version = '0002'") == "1"
	})
	left[1].Start()
	raft.Start()
	exitAll(0, replicas...)
	s.appliedOnce(4)
}
