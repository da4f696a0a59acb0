package health

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// ended returns once the server closed c, and what it sent before.
func ended(t *testing.T, c net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server does not end the connection")
	}
	return string(text) // a reset is an end, too
}

func TestSlowClients(t *testing.T) {
	short := func(l *limits) {
		l.readHeader, l.read, l.idle = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	}
	for name, text := range map[string]string{
		"says nothing":              "",
		"stops in the request line": "GET /rea",
		"stops in a header":         "GET /readyz HTTP/1.1\r\nHost: x\r\nX-Slow: y",
		"stops before the body":     "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"idles after an answer":     "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, openGate(t), Options{}, short)
			c := s.dial(t, text)
			if code, _ := s.get(t, "/readyz"); code != 200 {
				t.Errorf("readyz meanwhile: %d", code)
			}
			ended(t, c)
		})
	}
}

func TestClientThatDribbles(t *testing.T) {
	// Each byte comes in time; the header as a whole does not.
	s := serve(t, openGate(t), Options{}, func(l *limits) { l.readHeader = 100 * time.Millisecond })
	c := s.dial(t, "GET /readyz HTTP/1.1\r\n")
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := io.WriteString(c, "X: y\r\n"); err != nil {
				return
			}
		}
	}()
	if got := ended(t, c); strings.Contains(got, "200 OK") {
		t.Errorf("answered: %q", got)
	}
	close(stop)
	<-stopped
}

func TestClientThatDoesNotRead(t *testing.T) {
	g := openGate(t)
	g.Update(func(s *Status) { s.LastError = strings.Repeat("x", 16<<20) }) // more than the sockets hold
	// The one that is not set short would hold up stop until the test's own end.
	for name, change := range map[string]func(*limits){
		"runs into the write timeout": func(l *limits) { l.write, l.shutdown = 2*time.Second, time.Hour },
		"does not hold up the end":    func(l *limits) { l.write, l.shutdown = time.Hour, 10*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, g, Options{}, change)
			c := s.dial(t, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
			// Where making the answer takes longer than it may be written, not a byte of it comes: the write timeout has ended it already.
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil && (s.limits.write == time.Hour || errors.Is(err, os.ErrDeadlineExceeded)) {
				t.Fatal(err)
			}
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			if got := len(ended(t, c)); got > 16<<20 {
				t.Errorf("all of it was sent: %d bytes", got)
			}
		})
	}
}

func TestHugeHeader(t *testing.T) {
	s := serve(t, openGate(t), Options{})
	for name, c := range map[string]struct {
		header string
		code   string
	}{
		"a browser's cookies": {"Cookie: " + strings.Repeat("x", 8<<10), "200 OK"},
		"too much":            {"Cookie: " + strings.Repeat("x", 64<<10), "431 "},
		"too many":            {strings.TrimSuffix(strings.Repeat("X: y\r\n", 8<<10), "\r\n"), "431 "},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial(t, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+c.header+"\r\n\r\n")
			if got := ended(t, conn); !strings.HasPrefix(got, "HTTP/1.1 "+c.code) {
				t.Errorf("answer %.80q, want %s", got, c.code)
			}
		})
	}
}

// askOn sends one request over c and keeps it open.
func askOn(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s, %v", resp.Status, err)
	}
}

func TestManyIdleConnections(t *testing.T) {
	s := serve(t, openGate(t), Options{})
	conns := make([]net.Conn, 500)
	for i := range conns {
		conns[i] = s.dial(t, "")
		if i%2 == 0 {
			askOn(t, conns[i])
		}
	}
	if code, _ := s.get(t, "/readyz"); code != 200 {
		t.Errorf("a new client: %d", code)
	}
	for _, c := range conns { // all within the bound: none was ended
		askOn(t, c)
	}
}

func TestOldestSilentConnectionMakesWay(t *testing.T) {
	s := serve(t, openGate(t), Options{}, func(l *limits) { l.silent = 10 })
	oldest := s.dial(t, "")
	idle := s.dial(t, "")
	askOn(t, idle)
	wait := s.dial(t, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	var newest net.Conn
	for range 100 {
		newest = s.dial(t, "")
		if code, _ := s.get(t, "/readyz"); code != 200 {
			t.Fatalf("a new client: %d", code)
		}
	}
	ended(t, oldest)
	ended(t, idle)
	if got := ended(t, wait); !strings.HasPrefix(got, "HTTP/1.1 200 OK") {
		t.Errorf("answer %q", got)
	}
	askOn(t, newest)
}

func TestConnectionsInAllAreBounded(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{}, func(l *limits) { l.conns = 3 })
	waiters := []*waiter{s.wait(t), s.wait(t), s.wait(t)}
	ended(t, s.dial(t, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"))
	waiters[0].cancel()
	for end := time.Now().Add(patience); ; {
		resp, err := s.client.Do(s.request(t, http.MethodGet, "/livez"))
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a connection that ended makes no room: %v", err)
		}
	}
}

func TestEndDoesNotWaitForSilentConnections(t *testing.T) {
	// With a grace of an hour the test ends only if no silent connection is waited for.
	s := serve(t, openGate(t), Options{}, func(l *limits) { l.shutdown = time.Hour })
	silent, idle := s.dial(t, ""), s.dial(t, "")
	half := s.dial(t, "GET /readyz HTTP/1.1\r\n")
	askOn(t, idle)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, c := range []net.Conn{silent, idle, half} {
		ended(t, c)
	}
}
