package main

import (
	"crypto/rand"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// election is one way to elect. Ten seconds is the shortest TTL that Consul has.
type election struct {
	name  string
	ttl   string
	elect func(consul string) string // the setting; consul is an address and a prefix
}

// ending is how a leader is lost.
type ending struct {
	name string
	n    int
	// limit is the aim for the time that it takes.
	limit func(ttl time.Duration) (time.Duration, string)
	do    func(leader *exec.Cmd, ways []*servers.TCPProxy) error
}

// takeover measures from the leader's end to the successor's own term.
func (b *bench) takeover() {
	consul := servers.Consul(b.scope)
	signal := func(sig syscall.Signal) func(*exec.Cmd, []*servers.TCPProxy) error {
		return func(leader *exec.Cmd, _ []*servers.TCPProxy) error { return leader.Process.Signal(sig) }
	}
	b.title("Takeover: from the leader's end to the next term", "Consul frees the lock of a silent leader after up to twice the TTL; ten seconds is its shortest.")
	b.printf("| | election | n | time, s |\n| --- | --- | --- | --- |\n")
	within := func(d time.Duration, aim string) func(time.Duration) (time.Duration, string) {
		return func(time.Duration) (time.Duration, string) { return d, aim }
	}
	afterTTL := func(ttl time.Duration) (time.Duration, string) { return ttl + time.Second, "at most TTL + 1 s" }
	for _, end := range []ending{
		{"SIGTERM", b.n(5, 1), within(200*time.Millisecond, "under 200 ms"), signal(syscall.SIGTERM)},
		{"SIGKILL", b.n(5, 1), within(2*time.Second, "under 2 s"), signal(syscall.SIGKILL)},
		{"SIGSTOP (a hang)", b.n(2, 1), afterTTL, signal(syscall.SIGSTOP)},
		{"cut off", b.n(2, 1), afterTTL, func(_ *exec.Cmd, ways []*servers.TCPProxy) error {
			for _, p := range ways {
				p.Blackhole(servers.Both)
			}
			return nil
		}},
	} {
		var samples []*sample
		var builds []tool
		var elections []election
		for _, e := range []election{
			{"database, TTL 5 s", "5s", func(string) string { return "SCHEMAGATE_ELECTION=database" }},
			{"database, TTL 10 s", "10s", func(string) string { return "SCHEMAGATE_ELECTION=database" }},
			{"Consul, TTL 10 s", "10s", func(consul string) string { return "SCHEMAGATE_ELECTION=consul://" + consul }},
		} {
			for i, t := range b.builds() {
				name := end.name + " | " + e.name
				if i > 0 {
					name += ", " + t.name
				}
				samples, builds, elections = append(samples, &sample{name: name}), append(builds, t), append(elections, e)
			}
		}
		for range end.n {
			for i, e := range elections {
				samples[i].wall = append(samples[i].wall, b.handOver(builds[i], e, end, consul))
			}
		}
		for i, s := range samples {
			b.printf("| %s | %d | %s |\n", s.name, len(s.wall), s.spread(time.Second))
			ttl, err := time.ParseDuration(elections[i].ttl)
			b.must(err)
			limit, aim := end.limit(ttl)
			worst := slices.Max(s.wall)
			b.aim("takeover, "+strings.ReplaceAll(s.name, " |", ","), aim+" (the slowest)", in(time.Second, worst)+" s", worst <= limit)
		}
	}
}

func (b *bench) handOver(t tool, e election, end ending, consul *servers.ConsulServer) time.Duration {
	url, set := b.database(), b.slowSet(30) // it ends when its leader does
	key := strings.ToLower(rand.Text())     // of this round in Consul
	start := func(url, consul string) (*exec.Cmd, *harness.Stream) {
		cmd := t.cmd(url, set)
		cmd.Args = append(cmd.Args, "--lease-ttl="+e.ttl)
		cmd.Env = append(cmd.Env, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_LOG_LEVEL=info", "SCHEMAGATE_LOG_FORMAT=json",
			e.elect(consul+"/bench/"+key))
		said := harness.NewStream()
		cmd.Stderr = said
		b.must(cmd.Start())
		return cmd, said
	}
	ways := []*servers.TCPProxy{servers.Proxy(b.scope, b.pg.Addr()), servers.Proxy(b.scope, consul.Addr())}
	leader, said := start(ways[0].Through(url), ways[1].Addr())
	b.await(said, "term minted")
	follower, said := start(url, consul.Addr())
	b.await(said, "waiting")
	began := time.Now()
	b.must(end.do(leader, ways))
	b.await(said, "term minted")
	took := time.Since(began)
	_ = leader.Process.Kill() // it may have ended; how is not what is measured
	_ = leader.Wait()
	_ = follower.Process.Signal(syscall.SIGTERM)
	_ = follower.Wait()
	b.drop(url) // and what the server has not yet seen the end of
	return took
}

// await returns when a replica has said it.
func (b *bench) await(log *harness.Stream, message string) {
	timeout := time.After(harness.Patience)
	for {
		lines, more := log.Grep(harness.Msg(message))
		if len(lines) > 0 {
			return
		}
		select {
		case <-more:
		case <-timeout:
			b.scope.Fatalf("nobody says %q:\n%s", message, log.Text())
		}
	}
}
