package servers

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection through a proxy. Per direction, one goroutine reads and one writes what is due.
type link struct {
	proxy  *TCPProxy
	ctx    context.Context // ends with the link
	cancel context.CancelFunc

	mu     sync.Mutex
	client *net.TCPConn
	server *net.TCPConn // nil until dialled
	ended  bool         // HalfClose(ToServer) was called
}

// parcel is a piece of data on its way, or the end of the stream.
type parcel struct {
	data []byte
	due  time.Time
	end  error // io.EOF for an orderly end
}

func (l *link) run() {
	defer l.proxy.forget(l)
	defer l.cancel()
	if !l.waitOpen(Both) {
		return
	}
	server, err := l.proxy.dial()
	if err != nil {
		l.reset() // the client sees a closed port soon enough
		return
	}
	l.mu.Lock()
	l.server = server
	if l.ended {
		_ = server.CloseWrite()
	}
	l.mu.Unlock()
	if l.ctx.Err() != nil { // reset while dialling
		l.reset()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.pump(ToServer, l.client, server) })
	wg.Go(func() { l.pump(ToClient, server, l.client) })
	wg.Wait()
	_ = l.client.Close()
	_ = server.Close()
}

// pump moves one direction until its end was delivered or the link broke.
func (l *link) pump(d Direction, from, to *net.TCPConn) {
	queue := make(chan parcel, 64)
	var reader sync.WaitGroup
	reader.Go(func() { l.read(d, from, queue) })
	defer reader.Wait()
	for p := range queue {
		if !l.waitUntil(p.due) || !l.waitOpen(d) {
			return
		}
		switch {
		case errors.Is(p.end, io.EOF):
			_ = to.CloseWrite()
		case p.end != nil:
			l.reset()
		default:
			if _, err := to.Write(p.data); err != nil {
				l.reset()
			}
		}
	}
}

func (l *link) read(d Direction, from *net.TCPConn, queue chan<- parcel) {
	defer close(queue)
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		l.proxy.mu.Lock()
		due, intercept := time.Now().Add(l.proxy.delay), l.proxy.intercept
		l.proxy.mu.Unlock()
		var parcels []parcel
		if n > 0 {
			verdict := Forward
			if intercept != nil {
				verdict = intercept(d, buf[:n])
			}
			switch verdict {
			case Cut:
				l.reset()
				return
			case Swallow:
			default:
				parcels = append(parcels, parcel{data: buf[:n], due: due})
			}
		}
		if err != nil {
			parcels = append(parcels, parcel{end: err, due: due})
		}
		for _, p := range parcels {
			select {
			case queue <- p:
			case <-l.ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// waitUntil returns false when the link broke meanwhile.
func (l *link) waitUntil(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return l.ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// waitOpen waits for the end of a black hole; it returns false when the link broke meanwhile.
func (l *link) waitOpen(d Direction) bool {
	for {
		held, changed := l.proxy.held(d)
		if !held {
			return l.ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-l.ctx.Done():
			return false
		}
	}
}

// reset breaks the link. Without lingering, closing sends a RST.
func (l *link) reset() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}

func (l *link) halfClose(d Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d&ToServer != 0 {
		l.ended = true
		if l.server != nil {
			_ = l.server.CloseWrite()
		}
	}
	if d&ToClient != 0 {
		_ = l.client.CloseWrite()
	}
}
