package health

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// conns bounds a server's connections. Where there are too many silent ones (idle, or
// not done with their first request's header), the oldest makes way: a probe that
// comes later still gets its answer, which a bound at accepting would deny it.
//
// A request on an open connection takes no lock and allocates nothing; a new
// connection pays for that, where there are too many, by looking through all of them.
type conns struct {
	max       int
	maxSilent int64

	silences atomic.Int64 // so far: they number each other
	silent   atomic.Int64 // connections that are
	ending   atomic.Bool

	mu      sync.Mutex
	open    map[*conn]struct{}
	serving sync.WaitGroup
}

// conn is a connection that knows its silence by number: spoken while it is asked
// something, madeWay once it had to.
type conn struct {
	net.Conn
	since atomic.Int64
}

const (
	spoken  = 0
	madeWay = -1
)

func newConns(max, maxSilent int) *conns {
	return &conns{max: max, maxSilent: int64(maxSilent), open: map[*conn]struct{}{}}
}

// listener hands out connections that can be tracked.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: nc}, nil
}

// track is an http.Server's ConnState hook. A closed connection comes back here as
// StateClosed, from its own goroutine, once its handler has returned.
func (c *conns) track(nc net.Conn, state http.ConnState) {
	x := nc.(*conn)
	switch state {
	case http.StateNew:
		c.serving.Add(1)
		c.mu.Lock()
		c.open[x] = struct{}{}
		full := len(c.open) > c.max
		c.mu.Unlock()
		if full {
			x.Close()
			return
		}
		c.hush(x)
	case http.StateIdle:
		c.hush(x)
	case http.StateActive:
		c.asked(x)
	case http.StateClosed, http.StateHijacked:
		c.asked(x)
		c.mu.Lock()
		delete(c.open, x)
		c.mu.Unlock()
		c.serving.Done()
	}
}

func (c *conns) hush(x *conn) {
	n := c.silent.Add(1)
	x.since.Store(c.silences.Add(1))
	if c.ending.Load() {
		c.end(x, x.since.Load())
		return
	}
	for ; n > c.maxSilent; n = c.silent.Load() {
		oldest, since := c.oldest()
		if oldest == nil {
			return
		}
		c.end(oldest, since)
	}
}

func (c *conns) asked(x *conn) {
	if x.since.Swap(spoken) > spoken {
		c.silent.Add(-1)
	}
}

// end closes a connection, if its silence still lasts.
func (c *conns) end(x *conn, since int64) {
	if since > spoken && x.since.CompareAndSwap(since, madeWay) {
		c.silent.Add(-1)
		x.Close()
	}
}

func (c *conns) oldest() (oldest *conn, since int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := range c.open {
		if s := x.since.Load(); s > spoken && (oldest == nil || s < since) {
			oldest, since = x, s
		}
	}
	return oldest, since
}

// closeSilent ends the silent connections, now and from now on.
func (c *conns) closeSilent() {
	c.ending.Store(true) // before the look: whoever falls silent behind it sees this
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := range c.open {
		c.end(x, x.since.Load())
	}
}

// wait returns when the last connection's goroutine is done; no new one may come.
func (c *conns) wait() { c.serving.Wait() }
