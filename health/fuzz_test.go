package health

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// marked is in every answer that a token is asked for: the status, a migration and the metrics name it, and the page has its own beginning.
const marked = "unmistakable-marker"

// tells are what only an answer that needs the token holds.
var tells = []string{marked, "<!doctype html>", "schemagate_gate_open", `"complete":`}

// guarded is a server whose token nobody can guess.
func guarded(tb testing.TB) *site {
	tb.Helper()
	g := openGate(tb)
	g.Update(func(s *Status) {
		s.Service, s.Release = marked, marked
		s.Migrations = []Migration{{Version: "0001", Name: marked, State: MigrationApplied}}
	})
	return serve(tb, g, Options{Token: rand.Text(), ErrorLog: log.New(io.Discard, "", 0)}, func(l *limits) {
		// A machine that stands still for seconds ends no sound request.
		l.readHeader, l.read, l.write, l.idle, l.wake = patience/2, patience/2, patience/2, patience/2, 10*time.Millisecond
	})
}

// exchange sends bytes, says that there are no more, and returns all that came until the server ended the connection. It resets the
// connection then, so that thousands of them leave no port behind.
func exchange(tb testing.TB, addr string, raw []byte) string {
	tb.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	c := nc.(*net.TCPConn)
	defer func() { _ = c.SetLinger(0); c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(raw); err == nil {
		_ = c.CloseWrite()
	}
	text, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		tb.Fatalf("neither answered nor ended: %q", raw)
	}
	return string(text)
}

// FuzzRequest sends any bytes. Whatever they are, the server neither panics nor hangs, and shows nothing that needs the token.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{"/readyz", "/status", "/", "/migrations/1", "/metrics", "/wake", "//status", "/./status", "/%73tatus", "/status?x#y", "*"} {
		f.Add([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"))
		f.Add([]byte("HEAD " + path + " HTTP/1.0\nAuthorization: Bearer \n\n"))
	}
	for _, raw := range malformed {
		f.Add([]byte(raw))
	}
	f.Add([]byte("GET /status HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Og==\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nAuthorization: bearer\r\n\r\n"))
	s := guarded(f)
	panics := make(chan string, 1)
	s.errors.SetOutput(writer(func(b []byte) {
		if bytes.Contains(b, []byte("panic")) {
			select {
			case panics <- string(b):
			default:
			}
		}
	}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := exchange(t, s.Addr(), raw)
		for _, tell := range tells {
			if strings.Contains(got, tell) {
				t.Errorf("%q is answered with %q", raw, got)
			}
		}
		if code, _ := s.get(t, "/livez"); code != 200 {
			t.Errorf("/livez after %q: %d", raw, code)
		}
		select {
		case text := <-panics:
			t.Error(text)
		default:
		}
	})
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// malformed requests are read in different ways by different servers: one behind another must not take a body for a request.
var malformed = map[string]string{
	"length and chunks":      "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n",
	"two lengths":            "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 34\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n",
	"a list of lengths":      "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 34\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n",
	"a length with a sign":   "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: +34\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n",
	"a negative length":      "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
	"no known encoding":      "GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"an encoding too many":   "GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
	"space before the colon": "GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"a zero byte":            "GET /readyz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
	"no host":                "GET /readyz HTTP/1.1\r\n\r\n",
	"two hosts":              "GET /readyz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
	"a host of its own":      "GET /readyz HTTP/1.1\r\nHost: x/y\r\n\r\n",
	"another protocol":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"no version":             "GET /readyz\r\n\r\n",
	"TLS":                    "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
}

func TestMalformedRequests(t *testing.T) {
	s := guarded(t)
	for name, raw := range malformed {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, s.Addr(), []byte(raw))
			if n := strings.Count(got, "HTTP/1.1 "); n > 1 || strings.HasPrefix(got, "HTTP/1.1 200") && name != "length and chunks" { // where one of the two counts
				t.Errorf("%d answers: %q", n, got)
			}
			for _, tell := range tells {
				if strings.Contains(got, tell) {
					t.Errorf("it shows %s", tell)
				}
			}
		})
	}
	// Not malformed: two requests at once, the second of which needs the token.
	got := exchange(t, s.Addr(), []byte("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n"))
	if !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "HTTP/1.1 401") {
		t.Errorf("two requests at once: %q", got)
	}
}

// The token is compared by digests of one length, in constant time: what is next to it fails as what is far from it.
func TestTokenThatIsNearlyRight(t *testing.T) {
	const token = "correct horse battery staple"
	s := serve(t, openGate(t), Options{Token: token})
	for _, path := range []string{"/", "/status", "/migrations/1", "/metrics", "/none"} {
		for _, wrong := range []string{token[:len(token)-1], token + "x", strings.ToUpper(token), " " + token, "x" + token[1:]} {
			if resp, _ := s.do(t, "GET", path, "Authorization", "Bearer "+wrong); resp.StatusCode != 401 {
				t.Errorf("%s with %q: %d", path, wrong, resp.StatusCode)
			}
		}
		if resp, _ := s.do(t, "GET", path, "Authorization", "Bearer "+token); resp.StatusCode == 401 {
			t.Errorf("%s with the token: %d", path, resp.StatusCode)
		}
	}
}
