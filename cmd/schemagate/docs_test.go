package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/health"
)

var (
	update = flag.Bool("update", false, "write the generated pages of docs/")
	manDir = flag.String("man", "", "write the man pages into this folder, which exists")
)

func page(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, []byte(text)) {
		t.Errorf("docs/%s is not what the code says: make docs", name)
	}
}

// TestPages keeps the pages that are made of the code equal to it.
func TestPages(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nMade from the code. Flags override the environment, the environment overrides defaults; an empty variable counts as unset. " +
		"Secrets have no flag; each has a `_FILE` twin.\n\n| variable | flag | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range config.Fields() {
		name, def := "`--"+f.Flag+"`", ""
		if f.Secret == "text" {
			name = ""
		}
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Variable, name, def, strings.ReplaceAll(f.Desc, "|", "\\|"))
	}
	page(t, "settings.md", b.String())

	b.Reset()
	b.WriteString("# Exit codes\n\nMade from the code.\n\n| code | meaning |\n| --- | --- |\n")
	for _, e := range exits {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.meaning)
	}
	page(t, "exit-codes.md", b.String())
	page(t, "metrics.md", metricsPage(t))
	page(t, "errors.md", errorsPage(t))
}

// metricsPage lists what /metrics of a gate says of which everything is known.
func metricsPage(t *testing.T) string {
	t.Helper()
	g := health.NewGate()
	g.Update(func(s *health.Status) {
		s.Replicas = []health.Replica{{Name: "a", State: "open"}}
		s.Batches = []health.Batch{{Version: "1", Done: 1, Total: 2, State: health.BatchRunning}}
	})
	g.SetApp(true, "")
	server := health.NewServer(g, health.Options{})
	g.ObserveBatch("1", 1)
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || len(families) < 20 {
		t.Fatalf("%d families: %v", len(families), err)
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\nMade from the code: what `GET /metrics` says, for Prometheus. `deploy/grafana/schemagate.json` is a dashboard of it, `deploy/prometheus/alerts.yml` are alert rules.\n" +
		"They last as long as the process: `up` and `wait` end with the gate, so that only a scrape in between sees them.\n\n| name | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(labels, " "), f.GetHelp())
	}
	return b.String()
}

// TestEveryExitCodeIsExplained holds the table of meanings against the codes that errors map to.
func TestEveryExitCodeIsExplained(t *testing.T) {
	known := map[int]bool{}
	for _, e := range exits {
		known[e.code] = true
	}
	for _, c := range codes {
		if !known[c.code] {
			t.Errorf("exit code %d of %v is not in the table", c.code, c.err)
		}
	}
}
