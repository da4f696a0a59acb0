package health

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// until waits, by the gate's own word, for what ok says.
func (g *Gate) until(t *testing.T, ok func(Status) bool) Status {
	t.Helper()
	late := time.After(patience)
	for {
		changed := g.Changed()
		s := g.Status()
		if ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("never came: app %+v", s.App)
		}
	}
}

func probing(t *testing.T, g *Gate, address string, change ...func(*Prober)) {
	t.Helper()
	p, err := NewProber(g, address)
	if err != nil {
		t.Fatal(err)
	}
	p.every = p.everyAtFirst
	for _, c := range change {
		c(p)
	}
	if s := g.Status(); s.App == nil || s.App.Healthy {
		t.Error("before the app is asked the gate does not wait for it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.Start(ctx)
	t.Cleanup(func() { cancel(); p.Wait() })
}

func TestProberHTTP(t *testing.T) {
	var code atomic.Int32
	var seen atomic.Pointer[http.Request]
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		if r.URL.Path == "/login" {
			return
		}
		w.Header().Set("Location", "/login")
		w.WriteHeader(int(code.Load()))
	}))
	t.Cleanup(app.Close)
	code.Store(500)
	g := openGate(t)
	probing(t, g, strings.Replace(app.URL, "//", "//me:pw@", 1)+"/ok?x=1")
	for _, c := range []struct {
		code    int32
		healthy bool
		note    string
	}{
		{500, false, "HTTP status 500"}, {200, true, ""}, {302, false, "HTTP status 302"}, {204, true, ""}, {404, false, "HTTP status 404"}, {299, true, ""},
	} {
		code.Store(c.code)
		s := g.until(t, func(s Status) bool { return s.App.Healthy == c.healthy && s.App.Note == c.note })
		if s.Ready != c.healthy || g.Ready() != c.healthy {
			t.Errorf("%d: ready %t", c.code, s.Ready)
		}
	}
	r := seen.Load()
	if user, pw, _ := r.BasicAuth(); r.URL.String() != "/ok?x=1" || user != "me" || pw != "pw" || r.Method != http.MethodGet {
		t.Errorf("asked %s %s as %q", r.Method, r.URL, user)
	}
}

func TestProberNamesNoAddress(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	g := openGate(t)
	probing(t, g, gone.URL+"/ok?token=s3cret")
	s := g.until(t, func(s Status) bool { return s.App.Note != "not asked yet" })
	if s.App.Healthy || !strings.Contains(s.App.Note, "refused") || strings.Contains(s.App.Note, "s3cret") {
		t.Errorf("app %+v", s.App)
	}
}

func TestProberGivesUpOnASilentApp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	g := openGate(t)
	probing(t, g, "http://"+ln.Addr().String(), func(p *Prober) { p.timeout = 50 * time.Millisecond })
	g.until(t, func(s Status) bool { return strings.HasPrefix(s.App.Note, "no answer within") })
}

func TestProberTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	g := openGate(t)
	probing(t, g, "tcp://"+addr)
	g.until(t, func(s Status) bool { return s.Ready })
	ln.Close()
	g.until(t, func(s Status) bool { return !s.Ready && strings.Contains(s.App.Note, "refused") })
}

func TestProberRefusesAddresses(t *testing.T) {
	for _, address := range []string{
		"", "app", "localhost:80", "http://", "tcp://app", "tcp://app:80/path", "ftp://app:21", "unix:///x", "http://me:s3cret@app:x y/", "postgres://me:s3cret@db/x",
	} {
		_, err := NewProber(NewGate(), address)
		if err == nil || !strings.Contains(err.Error(), "SCHEMAGATE_APP_HEALTH_URL") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: error %v", address, err)
		}
	}
	for _, address := range []string{"http://app", "https://app:8443/x", "tcp://127.0.0.1:1", "tcp://[::1]:80"} {
		if _, err := NewProber(NewGate(), address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}
