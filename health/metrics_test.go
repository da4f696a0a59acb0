package health

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMetrics(t *testing.T) {
	g := NewGate()
	sample(g)
	s := serve(t, g, Options{})
	g.ObserveLook(LookNotYet)
	g.ObserveLook(LookNotYet)
	g.ObserveMigration(MigrationApplied, 2*time.Second)
	g.ObserveBatch("0002", 500)
	g.ObserveBatch("0002", 250)
	g.ObserveTerm()
	check := func(lines ...string) {
		t.Helper()
		resp, body := s.do(t, http.MethodGet, "/metrics", "Accept", "text/plain")
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
			t.Fatalf("%s %v", resp.Status, resp.Header)
		}
		for _, line := range lines {
			missing, absent := strings.CutPrefix(line, "!")
			if found := strings.Contains("\n"+body, "\n"+missing); found == absent {
				t.Errorf("%s in\n%s", line, body)
			}
		}
	}
	check(
		`schemagate_info{database="postgres",release="2026.11",replica="pod-2",service="orders"} 1`,
		"schemagate_gate_open 0\n", "schemagate_ready 0\n", "schemagate_term 41\n", "schemagate_leader 0\n",
		`schemagate_state{state="waiting"} 1`, `schemagate_state{state="open"} 0`, `schemagate_state{state="failed"} 0`,
		"schemagate_migrations_applied 1\n", "schemagate_migrations_pending 1\n", "schemagate_database_reachable 1\n", "!schemagate_app_healthy",
		`schemagate_looks_total{result="not_yet"} 2`, `schemagate_looks_total{result="open"} 0`,
		`schemagate_migration_duration_seconds_bucket{result="applied",le="1"} 0`, `schemagate_migration_duration_seconds_bucket{result="applied",le="5"} 1`,
		`schemagate_migration_duration_seconds_count{result="failed"} 0`,
		`schemagate_batch_rows_total{version="0002"} 750`, `schemagate_batch_rows_done{version="0003"} 1`, `schemagate_batch_rows_expected{version="0003"} 2`,
		`!schemagate_batch_rows_expected{version="0002"}`, `schemagate_batch_running{version="0002"} 1`, `schemagate_batch_running{version="0003"} 0`,
		`schemagate_replicas{state="migrating"} 1`, "schemagate_terms_total 1\n", "schemagate_fenced_total 0\n", "schemagate_wake_waiters 0\n",
		"!go_goroutines",
	)
	g.Update(func(s *Status) { s.State, s.Role, s.Database.Reachable, s.Term = Open, Leader, false, 42 })
	g.SetApp(false, "")
	g.ObserveFenced()
	s.wait(t) // not in a round: over at once
	g.left(t, 0)
	check("schemagate_gate_open 1\n", "schemagate_ready 0\n", "schemagate_app_healthy 0\n", "schemagate_leader 1\n", "schemagate_database_reachable 0\n",
		"schemagate_term 42\n", "schemagate_fenced_total 1\n", `schemagate_state{state="waiting"} 0`, `schemagate_state{state="open"} 1`)
}

func TestMetricsOfOddTexts(t *testing.T) {
	// The library panics on broken UTF-8 and fails a scrape with one series twice.
	g := NewGate()
	s := serve(t, g, Options{})
	bad := "a\xff\"\n\\{}"
	g.Update(func(s *Status) {
		s.Release, s.Service = bad, bad
		s.Replicas = []Replica{{State: bad}, {State: bad + "x"}, {State: ""}}
		s.Batches = []Batch{{Version: bad}, {Version: bad}, {Version: ""}}
	})
	g.ObserveLook(bad)
	g.ObserveMigration(bad, -time.Second)
	g.ObserveBatch(bad, -5)
	if code, body := s.get(t, "/metrics"); code != 200 || !strings.Contains(body, "schemagate_gate_open 0") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := s.get(t, "/status"); code != 200 || !json.Valid([]byte(body)) {
		t.Errorf("%d %s", code, body)
	}
}

func TestNothingIsCountedWithoutAServer(t *testing.T) {
	g := NewGate()
	made := false
	g.metrics = func() *metrics { made = true; return newMetrics(g) }
	g.ObserveLook(LookOpen)
	g.ObserveMigration(MigrationApplied, time.Second)
	g.ObserveTerm()
	if made {
		t.Error("a registry was made that nobody can read")
	}
	NewServer(g, Options{})
	if made {
		t.Error("a registry was made before it was needed")
	}
	g.ObserveLook(LookOpen)
	if !made {
		t.Error("not counted")
	}
}

var (
	named   = regexp.MustCompile(`\bschemagate_[a-z_]+`)
	derived = regexp.MustCompile(`_(bucket|sum|count)$`)
	family  = regexp.MustCompile(`(?m)^# TYPE (\S+) `)
)

// exported lists the metric families of a gate of which everything is known.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	g := NewGate()
	sample(g)
	s := serve(t, g, Options{})
	g.SetApp(true, "")
	g.ObserveBatch("0002", 1)
	_, body := s.get(t, "/metrics")
	known := map[string]bool{}
	for _, m := range family.FindAllStringSubmatch(body, -1) {
		known[m[1]] = true
	}
	return known
}

func TestDashboardAndAlertsNameRealMetrics(t *testing.T) {
	known := exported(t)
	used := map[string]bool{}
	for _, file := range []string{"../deploy/grafana/schemagate.json", "../deploy/prometheus/alerts.yml", "../deploy/prometheus/alerts_test.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s names only %v", file, names)
		}
		for _, name := range names {
			used[name], used[derived.ReplaceAllString(name, "")] = true, true
			if !known[name] && !known[derived.ReplaceAllString(name, "")] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
	for name := range known {
		if !used[name] && name != "schemagate_replicas" { // each replica is a series of its own there
			t.Errorf("%s is on no dashboard and in no alert", name)
		}
	}
}

// TestEveryAlertIsSeenToFireAndToStaySilent holds the rules against their tests, which promtool runs below.
func TestEveryAlertIsSeenToFireAndToStaySilent(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("../deploy/prometheus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := read("alerts_test.yml")
	rules := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read("alerts.yml"), -1)
	if len(rules) < 9 {
		t.Fatalf("only %d rules", len(rules))
	}
	for _, rule := range rules {
		fires := regexp.MustCompile(`alertname: ` + rule[1] + `\n\s+exp_alerts:\n\s+- exp_labels`)
		silent := regexp.MustCompile(`alertname: ` + rule[1] + `, exp_alerts: \[\]`)
		if !fires.MatchString(tests) || !silent.MatchString(tests) {
			t.Errorf("%s: seen to fire %v, to stay silent %v", rule[1], fires.MatchString(tests), silent.MatchString(tests))
		}
	}
}

// queries returns every "expr" in a dashboard, with its variables filled in.
func queries(v any) (found []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if q, ok := e.(string); ok && k == "expr" {
				found = append(found, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*").Replace(q))
			}
			found = append(found, queries(e)...)
		}
	case []any:
		for _, e := range v {
			found = append(found, queries(e)...)
		}
	}
	return found
}

func TestPrometheusAcceptsTheQueries(t *testing.T) {
	text, err := os.ReadFile("../deploy/grafana/schemagate.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard map[string]any
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	qs := queries(dashboard)
	if len(qs) < 15 {
		t.Fatalf("only %d queries", len(qs))
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool on the PATH")
	}
	// JSON is YAML.
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, q := range qs {
		rules = append(rules, rule{Record: "x:" + "q" + strings.Repeat("q", len(rules)), Expr: q})
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	text, err = json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", file},
		{"check", "rules", "../deploy/prometheus/alerts.yml"},
		{"test", "rules", "../deploy/prometheus/alerts_test.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
