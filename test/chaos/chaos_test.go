package chaos

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// TestChaos runs seeds, two at a time, for as long as SCHEMAGATE_TEST_CHAOS says (2m), or as many as SCHEMAGATE_TEST_SEEDS says;
// SCHEMAGATE_TEST_SEED is the first one, and the only one unless more are asked for.
func TestChaos(t *testing.T) {
	first, count, lasting := uint64(1), uint64(0), 2*time.Minute
	read(t, "SCHEMAGATE_TEST_CHAOS", func(v string) (err error) { lasting, err = time.ParseDuration(v); return err })
	read(t, "SCHEMAGATE_TEST_SEEDS", func(v string) (err error) { count, err = strconv.ParseUint(v, 10, 64); return err })
	read(t, "SCHEMAGATE_TEST_SEED", func(v string) (err error) {
		count = max(count, 1)
		first, err = strconv.ParseUint(v, 10, 64)
		return err
	})
	var next, ran, missed, faults atomic.Uint64
	until := time.Now().Add(lasting)
	if d, ok := t.Deadline(); ok && until.After(d.Add(-2*harness.Patience)) && count == 0 {
		until = d.Add(-2 * harness.Patience)
	}
	take := func() (uint64, bool) {
		n := next.Add(1) - 1
		return first + n, n < count || count == 0 && time.Now().Before(until)
	}
	t.Run("worker", func(t *testing.T) {
		for i := range 2 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				w := &worker{pg: servers.Postgres(t, servers.MaxConnections(60))}
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
		for _, f := range p.faults {
			if len(f.point.steps()) == 0 {
				t.Errorf("%v has no steps", f.point)
			}
			drawn[f.point.name]++
			drawn[f.action]++
		}
	}
	for _, list := range [][]string{termPoints, migrationPoints, indexPoints, lastPoints, databaseActions, consulActions, {"before the tables"}} {
		for _, name := range list {
			if drawn[name] == 0 {
				t.Errorf("%q is never drawn", name)
			}
		}
	}
}
