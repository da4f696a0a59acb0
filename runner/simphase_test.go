package runner_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
)

// The protocol simulation: replicas of an old and of a new release come and go behind one database, and the new release has a
// contract migration that the old one can't live with. When it commits, no replica of the old release may be open that the
// database has heard of within its time.

const (
	heardOf = 15 * time.Second // as runner.replicaTTL
	oldEnds = "0002"
)

func release(digest string, contract bool, versions ...string) *migrations.Set {
	set := &migrations.Set{Digest: strings.Repeat(digest, 64)}
	for i, v := range versions {
		m := migrations.Migration{Version: v, Checksum: "sum" + v}
		if contract && i == len(versions)-1 {
			m.Phase, m.After = migrations.Contract, versions[i-1]
		}
		set.Migrations = append(set.Migrations, m)
	}
	return set
}

var (
	oldRelease = release("a", false, "0001", oldEnds)
	newRelease = release("b", true, "0001", oldEnds, "0003", "0004")
)

type phaseNode struct{ *node }

// Observe is the gate as the world sees it.
func (p phaseNode) Observe(n runner.Snapshot) {
	p.mu.Lock()
	unheard := time.Until(p.cut) > 0
	p.mu.Unlock()
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.open && !n.Open && unheard {
		p.w.breach("%s closed its gate without an answer of the database", p.name)
	}
	p.open = n.Open
}

// live is one replica's time: up, then watching until ctx ends.
func (p phaseNode) live(ctx context.Context, set *migrations.Set) {
	defer func() {
		p.w.mu.Lock()
		p.open = false
		p.w.mu.Unlock()
	}()
	log := zap.NewNop()
	if os.Getenv("SCHEMAGATE_TEST_SEED") != "" { // a replay is watched
		log = zap.Must(zap.NewDevelopment()).With(zap.String("replica", p.name))
	}
	build := func(census bool) *runner.Runner {
		db := &simDB{node: p.node, census: census}
		timing := election.Timing{TTL: time.Duration(float64(simTTL) * p.rate), Interval: time.Duration(float64(simInterval) * p.rate)}
		return &runner.Runner{Database: db, Elector: &lease.Elector{Leases: db, Timing: timing}, Set: set, Campaigns: true, Log: log,
			Candidate: election.Candidate{Replica: p.name, Release: set.Digest[:1]}, Rand: rand.New(rand.NewPCG(p.rng.Uint64(), 3)),
			Policy: runner.Policy{LockTimeout: time.Second}, Timeout: time.Hour}
	}
	r := build(false)
	r.Stays, r.Observer = true, p
	r.Beside = func() (*runner.Runner, error) { return build(true), nil }
	if r.Up(ctx) != nil {
		return
	}
	r.Watch(ctx)
	r.Deregister(ctx)
}

// phases runs one seed and returns the broken invariants and the faults that took effect.
func phases(t *testing.T, seed uint64) (broken []string, hits map[string]int) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 7))
		w := newWorld()
		w.server, w.asked = "one", make(chan struct{})
		start := time.Now()
		quiet := func() bool { return time.Since(start) > 3*simFaults }
		contracted := make(chan struct{})
		var nodes []*node // under w.mu
		w.committed = func(e database.Event) {
			if e.Kind != database.Applied || e.Version != "0004" {
				return
			}
			close(contracted)
			for _, nd := range nodes {
				if nd.set == oldRelease.Digest && nd.open && nd.looked && (nd.beat.IsZero() || time.Since(nd.beat) < heardOf) {
					w.breach("the contract was committed while %s of the old release was open, heard of %v before", nd.name, time.Since(nd.beat))
				}
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ended := make(chan struct{})
		slots := 2 + rng.IntN(4)
		for i := range slots {
			slot := rand.New(rand.NewPCG(seed, uint64(i)+50))
			go func() {
				defer func() { ended <- struct{}{} }()
				asked := false
				for n := 0; ctx.Err() == nil; n++ {
					set := newRelease
					if !quiet() && (i == 0 && n == 0 || asked) {
						set = oldRelease
					}
					nd := &node{w: w, name: fmt.Sprintf("r%d.%d.%s", i, n, set.Digest[:1]), set: set.Digest, rng: rand.New(rand.NewPCG(seed, uint64(i*100+n)+1000)),
						quiet: quiet, rate: 0.93 + 0.14*slot.Float64()}
					w.mu.Lock()
					nodes = append(nodes, nd)
					w.mu.Unlock()
					life, stop := context.WithCancel(ctx)
					span := time.Duration(slot.Int64N(int64(simFaults)))
					if set == oldRelease {
						span /= 3
					}
					if n == 0 && i == 0 {
						span += simTTL // the old release gets its set applied
					}
					timer := time.AfterFunc(span, func() {
						switch {
						case quiet() && set == newRelease:
						case slot.IntN(3) == 0:
							nd.hit("crash")
							nd.mu.Lock()
							nd.dead = true
							nd.mu.Unlock()
							w.mu.Lock()
							nd.open = false
							w.mu.Unlock()
						default:
							stop()
						}
					})
					lived := make(chan struct{})
					go func() { // a crash ends the goroutine
						defer close(lived)
						phaseNode{nd}.live(life, set)
					}()
					<-lived
					timer.Stop()
					stop()
					select {
					case <-time.After(time.Duration(slot.Int64N(int64(simFaults)))):
						asked = slot.IntN(4) == 0
					case <-w.asked:
						asked = true
						time.Sleep(time.Duration(slot.Int64N(int64(20 * time.Millisecond))))
					case <-ctx.Done():
					}
				}
			}()
		}
		misbehaved := make(chan struct{})
		go func() {
			defer close(misbehaved)
			for !quiet() {
				select {
				case <-time.After(time.Duration(rng.Int64N(int64(15 * time.Second)))):
				case <-w.asked:
					time.Sleep(time.Duration(rng.Int64N(int64(20 * time.Millisecond))))
				}
				w.mu.Lock()
				all := append([]*node(nil), nodes...)
				w.mu.Unlock()
				d := time.Duration(rng.Int64N(int64(2 * simTTL)))
				switch rng.IntN(3) {
				case 0: // a failover loses rows that had not reached the successor
					w.mu.Lock()
					w.server += "'"
					for id := range w.replicas {
						if rng.IntN(2) == 0 {
							delete(w.replicas, id)
						}
					}
					w.hits["failover"]++
					w.mu.Unlock()
				case 1: // an outage for all
					for _, nd := range all {
						nd.mu.Lock()
						nd.cut = time.Now().Add(d)
						nd.mu.Unlock()
					}
					all[0].hit("outage")
				case 2:
					nd := all[len(all)-1-rng.IntN(min(len(all), slots))]
					nd.mu.Lock()
					nd.paused = time.Now().Add(d)
					nd.mu.Unlock()
					nd.hit("pause")
				}
			}
		}()
		select {
		case <-contracted:
		case <-time.After(3*simFaults + simPatience):
			w.mu.Lock()
			w.breach("the contract had not been applied %v after the old release was gone", simPatience)
			w.mu.Unlock()
		}
		time.Sleep(simTTL) // who is open now?
		<-misbehaved
		cancel()
		for range slots {
			<-ended
		}
		time.Sleep(time.Minute) // renewals of dead leaders run into their end
		broken, hits = w.broken, w.hits
	})
	return broken, hits
}

// TestPhases drives the protocol of registry, floor and contract.
func TestPhases(t *testing.T) {
	everySeed(t, 200, phases, "crash", "pause", "failover", "outage", "request lost", "reply lost")
}

// TestPhasesSeeWrongOrders: each step of the protocol, left out or moved, must turn the simulation red.
func TestPhasesSeeWrongOrders(t *testing.T) {
	for name, changes := range map[string][]edit{
		"open, then register": {{"follow.go", "if r.goal.open && r.Stays && r.registered.IsZero() {", "if false {"}, {"follow.go", "if r.onRecord(v) {", "if true {"}},
		"read the registry, then raise the floor": {{"contract.go", "Step{Kind: StepCensus, Event: raised}, Step{Kind: StepApply, Changes: []database.Change{c}}",
			"Step{Kind: StepApply, Changes: []database.Change{c}}"}},
		"contract without a floor":              {{"contract.go", "if floor != need {", "if false {"}},
		"silence is proof":                      {{"registry.go", "v.last.Sub(b.since) >= replicaTTL", "true"}},
		"a row that is not there is proof":      {{"registry.go", "v.last.Sub(v.began) >= replicaTTL", "true"}},
		"a gap in the readings does not matter": {{"registry.go", " || at.Sub(v.last) > replicaTTL/2", ""}},
		"another server's readings are as good": {{"registry.go", "reg.Server != v.server || ", ""}, {"contract.go", "if reg.Server != seen.server {", "if false {"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := mutant(t, "TestPhases", "SCHEMAGATE_TEST_SEEDS=20000", changes...)
			if !strings.Contains(out, "the contract was committed while") {
				t.Fatalf("the simulation failed, but not for a release that does not fit:\n%s", out)
			}
		})
	}
}
