package health

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// conns bounds a server's connections. Where there are too many silent ones (idle, or
// not done with their first request's header), the oldest makes way: a probe that
// comes later still gets its answer, which a bound at accepting would deny it.
type conns struct {
	max, maxSilent int

	mu      sync.Mutex
	total   int
	silent  *list.List // of net.Conn, the oldest first
	place   map[net.Conn]*list.Element
	ending  bool
	serving sync.WaitGroup
}

func newConns(max, maxSilent int) *conns {
	return &conns{max: max, maxSilent: maxSilent, silent: list.New(), place: map[net.Conn]*list.Element{}}
}

// track is an http.Server's ConnState hook. A closed connection comes back here as
// StateClosed, from its own goroutine, once its handler has returned.
func (c *conns) track(nc net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.serving.Add(1)
		c.total++
		if c.total > c.max {
			nc.Close()
			return
		}
		c.hush(nc)
	case http.StateIdle:
		c.hush(nc)
	case http.StateActive:
		c.forget(nc)
	case http.StateClosed, http.StateHijacked:
		c.forget(nc)
		c.total--
		c.serving.Done()
	}
}

func (c *conns) hush(nc net.Conn) {
	if c.ending {
		nc.Close()
		return
	}
	c.place[nc] = c.silent.PushBack(nc)
	if c.silent.Len() > c.maxSilent {
		oldest := c.silent.Front().Value.(net.Conn)
		c.forget(oldest)
		oldest.Close()
	}
}

func (c *conns) forget(nc net.Conn) {
	if e, ok := c.place[nc]; ok {
		c.silent.Remove(e)
		delete(c.place, nc)
	}
}

// closeSilent ends the silent connections, now and from now on.
func (c *conns) closeSilent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	for nc := range c.place {
		c.forget(nc)
		nc.Close()
	}
}

// wait returns when the last connection's goroutine is done; no new one may come.
func (c *conns) wait() { c.serving.Wait() }
