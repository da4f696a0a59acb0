package health

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What a look can find.
const (
	LookOpen        = "open"
	LookNotYet      = "not_yet"
	LookUnreachable = "unreachable"
)

// durationBuckets reach from an added column to a night's index build, in seconds.
var durationBuckets = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600}

// metrics holds what has to be counted as it happens; what the status says is read
// from it at the scrape.
type metrics struct {
	looks     *prometheus.CounterVec
	durations *prometheus.HistogramVec
	rows      *prometheus.CounterVec
	terms     prometheus.Counter
	fenced    prometheus.Counter
	handler   http.Handler
}

func newMetrics(g *Gate) *metrics {
	m := &metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schemagate_looks_total", Help: "Looks at the schema, by what they found.",
		}, []string{"result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "schemagate_migration_duration_seconds", Help: "How long migrations run by this replica took, by result.",
			Buckets: durationBuckets,
		}, []string{"result"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schemagate_batch_rows_total", Help: "Rows that this replica worked through in batched data migrations.",
		}, []string{"version"}),
		terms: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schemagate_terms_total", Help: "Terms that this replica began as leader.",
		}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schemagate_fenced_total", Help: "Terms that this replica lost to a newer one while it led.",
		}),
	}
	// A series that appears with its first event has no increase to alert on.
	for _, r := range []string{LookOpen, LookNotYet, LookUnreachable} {
		m.looks.WithLabelValues(r)
	}
	for _, r := range []string{MigrationApplied, MigrationFailed, MigrationInterrupted} {
		m.durations.WithLabelValues(r)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(m.looks, m.durations, m.rows, m.terms, m.fenced, &statusCollector{g})
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

// observe counts only where somebody can read it, so that a run without HTTP makes
// no registry.
func (g *Gate) observe(f func(*metrics)) {
	if g.observed.Load() {
		f(g.metrics())
	}
}

// ObserveLook counts a look: LookOpen, LookNotYet or LookUnreachable. Like every
// Observe, it does nothing before the gate has a Server.
func (g *Gate) ObserveLook(result string) {
	g.observe(func(m *metrics) { m.looks.WithLabelValues(label(result)).Inc() })
}

// ObserveMigration records a finished migration: applied, failed, interrupted or
// rolled_back.
func (g *Gate) ObserveMigration(result string, took time.Duration) {
	g.observe(func(m *metrics) { m.durations.WithLabelValues(label(result)).Observe(took.Seconds()) })
}

// ObserveBatch counts the rows of one batch.
func (g *Gate) ObserveBatch(version string, rows int64) {
	g.observe(func(m *metrics) { m.rows.WithLabelValues(label(version)).Add(float64(max(rows, 0))) })
}

// ObserveTerm counts a term that this replica begins as leader.
func (g *Gate) ObserveTerm() { g.observe(func(m *metrics) { m.terms.Inc() }) }

// ObserveFenced counts a term lost to a newer one.
func (g *Gate) ObserveFenced() { g.observe(func(m *metrics) { m.fenced.Inc() }) }

// statusCollector turns the status into gauges when it is scraped.
type statusCollector struct{ gate *Gate }

// Describe sends nothing: the collector is unchecked, since what it collects depends
// on the status (batches, the app).
func (c *statusCollector) Describe(chan<- *prometheus.Desc) {}

func (c *statusCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.gate.Status()
	gauge := func(name, help string, v float64) { c.gauge(ch, name, help, v, nil) }
	c.gauge(ch, "info", "Constant 1; who this is.", 1, prometheus.Labels{
		"service": s.Service, "release": s.Release, "replica": s.Replica, "database": s.DatabaseKind,
	})
	gauge("gate_open", "1 when the state is open.", truth(s.State == Open))
	gauge("ready", "1 when /readyz answers 200: open, the app answers, not draining.", truth(s.Ready))
	for _, st := range States() {
		c.gauge(ch, "state", "1 for the state that the gate is in, 0 for the others.",
			truth(s.State == st), prometheus.Labels{"state": string(st)})
	}
	gauge("state_since_timestamp_seconds", "When the gate entered its state.", float64(s.Since.UnixMilli())/1000)
	gauge("term", "The newest term that this replica knows of.", float64(s.Term))
	gauge("leader", "1 when this replica leads.", truth(s.Role == Leader))
	gauge("migrations_applied", "Migrations of this release's set that are applied.", float64(s.Applied))
	gauge("migrations_pending", "Migrations of this release's set that are not applied yet.", float64(s.Pending))
	gauge("database_reachable", "1 when the database answered last time.", truth(s.Database.Reachable))
	if s.App != nil {
		gauge("app_healthy", "1 when the app answered last time; absent where nobody asks it.", truth(s.App.Healthy))
	}
	gauge("draining", "1 once the process is about to end.", truth(s.Draining))
	gauge("wake_waiters", "Followers that wait for a word from this replica now.", float64(c.gate.waiters.Load()))
	c.replicas(ch, s.Replicas)
	c.batches(ch, s.Batches)
}

func (c *statusCollector) replicas(ch chan<- prometheus.Metric, list []Replica) {
	count := map[string]int{}
	for _, r := range list {
		count[label(r.State)]++
	}
	for state, n := range count {
		c.gauge(ch, "replicas", "Live replicas in the registry, by state.", float64(n), prometheus.Labels{"state": state})
	}
}

func (c *statusCollector) batches(ch chan<- prometheus.Metric, list []Batch) {
	seen := map[string]bool{} // two series of one name would fail the whole scrape
	for _, b := range list {
		version := label(b.Version)
		if seen[version] {
			continue
		}
		seen[version] = true
		l := prometheus.Labels{"version": version}
		c.gauge(ch, "batch_rows_done", "Rows done of a batched data migration, by all replicas.", float64(b.Done), l)
		if b.Total >= 0 {
			c.gauge(ch, "batch_rows_expected", "Rows of a batched data migration in all; absent where unknown.", float64(b.Total), l)
		}
		c.gauge(ch, "batch_running", "1 while a batched data migration makes progress; 0 when paused, throttled or over.",
			truth(b.State == BatchRunning), l)
	}
}

func (*statusCollector) gauge(ch chan<- prometheus.Metric, name, help string, v float64, labels prometheus.Labels) {
	for k, text := range labels {
		labels[k] = label(text)
	}
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("schemagate_"+name, help, nil, labels), prometheus.GaugeValue, v)
}

// label makes a text fit to be a label's value: the library panics on broken UTF-8.
func label(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
