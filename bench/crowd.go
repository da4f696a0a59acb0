package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/schemagate/schemagate/test/servers"
)

// slowSet has one migration that sleeps.
func (b *bench) slowSet(seconds float64) string {
	dir := filepath.Join(b.dir, fmt.Sprint("slow", seconds))
	b.must(os.MkdirAll(dir, 0o755))
	b.must(os.WriteFile(filepath.Join(dir, "0001_slow.up.sql"), fmt.Appendf(nil, "create table a (id int);\nselect pg_sleep(%g);\n", seconds), 0o644))
	return dir
}

// takeover measures from the leader's end to the successor's own term.
func (b *bench) takeover() {
	fmt.Fprintf(&b.out, "\n## Takeover: from the leader's end to the next term, database lease, TTL 5 s\n\n| | n | time, s |\n| --- | --- | --- |\n")
	for _, end := range []struct {
		name string
		sig  syscall.Signal
		n    int
	}{{"SIGTERM", syscall.SIGTERM, 5}, {"SIGKILL", syscall.SIGKILL, 5}, {"SIGSTOP (a hang)", syscall.SIGSTOP, 3}} {
		s := &sample{name: end.name}
		for range end.n {
			s.times = append(s.times, b.handOver(end.sig))
		}
		row := strings.Split(s.row(time.Second, s), "|")
		fmt.Fprintf(&b.out, "|%s|%s|%s|\n", row[1], row[2], row[3])
	}
}

func (b *bench) handOver(sig syscall.Signal) time.Duration {
	url, set := b.pg.NewDatabase(b.scope), b.slowSet(1)
	start := func() *exec.Cmd {
		cmd := b.schemagate(url, set, "up", "--lease-ttl=5s")
		for i, kv := range cmd.Env {
			if strings.HasPrefix(kv, "SCHEMAGATE_HTTP_ADDR=") {
				cmd.Env[i] = "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0"
			}
		}
		b.must(cmd.Start())
		return cmd
	}
	term := func() string {
		return strings.TrimSpace(servers.Psql(b.scope, url, "select case when to_regclass('schemagate_fence') is null then '0' else "+
			"(xpath('//t/text()', query_to_xml('select max(term) as t from schemagate_fence', true, true, '')))[1]::text end"))
	}
	until := func(want string) {
		for term() != want {
			<-time.After(2 * time.Millisecond)
		}
	}
	leader := start()
	until("1")
	follower := start()
	// The follower has looked once it waits; its first sleep is over within a fraction of a second.
	<-time.After(500 * time.Millisecond)
	began := time.Now()
	b.must(leader.Process.Signal(sig))
	until("2")
	took := time.Since(began)
	_ = leader.Process.Signal(syscall.SIGCONT) // it may have ended
	_ = leader.Wait()                          // its exit code is not what is measured
	b.must(follower.Wait())
	return took
}

// crowd starts many replicas at once.
func (b *bench) crowd() {
	fmt.Fprintf(&b.out, "\n## Many replicas at once, a migration of 8 s, max_connections=100\n\n"+
		"| replicas | exit 0 | first gate open after complete, s | last, s | most connections after the first second |\n| --- | --- | --- | --- | --- |\n")
	for _, n := range []int{50, 100, 200, 300} {
		b.crowdOf(n)
	}
}

func (b *bench) crowdOf(n int) {
	url, set := b.pg.NewDatabase(b.scope), b.slowSet(8)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var ends []time.Time
	good := 0
	began := time.Now()
	for range n {
		cmd := b.schemagate(url, set, "up")
		for i, kv := range cmd.Env {
			if strings.HasPrefix(kv, "SCHEMAGATE_HTTP_ADDR=") {
				cmd.Env[i] = "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0"
			}
		}
		b.must(cmd.Start())
		wg.Go(func() {
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, time.Now())
			if err == nil {
				good++
			}
		})
	}
	done, most := make(chan struct{}), 0
	go func() { wg.Wait(); close(done) }()
	for alive := true; alive; {
		select {
		case <-done:
			alive = false
		case <-time.After(100 * time.Millisecond):
			var c int
			text := servers.Psql(b.scope, b.pg.URL(), "select count(*) from pg_stat_activity where application_name like 'schemagate/%'")
			if _, err := fmt.Sscan(text, &c); err == nil && time.Since(began) > 4*time.Second {
				most = max(most, c)
			}
		}
	}
	var complete float64
	_, err := fmt.Sscan(servers.Psql(b.scope, url, "select extract(epoch from at) from schemagate_history where kind = 'complete'"), &complete)
	b.must(err)
	first, last := ends[0], ends[len(ends)-1]
	at := time.UnixMicro(int64(complete * 1e6))
	fmt.Fprintf(&b.out, "| %d | %d | %.2f | %.2f | %d |\n", n, good, first.Sub(at).Seconds(), last.Sub(at).Seconds(), most)
}
