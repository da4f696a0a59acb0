package health

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
)

func sample(g *Gate) {
	g.Update(func(s *Status) {
		s.Service, s.Release, s.Replica, s.Role, s.Leader, s.Term = "orders", "2026.11", "pod-2", Follower, "pod-1", 41
		s.Applied, s.Pending, s.DatabaseKind = 1, 1, "postgres"
		s.Database = Database{Reachable: true, Note: "answered"}
		s.Migrations = []Migration{
			{Version: "0001", Name: "init", State: MigrationApplied, DurationMS: 12},
			{Version: "0002", Name: "more", State: MigrationPending, WaitsFor: "release 1"},
		}
		s.Replicas = []Replica{{Name: "pod-1", State: "migrating"}}
		s.Batches = []Batch{{Version: "0002", Total: Unknown, State: BatchRunning}, {Version: "0003", Done: 1, Total: 2, State: BatchPaused}}
	})
}

func TestEndpoints(t *testing.T) {
	waiting, open, failed, drained := NewGate(), openGate(t), NewGate(), openGate(t)
	sample(waiting)
	failed.Update(func(s *Status) { s.State, s.LastError = Failed, "boom" })
	drained.Drain()
	cases := []struct {
		gate *Gate
		path string
		code int
		body string // contained
	}{
		{waiting, "/livez", 200, "alive"},
		{waiting, "/readyz", 503, "waiting"},
		{waiting, "/healthz", 503, "waiting"},
		{waiting, "/startupz", 503, "/readyz"},
		{open, "/livez", 200, "alive"},
		{open, "/readyz", 200, "open"},
		{open, "/readyz?verbose", 200, "open"},
		{open, "/healthz", 200, "open"},
		{open, "/startupz", 200, "started"},
		{failed, "/livez", 200, "alive"},
		{failed, "/readyz", 503, "failed: boom"},
		{failed, "/startupz", 503, ""},
		{drained, "/livez", 200, ""},
		{drained, "/readyz", 503, "draining"},
		{drained, "/startupz", 200, "started"},
		{waiting, "/migrations/0001", 200, `"complete":true`},
		{waiting, "/migrations/1", 200, `"version":"0001"`},
		{waiting, "/migrations/2", 404, `"state":"pending"`},
		{waiting, "/migrations/77", 404, `"state":"unknown"`},
		{waiting, "/migrations/", 404, "not found"},
		{waiting, "/migrations", 404, "not found"},
		{waiting, "/status", 200, `"state":"waiting"`},
		{waiting, "/metrics", 200, "schemagate_gate_open 0"},
		{waiting, "/", 200, "<!doctype html>"},
		{waiting, "/index.html", 404, "not found"},
		{waiting, "/readyz/", 404, "not found"},
		{waiting, "/debug/pprof/", 404, "not found"},
		{waiting, "/../status", 404, "not found"},
	}
	sites := map[*Gate]*site{}
	for _, g := range []*Gate{waiting, open, failed, drained} {
		sites[g] = serve(t, g, Options{})
	}
	for _, c := range cases {
		t.Run(string(c.gate.Status().State)+c.path, func(t *testing.T) {
			s := sites[c.gate]
			resp, body := s.do(t, http.MethodGet, c.path)
			if resp.StatusCode != c.code || !strings.Contains(body, c.body) {
				t.Errorf("GET: %d %q, want %d with %q", resp.StatusCode, body, c.code, c.body)
			}
			if c.path != "/metrics" && (resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers %v", resp.Header)
			}
			head, body := s.do(t, http.MethodHead, c.path)
			if head.StatusCode != c.code || body != "" {
				t.Errorf("HEAD: %d %q", head.StatusCode, body)
			}
			if want := resp.ContentLength; c.path != "/metrics" && c.path != "/status" && head.ContentLength != want {
				t.Errorf("HEAD says %d bytes, GET %d", head.ContentLength, want)
			}
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
				if resp, _ := s.do(t, method, c.path); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s: %d, allow %q", method, resp.StatusCode, resp.Header.Get("Allow"))
				}
			}
		})
	}
}

func TestStatusEndpoint(t *testing.T) {
	g := NewGate()
	sample(g)
	_, body := serve(t, g, Options{}).get(t, "/status")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if got.Leader != "pod-1" || got.Term != 41 || len(got.Migrations) != 2 || got.Migrations[1].WaitsFor != "release 1" || got.Now.IsZero() {
		t.Errorf("got %s", body)
	}
}

func TestProbesFollowTheGate(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{})
	for _, c := range []struct {
		do             func()
		ready, startup int
	}{
		{func() {}, 503, 503},
		{func() { g.SetApp(false, "starting") }, 503, 503},
		{func() { g.Update(opened) }, 503, 503},
		{func() { g.SetApp(true, "") }, 200, 200},
		{func() { g.Update(to(Closed)) }, 503, 200},
		{func() { g.Update(opened) }, 200, 200},
		{g.Drain, 503, 200},
		{func() { g.Update(opened) }, 503, 200},
	} {
		c.do()
		ready, body := s.get(t, "/readyz")
		startup, _ := s.get(t, "/startupz")
		if ready != c.ready || startup != c.startup {
			t.Errorf("%q: ready %d, startup %d; want %d, %d", body, ready, startup, c.ready, c.startup)
		}
	}
}

func TestToken(t *testing.T) {
	g := NewGate()
	sample(g)
	g.Update(func(s *Status) { s.State, s.LastError = Failed, "the details" })
	s := serve(t, g, Options{Token: "s3cret"})
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for _, path := range []string{"/", "/status", "/metrics", "/migrations/1", "/nothing"} {
		for header, allowed := range map[string]bool{
			"": false, "Bearer s3cret": true, "bearer s3cret": true, "Bearer wrong": false, "Bearer ": false, "Bearer": false,
			basic("anyone", "s3cret"): true, basic("", "s3cret"): true, basic("s3cret", ""): false, basic("s3cret", "wrong"): false,
			"Basic !!": false, "Digest s3cret": false, "s3cret": false,
		} {
			resp, body := s.do(t, http.MethodGet, path, "Authorization", header)
			if (resp.StatusCode != 401) != allowed {
				t.Errorf("%s with %q: %d", path, header, resp.StatusCode)
			}
			if !allowed && (!strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") || strings.Contains(body, "orders")) {
				t.Errorf("%s with %q: %v %q", path, header, resp.Header, body)
			}
		}
	}
	for path, code := range map[string]int{"/livez": 200, "/readyz": 503, "/healthz": 503, "/startupz": 503, "/wake": 200} {
		if got, body := s.get(t, path); got != code || strings.Contains(body, "details") {
			t.Errorf("%s without a token: %d %q", path, got, body)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	first := serve(t, NewGate(), Options{})
	second := NewServer(NewGate(), Options{})
	err := second.Listen(first.Addr())
	if !errors.Is(err, ErrAddrInUse) || !strings.Contains(err.Error(), first.Addr()) || !strings.Contains(err.Error(), "SCHEMAGATE_HTTP_ADDR") {
		t.Errorf("error %v", err)
	}
	if second.Addr() != "" {
		t.Errorf("address %q", second.Addr())
	}
	if err := second.Serve(t.Context()); err == nil {
		t.Error("served without listening")
	}
	for _, addr := range []string{"nonsense", "127.0.0.1:99999", "127.0.0.1"} {
		if err := second.Listen(addr); err == nil || errors.Is(err, ErrAddrInUse) || !strings.Contains(err.Error(), "SCHEMAGATE_HTTP_ADDR") {
			t.Errorf("%s: error %v", addr, err)
		}
	}
}

func TestServeEnds(t *testing.T) {
	t.Run("before it began", func(t *testing.T) {
		s := NewServer(NewGate(), Options{})
		if err := s.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx); err != nil {
			t.Error(err)
		}
		if c, err := net.Dial("tcp", s.Addr()); err == nil {
			c.Close()
			t.Error("still listening")
		}
	})
	t.Run("when its listener breaks", func(t *testing.T) {
		s := NewServer(NewGate(), Options{})
		if err := s.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.ln.Close()
		if err := s.Serve(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}
