package consul_test

import (
	"errors"
	"testing"
	"time"

	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/test/servers"
)

// TestClusterLosesServers: the raft leader is killed while a lead is held, and later the quorum. In between, a rival campaigns all
// the time. A lead may survive a failover or be lost in it; what may not be is that the rival wins while the other is alive.
func TestClusterLosesServers(t *testing.T) {
	t.Parallel()
	cluster := servers.ConsulCluster(t, 3)
	raft := cluster.AwaitLeader(t)
	var left []*servers.ConsulServer
	for _, n := range cluster.Nodes {
		if n != raft {
			left = append(left, n)
		}
	}
	p := newPlace(t, left[0])
	a := p.open(t, p.url(), consul.Options{})
	b := p.open(t, place{server: left[1], prefix: p.prefix}.url(), consul.Options{})
	lead := mustWin(t, a, candidate("a"))

	raft.Kill()
	killed := time.Now()
	survived := func() bool { return lead.Alive() && lead.Deadline().After(killed.Add(10*time.Second)) }
	next := contest(t, b, lead, survived)
	if next == nil {
		t.Log("the lead survived the failover")
		if err := lead.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		next = contest(t, b, lead, func() bool { return false })
	}

	left[0].Kill() // one of three is no quorum
	mustLose(t, next)
	raft.Start()
	left[0].Start()
	cluster.AwaitLeader(t)
	contest(t, a, next, func() bool { return false })
}

// contest campaigns until it wins, or until Consul refuses and enough says that this will do.
func contest(t *testing.T, e *consul.Elector, rival *election.Lead, enough func() bool) *election.Lead {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lead, err := e.Campaign(t.Context(), candidate("rival"), election.Rival{})
		switch {
		case err == nil:
			if rival.Alive() {
				t.Error("two leads are alive")
			}
			t.Cleanup(func() { _ = lead.Resign(t.Context()) }) // its goroutines
			return lead
		case errors.Is(err, election.ErrHeld):
			if enough() {
				return nil
			}
		case !errors.Is(err, consul.ErrUnreachable):
			t.Fatal(err)
		}
		<-tick.C
	}
}
