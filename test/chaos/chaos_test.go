package chaos

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// TestChaos runs ten seeds, two at a time, or as many of them as can be begun in two minutes. SCHEMAGATE_TEST_SEEDS asks for so
// many, SCHEMAGATE_TEST_CHAOS for as many as can be begun in that time (12m); SCHEMAGATE_TEST_SEED is the first one, and the only
// one unless more are asked for.
func TestChaos(t *testing.T) {
	first, count, lasting := uint64(1), uint64(10), 2*time.Minute
	read(t, "SCHEMAGATE_TEST_CHAOS", func(v string) (err error) {
		count = math.MaxUint64
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
	t.Run("worker", func(t *testing.T) {
		for i := range 2 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				// A connection that is accepted during a shutdown keeps the server from ending until its first message, which may be
				// held at a fault point, is overdue.
				w := &worker{pg: servers.Postgres(t, servers.MaxConnections(60), servers.Setting("authentication_timeout", "20s"))}
				for seed, ok := take(); ok && !t.Failed(); seed, ok = take() {
					p := newPlan(seed)
					if p.consul && w.consul == nil {
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
		}
	})
	summary := fmt.Sprintf("%d seeds with %d faults, all of them hit; %d seeds not run, because a fault was not reached", ran.Load(), faults.Load(), missed.Load())
	t.Log(summary)
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
			if len(f.point.steps()) == 0 {
				t.Errorf("%v has no steps", f.point)
			}
			drawn[f.point.name]++
			drawn[f.action]++
		}
	}
	for _, list := range [][]string{termPoints, migrationPoints, indexPoints, lastPoints, databaseActions, consulActions, {"before the tables", "overtake"}} {
		for _, name := range list {
			if drawn[name] == 0 {
				t.Errorf("%q is never drawn", name)
			}
		}
	}
}
