package health

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadiness(t *testing.T) {
	unwell := func(g *Gate) { g.SetApp(false, "connection\n  refused") }
	well := func(g *Gate) { g.SetApp(true, "") }
	cases := []struct {
		name    string
		do      []func(*Gate)
		ready   bool
		started bool
		body    string // of /readyz
	}{
		{"new", nil, false, false, "waiting"},
		{"open", steps(opened), true, true, "open"},
		{"open with a reason", steps(func(s *Status) { s.State, s.Reason = Open, "adopted" }), true, true, "open"},
		{"waiting for someone", steps(func(s *Status) { s.Reason = "pod-1 leads" }), false, false, "waiting: pod-1 leads"},
		{"migrating", steps(func(s *Status) {
			s.State, s.CurrentMigration = Migrating, &CurrentMigration{Version: "0007", Name: "add_email"}
		}), false, false, "migrating: 0007 add_email"},
		{"failed", steps(func(s *Status) { s.State, s.LastError = Failed, "apply 7:\n column exists" }), false, false, "failed: apply 7: column exists"},
		{"closed again", steps(opened, func(s *Status) { s.State, s.Reason = Closed, "cutover" }), false, true, "closed: cutover"},
		{"app unwell from the start", append([]func(*Gate){unwell}, steps(opened)...), false, false, "open: the app does not answer: connection refused"},
		{"app recovers", append(steps(opened), unwell, well), true, true, "open"},
		{"app well, not open", []func(*Gate){well}, false, false, "waiting"},
		{"draining", append(steps(opened), (*Gate).Drain), false, true, "open: draining"},
		{"draining is for good", append(steps(opened), (*Gate).Drain, well, func(g *Gate) {
			g.Update(func(s *Status) { s.Draining, s.Ready = false, true })
		}), false, true, "open: draining"},
		{"nobody else sets the app's health", append(steps(opened), unwell, func(g *Gate) {
			g.Update(func(s *Status) { s.App.Healthy = true })
		}), false, true, "open: the app does not answer: connection refused"},
		{"unreachable database keeps it open", steps(opened, func(s *Status) {
			s.Database = Database{Reachable: false, Note: "no route to host"}
		}), true, true, "open"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewGate()
			for _, do := range c.do {
				do(g)
			}
			if g.Ready() != c.ready || g.Status().Ready != c.ready {
				t.Errorf("ready %t, in the status %t; want %t", g.Ready(), g.Status().Ready, c.ready)
			}
			if g.Started() != c.started {
				t.Errorf("started %t, want %t", g.Started(), c.started)
			}
			if got := string(g.view.Load().plain.body); got != c.body+"\n" {
				t.Errorf("body %q, want %q", got, c.body)
			}
		})
	}
}

func steps(changes ...func(*Status)) (do []func(*Gate)) {
	for _, c := range changes {
		do = append(do, func(g *Gate) { g.Update(c) })
	}
	return do
}

func TestReasonIsBounded(t *testing.T) {
	g := NewGate()
	g.Update(func(s *Status) { s.State, s.LastError = Failed, strings.Repeat("é", 5000) })
	body := string(g.view.Load().plain.body)
	if len(body) > reasonMax+20 || strings.ToValidUTF8(body, "") != body {
		t.Errorf("body of %d bytes: %.40q", len(body), body)
	}
}

func TestStatusIsACopy(t *testing.T) {
	g := NewGate()
	mine := []Migration{{Version: "1", State: MigrationApplied}}
	current := &CurrentMigration{Version: "2"}
	g.Update(func(s *Status) { s.Migrations, s.CurrentMigration = mine, current })
	mine[0].State, current.Version = "spoilt", "spoilt"
	got := g.Status()
	got.Migrations[0].Version, got.CurrentMigration.Name = "spoilt", "spoilt"
	again := g.Status()
	if again.Migrations[0] != (Migration{Version: "1", State: MigrationApplied}) || *again.CurrentMigration != (CurrentMigration{Version: "2"}) {
		t.Errorf("written through: %+v %+v", again.Migrations, again.CurrentMigration)
	}
}

func TestTimesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		born := g.Status().Since
		later := func(d time.Duration) time.Time { time.Sleep(d); return born.Add(d) }
		check := func(what string, got, want time.Time) {
			t.Helper()
			if !got.Equal(want) {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		second := later(time.Second)
		g.Update(func(s *Status) { s.Applied, s.Since = 3, time.Time{} })
		check("same state", g.Status().Since, born)
		g.Update(func(s *Status) {
			s.State, s.LastError = Failed, "x"
			s.Database = Database{Reachable: true, Note: "answered"}
		})
		check("new state", g.Status().Since, second)
		check("error", g.Status().LastErrorAt, second)
		check("database", g.Status().Database.Since, second)
		time.Sleep(time.Second)
		g.Update(func(s *Status) { s.Database = Database{Reachable: true, Note: "again"} })
		check("still reachable", g.Status().Database.Since, second)
		check("now", g.Status().Now, second.Add(time.Second))
		g.SetApp(true, "")
		g.SetApp(true, "200")
		time.Sleep(time.Second)
		g.SetApp(true, "204")
		check("app", g.Status().App.Since, second.Add(time.Second))
		g.Update(func(s *Status) { s.LastError = "" })
		check("no error", g.Status().LastErrorAt, time.Time{})
	})
}

func TestChanged(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	g := NewGate()
	c := g.Changed()
	g.Update(func(s *Status) { s.State = Waiting })
	if closed(c) {
		t.Error("an update that changed nothing woke somebody")
	}
	g.Update(func(s *Status) { s.Applied = 1 })
	if !closed(c) || closed(g.Changed()) {
		t.Error("a change did not wake, or woke for ever")
	}
	for _, act := range []func(){g.Drain, func() { g.SetApp(true, "") }} {
		c := g.Changed()
		act()
		if !closed(c) {
			t.Error("no wake")
		}
	}
}

func TestComplete(t *testing.T) {
	s := Status{
		Migrations: []Migration{
			{Version: "0001", State: MigrationApplied},
			{Version: "0002", State: MigrationPending},
			{Version: "0003", State: MigrationApplied},
			{Version: "0004", State: MigrationApplied},
			{Version: "20240101120000", State: MigrationApplied},
			{Version: "1.02", State: MigrationApplied},
			{Version: "0", State: MigrationApplied},
			{Version: "ann:7", State: MigrationApplied},
			{Version: "0009", State: MigrationRolledBack},
		},
		Batches: []Batch{{Version: "3", State: BatchRunning}, {Version: "4", State: BatchDone}},
	}
	cases := map[string]bool{
		"0001": true, "1": true, "00000001": true, "01": true,
		"2": false, "0002": false, "3": false, "4": true, "9": false, "8": false,
		"20240101120000": true, "020240101120000": true, "1.2": true, "1.20": false, "0": true, "000": true,
		"ann:7": true, "ann:07": false, "": false, "x": false, "1x": false, "١": false,
	}
	for version, want := range cases {
		if _, got := s.Complete(version); got != want {
			t.Errorf("%q: complete %t, want %t", version, got, want)
		}
	}
}

func TestStatusJSON(t *testing.T) {
	g := NewGate()
	g.Update(func(s *Status) { s.Batches = []Batch{{Version: "1", Rate: math.NaN(), ETAS: math.Inf(1)}} })
	text, err := json.Marshal(g.Status())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"state", "role", "leader", "term", "release", "replica", "applied", "pending", "current_migration", "last_error", "since",
		"service", "database_kind", "database", "digest", "migrations", "replicas", "batches", "ready", "draining", "reason", "now",
	} {
		if _, ok := m[name]; !ok {
			t.Errorf("no %q in %s", name, text)
		}
	}
	for _, name := range []string{"migrations", "replicas", "batches"} {
		if _, ok := m[name].([]any); !ok {
			t.Errorf("%q is no list: %v", name, m[name])
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	g := NewGate()
	NewServer(g, Options{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 200 {
				g.Update(func(s *Status) {
					s.Term++
					s.State = States()[n%len(States())]
					s.Migrations = []Migration{{Version: "1"}}
				})
				g.SetApp(n%3 == 0, "x")
				g.Status().Migrations[0].Version = "2"
				g.Ready()
				g.Dismiss()
				g.ObserveLook(LookOpen)
				_ = g.Changed()
			}
			if i == 0 {
				g.Drain()
			}
		})
	}
	all.Wait()
	if got := g.Status().Term; got != 800 {
		t.Errorf("term %d: updates were lost", got)
	}
	if g.Ready() {
		t.Error("ready after draining")
	}
}
