package trace

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector reads what it is sent with OpenTelemetry's own types. TracesData and the request are the same bytes.
type collector struct {
	*httptest.Server
	got    chan *otlp.TracesData
	header chan http.Header
}

func newCollector(t *testing.T, codes ...int) *collector {
	t.Helper()
	c := &collector{got: make(chan *otlp.TracesData, 10), header: make(chan http.Header, 10)}
	n := 0
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data otlp.TracesData
		if err == nil {
			err = proto.UnmarshalOptions{DiscardUnknown: false}.Unmarshal(body, &data)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", r.URL, r.Header, err)
		}
		if n < len(codes) {
			w.WriteHeader(codes[n])
		}
		n++
		c.got <- &data
		c.header <- r.Header
	}))
	t.Cleanup(c.Close)
	return c
}

func settings(t *testing.T, environ ...string) *Settings {
	t.Helper()
	s, err := FromEnviron(environ)
	if err != nil || s == nil {
		t.Fatalf("%v: %v, %v", environ, s, err)
	}
	return s
}

func TestTheCollectorReadsWhatWasWritten(t *testing.T) {
	c := newCollector(t)
	s := settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20abc,x-tenant=7", "OTEL_SERVICE_NAME=shop",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=prod,service.name=other,service.version=9",
		"TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "TRACESTATE=vendor=1")
	s.Default("service.version", "1")
	s.Default("service.instance.id", "a")
	tr := Start(t.Context(), s)
	root := tr.Root("start")
	child := root.Child("look", 0)
	child.Set("text", "a\xff")
	child.Set("empty", "")
	child.Set("number", int64(-3))
	child.Set("truth", true)
	child.Fail("no answer")
	child.End(tr.Now())
	root.End(tr.Now())
	before := time.Now()
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	data := <-c.got
	if h := <-c.header; h.Get("Authorization") != "Bearer abc" || h.Get("X-Tenant") != "7" {
		t.Errorf("headers %v", h)
	}
	resource := map[string]string{}
	for _, a := range data.ResourceSpans[0].Resource.Attributes {
		resource[a.Key] += a.Value.GetStringValue()
	}
	for name, want := range map[string]string{"service.name": "shop", "service.version": "9", "service.instance.id": "a", "deployment.environment.name": "prod"} {
		if resource[name] != want {
			t.Errorf("%s is %q, not %q", name, resource[name], want)
		}
	}
	spans := data.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 2 || spans[0].Name != "look" || spans[1].Name != "start" {
		t.Fatalf("got %v", spans)
	}
	for _, s := range spans {
		if hex.EncodeToString(s.TraceId) != "4bf92f3577b34da6a3ce929d0e0e4736" || s.TraceState != "vendor=1" || len(s.SpanId) != 8 {
			t.Errorf("%v", s)
		}
		start, end := time.Unix(0, int64(s.StartTimeUnixNano)), time.Unix(0, int64(s.EndTimeUnixNano))
		if end.Before(start) || before.Sub(start) > time.Minute || end.After(before.Add(time.Minute)) {
			t.Errorf("%s from %v to %v, and it is %v", s.Name, start, end, before)
		}
	}
	if hex.EncodeToString(spans[1].ParentSpanId) != "00f067aa0ba902b7" || string(spans[0].ParentSpanId) != string(spans[1].SpanId) || string(spans[0].SpanId) == string(spans[1].SpanId) {
		t.Errorf("wrong parents: %v", spans)
	}
	if st := spans[0].Status; st.GetCode() != otlp.Status_STATUS_CODE_ERROR || st.GetMessage() != "no answer" || spans[1].Status.GetCode() != otlp.Status_STATUS_CODE_UNSET {
		t.Errorf("status %v, %v", st, spans[1].Status)
	}
	a := spans[0].Attributes
	if len(a) != 4 || a[0].Value.GetStringValue() != "a\uFFFD" || a[1].Value.Value == nil || a[2].Value.GetIntValue() != -3 || !a[3].Value.GetBoolValue() {
		t.Errorf("attributes %v", a)
	}
}

func TestABusyCollectorIsAskedAgain(t *testing.T) {
	c := newCollector(t, http.StatusServiceUnavailable, http.StatusBadRequest)
	tr := Start(t.Context(), settings(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+c.URL+"/v1/traces"))
	tr.Root("one").End(0)
	tr.send(t.Context())
	tr.send(t.Context())
	tr.send(t.Context()) // nothing is left: it was refused for good
	for range 2 {
		if n := len((<-c.got).ResourceSpans[0].ScopeSpans[0].Spans); n != 1 {
			t.Errorf("%d spans", n)
		}
	}
	if err := tr.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "400") || len(c.got) != 0 {
		t.Errorf("%v; %d requests more", err, len(c.got))
	}
}

// A collector that takes the connection and never answers holds up nobody but Close, and that no longer than its context.
func TestACollectorThatHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tr := Start(t.Context(), settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+ln.Addr().String()))
	for range most + 3 {
		tr.Root("one").End(0)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = tr.Close(ctx)
	if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") || !strings.Contains(err.Error(), "3 spans too many") {
		t.Errorf("got %v", err)
	}
}

func TestOffUnlessAsked(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	for _, environ := range [][]string{
		nil,
		{"OTEL_SERVICE_NAME=shop", "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{at, "OTEL_TRACES_EXPORTER=none"},
		{at, "OTEL_SDK_DISABLED=true"},
		{at, "OTEL_TRACES_SAMPLER=always_off"},
		{at, "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT="},
	} {
		if s, err := FromEnviron(environ); s != nil || err != nil {
			t.Errorf("%v: %v, %v", environ, s, err)
		}
	}
	for endpoint, environ := range map[string][]string{
		"http://localhost:4318/v1/traces": {"OTEL_TRACES_EXPORTER=otlp"},
		"http://c:4318/v1/traces":         {at, "TRACEPARENT=broken"},
		"https://c/otlp/v1/traces":        {"OTEL_EXPORTER_OTLP_ENDPOINT=https://c/otlp/"},
		"http://t:1/x":                    {at, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t:1/x"},
	} {
		if s, err := FromEnviron(environ); err != nil || s == nil || s.endpoint != endpoint {
			t.Errorf("%v: %+v, %v", environ, s, err)
		}
	}
}

func TestWhatIsWrongIsNamedAndNotShown(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	for variable, environ := range map[string][]string{
		"OTEL_TRACES_EXPORTER":              {"OTEL_TRACES_EXPORTER=zipkin", at},
		"OTEL_EXPORTER_OTLP_PROTOCOL":       {at, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		"OTEL_EXPORTER_OTLP_ENDPOINT":       {"OTEL_EXPORTER_OTLP_ENDPOINT=collector:hunter2"},
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS": {at, "OTEL_EXPORTER_OTLP_TRACES_HEADERS=hunter2"},
		"OTEL_EXPORTER_OTLP_TIMEOUT":        {at, "OTEL_EXPORTER_OTLP_TIMEOUT=10s"},
		"OTEL_EXPORTER_OTLP_CERTIFICATE":    {at, "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere"},
		"OTEL_RESOURCE_ATTRIBUTES":          {at, "OTEL_RESOURCE_ATTRIBUTES=hunter2"},
	} {
		s, err := FromEnviron(environ)
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), variable+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v, %v", environ, s, err)
		}
	}
	s := settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://me:hunter2@c:4318", "OTEL_EXPORTER_OTLP_HEADERS=api-key=hunter3")
	if got := strings.Join(s.Secrets(), " "); !strings.Contains(got, "hunter2") || !strings.Contains(got, "hunter3") {
		t.Errorf("secrets %q", got)
	}
}
