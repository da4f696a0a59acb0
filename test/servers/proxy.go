package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Direction is the way that bytes go through a proxy.
type Direction int

// The directions; Both is their sum.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// Verdict is what an interceptor wants done with a piece of a connection's data.
type Verdict int

const (
	// Forward delivers the data.
	Forward Verdict = iota
	// Swallow discards it and keeps the connection.
	Swallow
	// Cut discards it and resets the connection on both sides.
	Cut
)

// TCPProxy stands between clients and one server and injects faults. It works on connections, not on packets: a client
// still gets its connection acknowledged while the proxy is a black hole, and what it sends is acknowledged up to
// the size of the buffers. Use a Network where that difference matters.
type TCPProxy struct {
	tb    TB
	host  string
	enter func(func() error) error // calls where the proxy listens
	port  *port
	wg    sync.WaitGroup // accept loops and links

	mu        sync.Mutex
	target    string
	listener  net.Listener // nil while refusing
	links     map[*link]struct{}
	accepted  int
	delay     time.Duration
	hole      Direction
	intercept func(Direction, []byte) Verdict
	changed   chan struct{} // closed and replaced at every change of the faults
	closed    bool
}

// Proxy starts a proxy to the target, a HOST:PORT.
func Proxy(tb TB, target string) *TCPProxy {
	tb.Helper()
	return newProxy(tb, target, "127.0.0.1", func(f func() error) error { return f() })
}

// newProxy has the proxy listen on the host, where enter leads.
func newProxy(tb TB, target, host string, enter func(func() error) error) *TCPProxy {
	tb.Helper()
	p := &TCPProxy{tb: tb, target: target, host: host, enter: enter, links: map[*link]struct{}{}, changed: make(chan struct{})}
	var err error
	for range 5 {
		if err = enter(func() (err error) { p.port, err = reservePort(host); return err }); err != nil {
			break
		}
		if err = p.listen(); err == nil {
			break
		}
		p.port.release()
	}
	if err != nil {
		tb.Fatalf("proxy to %s: %v", target, err)
	}
	tb.Cleanup(p.close)
	return p
}

// Addr is the HOST:PORT that clients connect to.
func (p *TCPProxy) Addr() string { return net.JoinHostPort(p.host, p.port.String()) }

// Through returns a URL (or any text with the target's HOST:PORT in it) that leads through the proxy.
func (p *TCPProxy) Through(rawURL string) string {
	p.tb.Helper()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if !strings.Contains(rawURL, target) {
		p.tb.Fatalf("proxy: the URL does not name the target %s", target)
	}
	return strings.Replace(rawURL, target, p.Addr(), 1)
}

// Retarget sends new connections to another server.
func (p *TCPProxy) Retarget(target string) { p.change(func() { p.target = target }) }

// Delay delivers everything this much later, in both directions; the throughput stays.
func (p *TCPProxy) Delay(d time.Duration) { p.change(func() { p.delay = d }) }

// Blackhole delivers nothing that goes in the direction, not even the end of a connection, until Heal: then all of it
// arrives, as TCP would send it again. New connections get no further than the proxy.
func (p *TCPProxy) Blackhole(d Direction) { p.change(func() { p.hole = d }) }

// Intercept asks f about every piece of data that arrives, before any delay; nil stops asking. Pieces are what one read
// returned: small requests usually come as one. f may be called from several goroutines at once.
func (p *TCPProxy) Intercept(f func(Direction, []byte) Verdict) { p.change(func() { p.intercept = f }) }

// Heal ends every fault: delays, black holes, interceptors and refusal. Broken connections stay broken.
func (p *TCPProxy) Heal() {
	p.tb.Helper()
	p.change(func() { p.delay, p.hole, p.intercept = 0, 0, nil })
	p.Accept()
}

// Refuse turns new connections away ("connection refused"); the open ones go on.
func (p *TCPProxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// Accept ends Refuse.
func (p *TCPProxy) Accept() {
	p.tb.Helper()
	if err := p.listen(); err != nil {
		p.tb.Fatalf("proxy: %v", err)
	}
}

// Reset breaks every open connection with a RST on both sides.
func (p *TCPProxy) Reset() {
	for _, l := range p.open() {
		l.reset()
	}
}

// HalfClose ends the sending side of every open connection: after ToServer, the server reads an end of file
// while the client can still receive, and the other way round.
func (p *TCPProxy) HalfClose(d Direction) {
	for _, l := range p.open() {
		l.halfClose(d)
	}
}

// Open is the number of connections that are open now.
func (p *TCPProxy) Open() int { return len(p.open()) }

// Accepted is the number of connections that were ever accepted.
func (p *TCPProxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *TCPProxy) open() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

func (p *TCPProxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// held tells whether the proxy swallows the direction now, and gives a channel for the next change.
func (p *TCPProxy) held(d Direction) (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hole&d != 0, p.changed
}

func (p *TCPProxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.closed {
		return nil
	}
	var listener net.Listener
	if err := p.enter(func() (err error) { listener, err = net.Listen("tcp", p.Addr()); return err }); err != nil {
		return err
	}
	p.listener = listener
	p.wg.Go(func() { p.serve(listener) })
	return nil
}

func (p *TCPProxy) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.tb.Logf("proxy: accept: %v", err)
			}
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		l := &link{proxy: p, client: conn.(*net.TCPConn), ctx: ctx, cancel: cancel}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			l.reset()
			return
		}
		p.accepted++
		p.links[l] = struct{}{}
		p.wg.Go(l.run)
		p.mu.Unlock()
	}
}

func (p *TCPProxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// dial is not cancelled by a reset: the server may have accepted, and must then see the reset too. Its timeout only
// matters for a server that is stopped with a full queue.
func (p *TCPProxy) dial() (*net.TCPConn, error) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", target, err)
	}
	return conn.(*net.TCPConn), nil
}

func (p *TCPProxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Refuse()
	p.Reset()
	p.wg.Wait()
	p.port.release()
}
