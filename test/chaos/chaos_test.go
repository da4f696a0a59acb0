package chaos

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// enough is how many seeds CI should have the time for.
const enough = 50

// TestChaos runs six seeds, or as many of them as can be begun in two minutes. SCHEMAGATE_TEST_SEEDS asks for so many,
// SCHEMAGATE_TEST_CHAOS for as many as can be begun in that time (12m); SCHEMAGATE_TEST_SEED is the first one, and the only one
// unless more are asked for. SCHEMAGATE_TEST_WORKERS is how many run at a time: most of a seed's time is waiting.
func TestChaos(t *testing.T) {
	first, count, lasting, workers := uint64(1), uint64(6), 2*time.Minute, uint64(runtime.NumCPU())
	timed := false
	read(t, "SCHEMAGATE_TEST_WORKERS", func(v string) (err error) {
		workers, err = strconv.ParseUint(v, 10, 64)
		return err
	})
	read(t, "SCHEMAGATE_TEST_CHAOS", func(v string) (err error) {
		count, timed = math.MaxUint64, true
		lasting, err = time.ParseDuration(v)
		return err
	})
	read(t, "SCHEMAGATE_TEST_SEED", func(v string) (err error) {
		count = 1
		first, err = strconv.ParseUint(v, 10, 64)
		return err
	})
	read(t, "SCHEMAGATE_TEST_SEEDS", func(v string) (err error) {
		lasting = math.MaxInt64
		count, err = strconv.ParseUint(v, 10, 64)
		return err
	})
	var next, ran, missed, faults atomic.Uint64
	began := time.Now()
	if d, ok := t.Deadline(); ok && lasting != math.MaxInt64 {
		lasting = min(lasting, time.Until(d)-2*harness.Patience)
	}
	take := func() (uint64, bool) {
		n := next.Add(1) - 1
		return first + n, n < count && time.Since(began) < lasting
	}
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			t.Run(fmt.Sprintf("worker=%d", i), func(t *testing.T) {
				// A connection that is accepted during a shutdown keeps the server from ending until its first message, which may be
				// held at a fault point, is overdue.
				w := &worker{pg: servers.Postgres(t, servers.MaxConnections(60), servers.Disk(256<<20), servers.Setting("authentication_timeout", "20s"))}
				for seed, ok := take(); ok && !t.Failed(); seed, ok = take() {
					p := newPlan(seed)
					switch {
					case p.cluster && w.cluster == nil:
						w.cluster = servers.ConsulCluster(t, 3)
					case p.consul && !p.cluster && w.consul == nil:
						w.consul = servers.Consul(t)
					}
					t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
						if reason := w.run(t, p); reason != "" {
							t.Logf("%v: not run: %s", p, reason)
							missed.Add(1)
							return
						}
						ran.Add(1)
						faults.Add(uint64(len(p.faults)))
					})
				}
			})
		})
	}
	running.Wait()
	summary := fmt.Sprintf("%d seeds with %d faults, all of them hit, in %s; %d seeds not run, because a fault was not reached or can't be had here",
		ran.Load(), faults.Load(), time.Since(began).Round(time.Second), missed.Load())
	t.Log(summary)
	if timed && ran.Load() < enough {
		t.Logf("note: fewer than %d seeds in the time given, on %d cores", enough, runtime.NumCPU())
	}
	if ran.Load() == 0 && !t.Failed() && count != 1 {
		t.Errorf("nothing was shown: %s", summary)
	}
}

func read(t *testing.T, name string, parse func(string) error) {
	t.Helper()
	if v := os.Getenv(name); v != "" {
		if err := parse(v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// A plan names every point and action that it may draw, so that a misspelt one does not wait for the seed that draws it.
func TestPlans(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(2000) {
		p := newPlan(seed)
		for i, f := range p.faults {
			if f.action == "overtake" && (i+1 == len(p.faults) || p.faults[i+1].point.name != "after minting") {
				t.Errorf("seed %d: nobody overtakes", seed)
			}
			if f.action == "disk full" && !f.point.needsRoom() && f.point.name != "after minting" {
				t.Errorf("seed %d: nobody needs the room at %v", seed, f)
			}
			if len(f.point.steps()) == 0 {
				t.Errorf("%v has no steps", f.point)
			}
			drawn[f.point.name]++
			drawn[f.action]++
		}
	}
	for _, list := range [][]string{termPoints, migrationPoints, indexPoints, lastPoints, databaseActions, consulActions, clusterActions, {"before the tables", "overtake"}} {
		for _, name := range list {
			if drawn[name] == 0 {
				t.Errorf("%q is never drawn", name)
			}
		}
	}
}
