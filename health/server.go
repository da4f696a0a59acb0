package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrAddrInUse: another process on this host, or in this pod, has the address.
var ErrAddrInUse = errors.New("address already in use; set SCHEMAGATE_HTTP_ADDR to a free one, or to off")

// Options of a [Server]; the zero value is a good one.
type Options struct {
	// Token, where set, is asked of everything but the probes and /wake: as a bearer
	// token, or as the password of any user, which browsers ask for.
	Token string
	// ErrorLog gets what goes wrong with connections; nil drops it.
	ErrorLog *log.Logger
}

// limits are what a careless or hostile client can use up.
type limits struct {
	readHeader time.Duration // a probe sends its 100 bytes at once
	read       time.Duration
	write      time.Duration
	idle       time.Duration // shorter than a scrape interval: a new connection is cheap here
	shutdown   time.Duration // what is still being answered at the end
	wake       time.Duration
	beat       time.Duration // between the lines of a long-poll; a waiter takes three without one for a hang
	turn       time.Duration // for one look
	header     int           // browsers send one host's cookies to all its ports
	waiters    int64
	conns      int // in all
	silent     int // of them, between requests or before the first
}

var defaultLimits = limits{
	readHeader: 5 * time.Second,
	read:       5 * time.Second, // the same as readHeader saves a timer per request: there are no bodies
	write:      10 * time.Second,
	idle:       10 * time.Second,
	shutdown:   2 * time.Second,
	wake:       60 * time.Second,
	beat:       4 * time.Second,
	turn:       time.Second,
	header:     16 << 10,
	waiters:    2000,
	conns:      4000,
	silent:     1000,
}

// Server answers from a gate over HTTP. The order of use is Listen, then Serve once.
type Server struct {
	gate   *Gate
	token  *tokenCheck
	limits limits
	errors *log.Logger
	turns  chan struct{} // taken by those who look
	ln     net.Listener
}

// NewServer returns a server that does not listen yet. From now on the gate counts
// what it is told to observe.
func NewServer(gate *Gate, o Options) *Server {
	s := &Server{gate: gate, limits: defaultLimits, errors: o.ErrorLog, turns: make(chan struct{}, turns)}
	if o.Token != "" {
		s.token = newTokenCheck(o.Token)
	}
	if s.errors == nil {
		s.errors = log.New(io.Discard, "", 0)
	}
	gate.observed.Store(true)
	return s
}

// Listen takes the address, so that one in use is known before anything else is
// done: then the error is [ErrAddrInUse]. Connections wait in the kernel for Serve.
func (s *Server) Listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: %w", addr, ErrAddrInUse)
	}
	if err != nil {
		return fmt.Errorf("SCHEMAGATE_HTTP_ADDR: %w", err)
	}
	s.ln = ln
	return nil
}

// Addr is the address listened on, with its real port; empty before Listen.
func (s *Server) Addr() string {
	if s.ln == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// Serve answers until ctx ends, then lets running requests finish for a moment, ends
// every long-poll, and returns nil when all handlers have returned. It closes the
// listener in any case.
func (s *Server) Serve(ctx context.Context) error {
	if s.ln == nil {
		return errors.New("serve: not listening; call Listen first")
	}
	conns := newConns(s.limits.conns, s.limits.silent)
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.limits.readHeader,
		ReadTimeout:       s.limits.read,
		WriteTimeout:      s.limits.write,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    s.limits.header,
		ErrorLog:          s.errors,
		ConnState:         conns.track,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{})
	var ended, failed error
	go func() { defer close(done); ended = srv.Serve(listener{s.ln}) }()
	select {
	case <-done:
		failed = fmt.Errorf("serve %s: %w", s.Addr(), ended)
	case <-ctx.Done():
	}
	// Shutdown waits five seconds for a connection that has not sent anything yet.
	conns.closeSilent()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.shutdown)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close() // a client that does not read its answer must not hold up our end
	}
	<-done
	conns.wait()
	return failed
}
