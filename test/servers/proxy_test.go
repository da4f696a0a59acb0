package servers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// echo is a server whose connections return what they get, and that hands them to the test.
func echo(t *testing.T) (addr string, accepted <-chan *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *net.TCPConn, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), conns
}

// pair connects through the proxy and returns both ends.
func pair(t *testing.T, p *TCPProxy, accepted <-chan *net.TCPConn) (client, server *net.TCPConn) {
	t.Helper()
	c := dial(t, p)
	select {
	case server = <-accepted:
	case <-time.After(stopTimeout):
		t.Fatal("the connection did not reach the server")
	}
	t.Cleanup(func() { _ = server.Close() })
	return c, server
}

func dial(t *testing.T, p *TCPProxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(stopTimeout))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v; want %q", got, err, want)
	}
}

func readEnd(c net.Conn) error {
	_ = c.SetReadDeadline(time.Now().Add(stopTimeout))
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestProxyForwardsBothWaysAndTheEnd(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	big := string(bytes.Repeat([]byte("schemagate"), 100_000))
	go func() { _, _ = io.WriteString(client, big); _ = client.CloseWrite() }()
	receive(t, server, big)
	if err := readEnd(server); !errors.Is(err, io.EOF) {
		t.Fatalf("the server read %v, want the end", err)
	}
	send(t, server, "still there")
	receive(t, client, "still there")
	if p.Open() != 1 || p.Accepted() != 1 {
		t.Errorf("open %d, accepted %d", p.Open(), p.Accepted())
	}
	_ = server.Close()
	if err := readEnd(client); !errors.Is(err, io.EOF) {
		t.Fatalf("the client read %v, want the end", err)
	}
	waitFor(t, func() bool { return p.Open() == 0 })
}

func TestProxyResetReachesBothSides(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	p.Reset()
	for name, c := range map[string]net.Conn{"client": client, "server": server} {
		if err := readEnd(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the %s read %v, want a reset", name, err)
		}
	}
}

func TestProxyPassesAResetOn(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	client, server := pair(t, Proxy(t, addr), accepted)
	_ = client.SetLinger(0)
	_ = client.Close()
	if err := readEnd(server); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server read %v, want a reset", err)
	}
}

func TestProxyBlackholeDeliversInOrderAfterHeal(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]Direction{"to server": ToServer, "to client": ToClient, "both": Both} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, accepted := echo(t)
			p := Proxy(t, addr)
			client, server := pair(t, p, accepted)
			p.Blackhole(d)
			send(t, client, "request")
			send(t, server, "answer")
			if d == ToServer {
				receive(t, client, "answer")
			}
			if d == ToClient {
				receive(t, server, "request")
			}
			// A connection made now gets no further than the proxy; the healed one proves that it waited.
			late := dial(t, p)
			waitFor(t, func() bool { return p.Accepted() == 2 })
			select {
			case <-accepted:
				t.Fatal("a connection passed the black hole")
			default:
			}
			p.Heal()
			if d != ToClient {
				receive(t, server, "request")
			}
			if d != ToServer {
				receive(t, client, "answer")
			}
			second := <-accepted
			defer func() { _ = second.Close() }()
			send(t, late, "hello")
			receive(t, second, "hello")
		})
	}
}

func TestProxyRefusesAndAcceptsAgain(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want refused", err)
	}
	send(t, client, "open ones go on")
	receive(t, server, "open ones go on")
	p.Accept()
	pair(t, p, accepted)
}

func TestProxyHalfClose(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	p.HalfClose(ToServer)
	if err := readEnd(server); !errors.Is(err, io.EOF) {
		t.Fatalf("the server read %v, want the end", err)
	}
	send(t, server, "answer")
	receive(t, client, "answer")
	p.HalfClose(ToClient)
	if err := readEnd(client); !errors.Is(err, io.EOF) {
		t.Fatalf("the client read %v, want the end", err)
	}
}

func TestProxyDelayHoldsDataBackForThatLong(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	const delay = 30 * time.Millisecond
	p.Delay(delay)
	start := time.Now()
	send(t, client, "slow")
	receive(t, server, "slow")
	if took := time.Since(start); took < delay { // a lower bound holds on any machine
		t.Errorf("delivered after %s, want at least %s", took, delay)
	}
}

func TestProxyToAClosedPortResetsTheClient(t *testing.T) {
	t.Parallel()
	free, err := reservePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer free.release()
	p := Proxy(t, "127.0.0.1:"+free.String())
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer func() { _ = conn.Close() }()
		err = readEnd(conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) { // maybe before dial returns
		t.Errorf("read %v, want a reset", err)
	}
	addr, accepted := echo(t)
	p.Retarget(addr)
	pair(t, p, accepted)
}

func TestProxyInterceptSwallows(t *testing.T) {
	t.Parallel()
	addr, accepted := echo(t)
	p := Proxy(t, addr)
	client, server := pair(t, p, accepted)
	seen := make(chan struct{})
	p.Intercept(func(d Direction, b []byte) Verdict {
		if d == ToServer && string(b) == "lost" {
			close(seen)
			return Swallow
		}
		return Forward
	})
	send(t, client, "lost")
	<-seen
	send(t, client, "found")
	receive(t, server, "found")
}

// The fault that matters most: the server did it, and the client never hears of it.
func TestProxyCutsTheAnswerToACommit(t *testing.T) {
	t.Parallel()
	pg := SharedPostgres(t)
	url := pg.NewDatabase(t)
	Psql(t, url, "CREATE TABLE t (n int)")
	p := Proxy(t, pg.Addr())
	conn := connect(t, p.Through(url))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	var committing atomic.Bool
	p.Intercept(func(d Direction, b []byte) Verdict {
		if d == ToServer && bytes.Contains(b, []byte("commit")) {
			committing.Store(true)
		}
		if d == ToClient && committing.Load() {
			return Cut
		}
		return Forward
	})
	if err := tx.Commit(t.Context()); err == nil {
		t.Fatal("the commit was answered")
	}
	if got := Psql(t, url, "SELECT n FROM t"); got != "1" {
		t.Errorf("the table holds %q, want the committed row", got)
	}
}
