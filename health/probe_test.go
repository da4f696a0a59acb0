package health

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	waiting, open := NewGate(), openGate(t)
	waiting.Update(func(s *Status) { s.Reason = "pod-1 leads" })
	down, up := serve(t, waiting, Options{}), serve(t, open, Options{Token: "x"})
	_, downPort, _ := net.SplitHostPort(down.Addr())
	_, upPort, _ := net.SplitHostPort(up.Addr())
	gone := httptest.NewServer(nil)
	gone.Close()
	cases := []struct {
		addr, what, err string
	}{
		{down.Addr(), "live", ""},
		{down.Addr(), "ready", "readyz: 503: waiting: pod-1 leads"},
		{down.Addr(), "", "readyz: 503: waiting: pod-1 leads"},
		{down.Addr(), "startup", "startupz: 503: "},
		{up.Addr(), "live", ""},
		{up.Addr(), "ready", ""},
		{up.Addr(), "", ""},
		{up.Addr(), "startup", ""},
		{":" + upPort, "ready", ""},
		{":" + downPort, "ready", "readyz: 503"},
		{"0.0.0.0:" + upPort, "ready", ""},
		{"[::]:" + upPort, "ready", ""},
		{"localhost:" + upPort, "ready", ""},
		{strings.TrimPrefix(gone.URL, "http://"), "live", "ask livez: "},
		{"off", "ready", "SCHEMAGATE_HTTP_ADDR is off"},
		{"8099", "ready", "SCHEMAGATE_HTTP_ADDR: "},
		{up.Addr(), "status", "live, ready and startup"},
	}
	for _, c := range cases {
		err := Probe(t.Context(), c.addr, c.what)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s %q: error %v, want %q", c.addr, c.what, err, c.err)
		}
		if unknown := c.what == "status"; errors.Is(err, ErrUnknownProbe) != unknown {
			t.Errorf("%s %q: error %v", c.addr, c.what, err)
		}
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	t.Parallel()                                // it waits out the probe's own timeout
	ln, err := net.Listen("tcp", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Probe(ctx, ln.Addr().String(), "live"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := Probe(t.Context(), ln.Addr().String(), "live"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a deadline of its own: error %v", err)
	}
}
