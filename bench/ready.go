package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// loaded is what wrk said of one address.
type loaded struct {
	name    string
	status  int
	perSec  []float64
	p99     []string
	queries []float64 // transactions of its database while it was asked
}

// ready measures the probes, which load balancers send by the hundred.
func (b *bench) ready() {
	rounds, seconds, idle := b.n(5, 1), b.n(5, 1), b.n(5, 1)
	b.title("/readyz under load", fmt.Sprintf("Load by `wrk -t2 -c50 -d%ds`, on the same two cores. The floor is net/http writing a constant of two bytes. "+
		"Transactions of the replica's database per second are counted by PostgreSQL; a replica watches its schema in the background, asked or not.", seconds))
	constant := exec.Command(b.program("constant"))
	out, err := constant.StdoutPipe()
	b.must(err)
	b.must(constant.Start())
	defer b.stop(constant)
	lines := bufio.NewScanner(out)
	lines.Scan()

	set := b.slowSet(0)
	open, openURL := b.sidecar(set, "sidecar")
	defer b.stop(open.cmd)
	closed, closedURL := b.sidecar(set, "wait") // nobody migrates this one
	defer b.stop(closed.cmd)
	b.probe(open.addr, http.StatusOK)
	b.probe(closed.addr, http.StatusServiceUnavailable)

	loads := []*loaded{{name: "floor: net/http, a constant", status: 200}, {name: "schemagate, gate open", status: 200}, {name: "schemagate, gate closed", status: 503}}
	addresses := []string{"http://" + lines.Text() + "/", "http://" + open.addr + "/readyz", "http://" + closed.addr + "/readyz"}
	databases := []string{"", openURL, closedURL}
	var quiet [3]float64
	for i := 1; i < 3; i++ {
		quiet[i] = b.transactions(databases[i], func() { <-time.After(time.Duration(idle) * time.Second) })
	}
	var contestants []func()
	for i, l := range loads {
		contestants = append(contestants, func() {
			ask := func() { b.wrk(l, addresses[i], seconds) }
			if databases[i] == "" {
				ask()
				return
			}
			l.queries = append(l.queries, b.transactions(databases[i], ask))
		})
	}
	turns(rounds, contestants)
	b.printf("| | status | n | requests/s: min / **median** / max | to the floor | 99th percentile | transactions/s, under load | and not asked |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	floor := median(loads[0].perSec)
	for i, l := range loads {
		lo, hi := l.perSec[0], l.perSec[0]
		for _, v := range l.perSec {
			lo, hi = min(lo, v), max(hi, v)
		}
		watched := "|"
		if i > 0 {
			watched = fmt.Sprintf("%.2f | %.2f", median(l.queries), quiet[i])
		}
		b.printf("| %s | %d | %d | %.0f / **%.0f** / %.0f | %.2f | %s | %s |\n", l.name, l.status, len(l.perSec), lo, median(l.perSec), hi, median(l.perSec)/floor, l.p99[len(l.p99)/2], watched)
		if i > 0 {
			got := median(l.perSec) / floor
			b.aim("/readyz: "+l.name, "at least 80 % of the floor", fmt.Sprintf("%.0f %%", got*100), got >= 0.8)
			// One may fall into the longer of two stretches of time.
			b.aim("/readyz: "+l.name, "no database query", fmt.Sprintf("%.2f transactions/s, not asked %.2f", median(l.queries), quiet[i]), median(l.queries) <= quiet[i]+1)
		}
	}
	p := plot{title: "Answers of /readyz", unit: "per second"}
	for i, l := range loads {
		p.series = append(p.series, series{name: []string{"net/http constant", "gate open", "gate closed"}[i], values: []float64{median(l.perSec)}, ours: i > 0})
	}
	b.plot("ready", p)
}

// served is a replica that answers at an address.
type served struct {
	cmd  *exec.Cmd
	addr string
}

// sidecar starts a replica on a new database.
func (b *bench) sidecar(set, command string) (served, string) {
	url := b.database()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	addr := l.Addr().String()
	b.must(l.Close())
	cmd := b.schemagate(url, set, command)
	cmd.Env = append(cmd.Env, "SCHEMAGATE_HTTP_ADDR="+addr, "SCHEMAGATE_TIMEOUT=0")
	b.must(cmd.Start())
	return served{cmd, addr}, url
}

func (b *bench) stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait() // how does not matter
}

// probe waits until /readyz answers so.
func (b *bench) probe(addr string, status int) {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); <-time.After(50 * time.Millisecond) {
		r, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			continue
		}
		b.must(r.Body.Close())
		if r.StatusCode == status {
			return
		}
	}
	b.scope.Fatalf("/readyz of %s is not %d", addr, status)
}

func (b *bench) wrk(l *loaded, address string, seconds int) {
	out, err := exec.Command("wrk", "-t2", "-c50", fmt.Sprintf("-d%ds", seconds), "--latency", address).CombinedOutput()
	if err != nil {
		b.scope.Fatalf("wrk: %v\n%s", err, out)
	}
	rate := regexp.MustCompile(`Requests/sec:\s+([\d.]+)`).FindSubmatch(out)
	p99 := regexp.MustCompile(`99%\s+(\S+)`).FindSubmatch(out)
	if rate == nil || p99 == nil {
		b.scope.Fatalf("wrk said:\n%s", out)
	}
	v, err := strconv.ParseFloat(string(rate[1]), 64)
	b.must(err)
	l.perSec, l.p99 = append(l.perSec, v), append(l.p99, string(p99[1]))
}

// transactions is how many per second the database had meanwhile, but for the one that asked. Backends report theirs at their end, and idle
// ones after a second.
func (b *bench) transactions(url string, meanwhile func()) float64 {
	count := func() (n int) {
		_, err := fmt.Sscan(b.psql(b.pg.URL(), "select xact_commit + xact_rollback from pg_stat_database where datname = '"+databaseOf(url)+"'"), &n)
		b.must(err)
		return n
	}
	before, began := count(), time.Now()
	meanwhile()
	<-time.After(1100 * time.Millisecond)
	return float64(count()-before) / time.Since(began).Seconds()
}
