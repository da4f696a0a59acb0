package e2e

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/schemagate/schemagate/test/harness"
)

// collector keeps the spans that it is sent, and every byte of them.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
	raw   strings.Builder
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data otlp.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &data)
		}
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, rs := range data.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named are the spans of that name, and names those of all in the order of their beginning.
func (c *collector) named(name string) (found []*otlp.Span, names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(c.spans, func(a, b *otlp.Span) int { // of two that begin together, the one around the other
		return cmp.Or(cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano), cmp.Compare(b.EndTimeUnixNano, a.EndTimeUnixNano))
	})
	for _, s := range c.spans {
		names = append(names, s.Name)
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found, names
}

func attribute(s *otlp.Span, name string) string {
	for _, a := range s.Attributes {
		if a.Key == name {
			return strings.Trim(strings.TrimPrefix(strings.TrimPrefix(a.Value.String(), "string_value:"), "int_value:"), `"`)
		}
	}
	return ""
}

func TestATraceOfOneStart(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := newStage(t, harness.Files{
		"0001_people.up.sql": "CREATE TABLE people (name text PRIMARY KEY);\nINSERT INTO people VALUES ('row-data');",
		"0002_age.up.sql":    "ALTER TABLE people ADD age int;",
	}).with("OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=hunter2", "SCHEMAGATE_BEFORE=true", "SCHEMAGATE_AFTER=true",
		"SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_REPLICA=replica-1", "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	s.Up()
	roots, names := c.named("schemagate start")
	if want := "schemagate start, prepare, look, campaign, take over, drain, plan, BEFORE, migrate 0001_people, migrate 0002_age, AFTER, complete, resign"; strings.Join(names, ", ") != want {
		t.Fatalf("the spans are\n%s, not\n%s", strings.Join(names, ", "), want)
	}
	root := roots[0]
	if attribute(root, "schemagate.release") != "v1" || attribute(root, "schemagate.replica") != "replica-1" || attribute(root, "schemagate.service") != "default" || root.Status.GetCode() != 0 {
		t.Errorf("the root is %v", root)
	}
	first, _ := c.named("migrate 0001_people")
	if attribute(first[0], "schemagate.migration.versions") != "0001" || attribute(first[0], "schemagate.term") != "1" {
		t.Errorf("the migration is %v", first[0])
	}
	c.mu.Lock()
	for _, span := range c.spans {
		if span != root && (string(span.ParentSpanId) != string(root.SpanId) || span.StartTimeUnixNano < root.StartTimeUnixNano || span.EndTimeUnixNano > root.EndTimeUnixNano) {
			t.Errorf("%s is not within the root: %v", span.Name, span)
		}
	}
	c.mu.Unlock()

	// A failure: on the migration and on the root, with the server's code, without row data, statement or secret.
	failing := newCollector(t)
	s.Write(harness.Files{"0003_again.up.sql": "INSERT INTO people (name) VALUES ('row-data');"})
	failed := s.with("OTEL_EXPORTER_OTLP_ENDPOINT="+failing.URL, "SCHEMAGATE_BEFORE=")
	failed.Expect(70, "up")
	for _, name := range []string{"migrate 0003_again", "schemagate start"} {
		spans, names := failing.named(name)
		if len(spans) != 1 || spans[0].Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || attribute(spans[0], "db.response.status_code") != "23505" ||
			!strings.Contains(spans[0].Status.Message, "0003_again.up.sql:1") {
			t.Errorf("%s among %v: %v", name, names, spans)
		}
	}
	password := strings.SplitN(strings.SplitN(s.URL, "@", 2)[0], ":", 3)
	for _, secret := range []string{"row-data", "INSERT", "hunter2", password[len(password)-1]} {
		if strings.Contains(failing.raw.String(), secret) && len(secret) > 3 {
			t.Errorf("%q is in the spans", secret)
		}
	}
}

func TestWaitingIsOneSpan(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := newStage(t, harness.Files{"0001_slow.up.sql": barrier})
	release := holding(t, s.URL, barrier)
	leader := s.Start("up")
	leader.Await(harness.Msg("applying"))
	follower := s.with("OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "SCHEMAGATE_LOG_LEVEL=debug").Start("up")
	follower.AwaitN(`"phase":"wait","event":"woke"`, 3)
	release()
	harness.ExitAll(t, 0, leader, follower)
	waits, names := c.named("wait")
	if want := "schemagate start, prepare, look, wait, look"; strings.Join(names, ", ") != want {
		t.Fatalf("the spans are %v", names)
	}
	if n := attribute(waits[0], "schemagate.looks"); n == "" || n == "0" || attribute(waits[0], "schemagate.leader") == "" {
		t.Errorf("the wait is %v", waits[0])
	}
}

// A collector that is away, or that never answers, neither delays nor fails anything.
func TestACollectorThatIsAway(t *testing.T) {
	t.Parallel()
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangs.Close() })
	for name, endpoint := range map[string]string{"refuses": "127.0.0.1:1", "hangs": hangs.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, harness.Files{"0001_one.up.sql": "CREATE TABLE one (id int);"}).with("OTEL_EXPORTER_OTLP_ENDPOINT=http://" + endpoint)
			s.Up().Says(`"msg":"no traces"`, "OTEL_EXPORTER_OTLP_ENDPOINT")
			s.Expect(3, "run", "--", "sh", "-c", "exit 3")
		})
	}
	newStage(t, harness.Files{"0001_one.up.sql": "CREATE TABLE one (id int);"}).with("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc").
		Up().Says("http/protobuf, and the collector's port for it, 4318")
}
