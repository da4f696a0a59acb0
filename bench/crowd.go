package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
		cmd.Env = append(cmd.Env, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0")
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
