package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// Cluster is a Consul cluster: one server each on 127.0.0.1, 127.0.0.2 and so on, all at the same ports. Its data
// survives the restart of a server.
type Cluster struct {
	Nodes []*ConsulServer
	tb    TB
}

// ConsulCluster starts n servers and returns when they have elected a leader.
func ConsulCluster(tb TB, n int, opts ...ConsulOption) *Cluster {
	tb.Helper()
	cluster := &Cluster{tb: tb}
	hosts := make([]string, n)
	for i := range n {
		hosts[i] = fmt.Sprintf("127.0.0.%d", i+1)
		node := newConsul(tb, fmt.Sprintf("consul-%d", i+1), opts...)
		node.host = hosts[i]
		// A node alone has no leader to ask: it is up when it answers for itself. AwaitLeader asks for more.
		node.probe = node.alive
		cluster.Nodes = append(cluster.Nodes, node)
	}
	if err := cluster.open(hosts); err != nil {
		tb.Fatalf("start the cluster: %v\n%s", err, cluster.logTails())
	}
	cluster.AwaitLeader(tb)
	return cluster
}

func (c *Cluster) open(hosts []string) error {
	var err error
	for range 5 {
		first := c.Nodes[0]
		if err = first.reserve(3, hosts); err != nil {
			return err
		}
		var join []string
		for _, h := range hosts {
			join = append(join, net.JoinHostPort(h, first.ports[2].String()))
		}
		errs := make([]error, len(c.Nodes))
		var wg sync.WaitGroup
		for i, node := range c.Nodes {
			node.ports, node.join = first.ports, join
			wg.Go(func() { errs[i] = node.start() })
		}
		wg.Wait()
		if err = errors.Join(errs...); err == nil || !portTaken.MatchString(c.logTails()) {
			return err
		}
		for _, node := range c.Nodes {
			err = errors.Join(err, node.kill())
		}
	}
	return err
}

func (c *Cluster) logTails() string {
	var b strings.Builder
	for _, n := range c.Nodes {
		b.WriteString(n.logTail())
	}
	return b.String()
}

// alive asks the agent itself, without the rest of the cluster.
func (c *ConsulServer) alive(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		_, _, err := client.KV().Get("alive", (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
		return err
	})
}

// leader is whom the running nodes follow; nil while there is none.
func (c *Cluster) leader() *ConsulServer {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var leader *ConsulServer
	for _, node := range c.Nodes {
		if node.Pid() == 0 {
			continue
		}
		err := node.ask(func(client *api.Client) error {
			addr, err := client.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
			if err != nil {
				return err
			}
			for _, n := range c.Nodes {
				if n.Pid() != 0 && addr == net.JoinHostPort(n.host, n.ports[1].String()) {
					leader = n
				}
			}
			return nil
		})
		if err == nil && leader != nil && leader.ready(ctx) == nil {
			return leader
		}
		leader = nil
	}
	return nil
}

// AwaitLeader waits until the cluster answers consistent reads and returns its leader.
func (c *Cluster) AwaitLeader(tb TB) *ConsulServer {
	tb.Helper()
	deadline := time.NewTimer(stopTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if l := c.leader(); l != nil {
			return l
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("the cluster has no leader after %s\n%s", stopTimeout, c.logTails())
		}
	}
}

// URL is the address of one server that is running.
func (c *Cluster) URL() string {
	for _, n := range c.Nodes {
		if n.Pid() != 0 {
			return n.URL()
		}
	}
	return c.Nodes[0].URL()
}
