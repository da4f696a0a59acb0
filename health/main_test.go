package health

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that end by a signal; it is reached only where a test fails.
const patience = 20 * time.Second

// site is a running server and a client of its own.
type site struct {
	*Server
	client *http.Client
	stop   func() error
}

func serve(t testing.TB, gate *Gate, o Options, change ...func(*limits)) *site {
	t.Helper()
	s := &site{Server: NewServer(gate, o)}
	for _, c := range change {
		c(&s.limits)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	s.client = &http.Client{Transport: transport, Timeout: patience}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	s.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return s
}

func (s *site) request(t testing.TB, method, path string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// reply is a response whose body has been read.
type reply struct {
	Status        string
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

func (s *site) do(t testing.TB, method, path string, header ...string) (reply, string) {
	t.Helper()
	resp, err := s.client.Do(s.request(t, method, path, header...))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.Status, resp.StatusCode, resp.Header, resp.ContentLength}, string(body)
}

// get is a GET with no header; it returns code and body.
func (s *site) get(t testing.TB, path string) (int, string) {
	t.Helper()
	resp, body := s.do(t, http.MethodGet, path)
	return resp.StatusCode, body
}

// dial opens a bare connection and sends text.
func (s *site) dial(t testing.TB, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func opened(s *Status)          { s.State, s.Reason = Open, "" }
func to(st State) func(*Status) { return func(s *Status) { s.State = st } }
func openGate(t testing.TB) *Gate {
	t.Helper()
	g := NewGate()
	g.Update(opened)
	return g
}
