package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

const (
	simTTL      = 15 * time.Second
	simInterval = 500 * time.Millisecond
	simVersions = 6
	// simFaults is how long the world misbehaves; simPatience is how long after it everyone must have finished.
	simFaults   = 90 * time.Second
	simPatience = 20 * time.Minute
)

func simSet() *migrations.Set {
	set := &migrations.Set{Digest: strings.Repeat("d", 64), Format: "native"}
	for i := range simVersions {
		set.Migrations = append(set.Migrations, migrations.Migration{Version: fmt.Sprintf("%04d", i+1), Checksum: fmt.Sprint("sum", i)})
	}
	return set
}

// simulate runs one seed and returns the broken invariants, and the faults that took effect.
func simulate(t *testing.T, seed uint64) (broken []string, hits map[string]int) {
	t.Helper()
	return simulateIn(t, seed, func(*world) {})
}

// simulateIn is simulate in a world that was set up.
func simulateIn(t *testing.T, seed uint64, setUp func(*world)) (broken []string, hits map[string]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld()
		setUp(w)
		start := time.Now()
		quiet := func() bool { return time.Since(start) > simFaults }
		n := 2 + rng.IntN(5)
		nodes := make([]*node, n)
		ends := make(chan string, n)
		ctx, cancel := context.WithCancel(context.Background())
		for i := range nodes {
			nd := &node{w: w, name: fmt.Sprintf("r%d", i), rng: rand.New(rand.NewPCG(seed, uint64(i)+100)), quiet: quiet,
				rate: 0.93 + 0.14*rng.Float64()}
			nodes[i] = nd
			go func() {
				end := nd.name + " crashed"
				defer func() { ends <- end }() // runs as well when a crash ends the goroutine
				time.Sleep(time.Duration(nd.rng.Int64N(int64(2 * time.Second))))
				end = run(ctx, nd, simSet())
			}()
		}
		misbehaved := make(chan struct{})
		go func() {
			defer close(misbehaved)
			misbehave(rng, nodes, quiet)
		}()
		for range nodes {
			select {
			case end := <-ends:
				if end != "" && !strings.HasSuffix(end, " crashed") {
					w.breach("%s", end)
				}
			case <-time.After(simFaults + simPatience):
				w.breach("somebody had not finished %v after the faults had ended", simPatience)
				for _, nd := range nodes {
					nd.mu.Lock()
					nd.dead = true
					nd.mu.Unlock()
				}
			}
		}
		cancel()
		<-misbehaved
		time.Sleep(time.Minute) // renewals of dead leaders run into their end
		broken, hits = w.broken, w.hits
	})
	return broken, hits
}

// run is one replica, with the runner and the elector that the binary uses.
func run(ctx context.Context, nd *node, set *migrations.Set) string {
	db := &simDB{node: nd}
	timing := election.Timing{TTL: time.Duration(float64(simTTL) * nd.rate), Interval: time.Duration(float64(simInterval) * nd.rate)}
	log := zap.NewNop()
	if os.Getenv("SCHEMAGATE_TEST_SEED") != "" { // a replay is watched
		log = zap.Must(zap.NewDevelopment()).With(zap.String("replica", nd.name))
	}
	r := &runner.Runner{
		Database: db, Elector: &lease.Elector{Leases: db, Timing: timing}, Set: set, Campaigns: true, Log: log,
		Candidate: election.Candidate{Replica: nd.name}, Rand: rand.New(rand.NewPCG(nd.rng.Uint64(), 2)),
		Policy: runner.Policy{LockTimeout: time.Second},
	}
	if err := r.Up(ctx); err != nil {
		return fmt.Sprintf("%s failed: %v", nd.name, err)
	}
	nd.w.mu.Lock()
	defer nd.w.mu.Unlock()
	for _, m := range set.Migrations {
		if !nd.w.inForce(m.Version) {
			return fmt.Sprintf("%s opened its gate without %s", nd.name, m.Version)
		}
	}
	return ""
}

// misbehave crashes, pauses and cuts off replicas until the quiet time; one at least survives.
func misbehave(rng *rand.Rand, nodes []*node, quiet func() bool) {
	crashed := 0
	for !quiet() {
		time.Sleep(time.Duration(rng.Int64N(int64(20 * time.Second))))
		nd := nodes[rng.IntN(len(nodes))]
		d := time.Duration(rng.Int64N(int64(3 * simTTL)))
		what := rng.IntN(3)
		fault := ""
		nd.mu.Lock()
		switch {
		case nd.dead:
		case what == 0 && crashed < len(nodes)-1:
			nd.dead = true
			crashed++
			fault = "crash"
		case what == 1:
			nd.paused = time.Now().Add(d)
			fault = "pause"
		case what == 2:
			nd.cut = time.Now().Add(d)
			fault = "cut off"
		}
		nd.mu.Unlock()
		if fault != "" {
			nd.hit(fault)
		}
	}
}

// TestSimulation drives the runner, the election core and the lease elector through seeded faults in fake time.
func TestSimulation(t *testing.T) {
	count := uint64(2000)
	if testing.Short() {
		count = 200
	}
	everySeed(t, count, simulate, "crash", "pause", "cut off", "request lost", "reply lost", "statement ended")
}

// everySeed runs count seeds, and each of the faults must have taken effect in one. SCHEMAGATE_TEST_SEED replays one seed,
// SCHEMAGATE_TEST_SEEDS sets how many are run.
func everySeed(t *testing.T, count uint64, run func(*testing.T, uint64) (broken []string, hits map[string]int), faults ...string) {
	first := uint64(1)
	if s := os.Getenv("SCHEMAGATE_TEST_SEEDS"); s != "" {
		count, _ = strconv.ParseUint(s, 10, 64)
	}
	if s := os.Getenv("SCHEMAGATE_TEST_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		count = 1
	}
	total := map[string]int{}
	for seed := first; seed < first+count; seed++ {
		broken, hits := run(t, seed)
		for k, v := range hits {
			total[k] += v
		}
		if len(broken) > 0 {
			t.Fatalf("seed %d: %s\nreplay: SCHEMAGATE_TEST_SEED=%d go test -run %s ./runner", seed, strings.Join(broken, "\n"), seed, t.Name())
		}
	}
	t.Logf("%d seeds, faults that took effect: %v", count, total)
	for _, fault := range faults {
		if count >= 100 && total[fault] == 0 {
			t.Errorf("no seed met the fault %q: the simulation does not show what it is to show", fault)
		}
	}
}

// TestSimulationSeesAMissingTermCheck takes the term check out of the production code; the simulation must turn red.
func TestSimulationSeesAMissingTermCheck(t *testing.T) {
	out := mutant(t, "TestSimulation", "SCHEMAGATE_TEST_SEEDS=1000", edit{"../database/fence.go", "if t != current {", "if false {"})
	if !strings.Contains(out, "after term") {
		t.Fatalf("the simulation failed, but not for the missing term check:\n%s", out)
	}
}

// edit is a change of production code.
type edit struct{ file, old, new string }

// mutant runs a test of this package against production code with the edits made. The test must fail; mutant returns what it
// printed.
func mutant(t *testing.T, test, env string, edits ...edit) string {
	t.Helper()
	dir := t.TempDir()
	files, overlay := map[string]string{}, map[string]string{}
	for _, e := range edits {
		path, err := filepath.Abs(e.file)
		if err != nil {
			t.Fatal(err)
		}
		if files[path] == "" {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[path] = string(b)
		}
		if !strings.Contains(files[path], e.old) {
			t.Fatalf("what is to be replaced was not found in %s: %s", e.file, e.old)
		}
		files[path] = strings.ReplaceAll(files[path], e.old, e.new)
	}
	for path, text := range files {
		overlay[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(overlay[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-overlay", list, "-run", "^"+test+"$", "-count=1", ".")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("%s still passes:\n%s", test, out)
	}
	return string(out)
}
