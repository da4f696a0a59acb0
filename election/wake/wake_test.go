package wake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/election/wake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long is a sleep that no test outlives: whoever returns from it was woken.
const long = time.Hour

// leader answers long-polls with f, and tells its address.
func leader(t *testing.T, f func(w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wake" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		f(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// hold sends the first line and keeps the waiter.
func hold(w http.ResponseWriter, first string) {
	_, _ = io.WriteString(w, first)
	_ = http.NewResponseController(w).Flush()
}

// raw is a server that does not get as far as HTTP.
func raw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			f(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// woken sleeps until the leader ends it. The dial and the first line have half a second each, which a busy machine may miss now and then.
func woken(t *testing.T, address string) {
	t.Helper()
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		new(wake.Waiter).Sleep(ctx, address, long, 0)
		slept := ctx.Err() != nil
		cancel()
		if !slept {
			return
		}
	}
	t.Fatal("not woken")
}

// TestWoken: each of these returns from a sleep that no test outlives.
func TestWoken(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(w http.ResponseWriter, r *http.Request){
		"the leader says so":      func(w http.ResponseWriter, _ *http.Request) { hold(w, "{\"rank\":3}\n{\"woke\":true}\n") },
		"the leader says no more": func(w http.ResponseWriter, _ *http.Request) { hold(w, "{\"rank\":0}\n") },
		"the leader is killed": func(w http.ResponseWriter, _ *http.Request) {
			hold(w, "{\"rank\":0}\n")
			panic(http.ErrAbortHandler) // breaks the connection
		},
		"a rank below zero": func(w http.ResponseWriter, _ *http.Request) { hold(w, "{\"rank\":-1000000}\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			woken(t, leader(t, f))
		})
	}
}

// TestACrowdIsSpread: all of a crowd that has waited for a while joined last at some time, and have the same rank.
func TestACrowdIsSpread(t *testing.T) {
	t.Parallel()
	address := leader(t, func(w http.ResponseWriter, _ *http.Request) { hold(w, "{\"rank\":100}\n") })
	var mu sync.Mutex
	var first, last time.Time
	var crowd sync.WaitGroup
	for range 20 {
		crowd.Go(func() {
			new(wake.Waiter).Sleep(t.Context(), address, time.Minute, 0)
			mu.Lock()
			defer mu.Unlock()
			last = time.Now()
			if first.IsZero() {
				first = last
			}
		})
	}
	crowd.Wait()
	if spread := last.Sub(first); spread < 200*time.Millisecond {
		t.Errorf("they looked within %v of each other", spread)
	}
}

// TestNobodyKnowsBetter: where no leader answers, the sleep is as long as it was to be.
func TestNobodyKnowsBetter(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"no address":      func(*testing.T) string { return "" },
		"no such address": func(*testing.T) string { return "not an address%" },
		"no such host":    func(*testing.T) string { return "leader.invalid:8099" },
		"refused": func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			return l.Addr().String()
		},
		"too many waiters": func(t *testing.T) string {
			return leader(t, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "look by yourself", http.StatusServiceUnavailable)
			})
		},
		"another server": func(t *testing.T) string {
			return leader(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "<html>") })
		},
		"an empty answer": func(t *testing.T) string {
			return leader(t, func(http.ResponseWriter, *http.Request) {})
		},
		"not HTTP": func(t *testing.T) string {
			return raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 mail\r\n") })
		},
		"hangs up": func(t *testing.T) string { return raw(t, func(net.Conn) {}) },
		"says nothing": func(t *testing.T) string {
			return raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) // until we give up
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const d = 200 * time.Millisecond
			address := address(t)
			began := time.Now()
			new(wake.Waiter).Sleep(t.Context(), address, d, 0)
			if slept := time.Since(began); slept < d {
				t.Errorf("slept %v, want %v", slept, d)
			}
		})
	}
}

// TestPatience: a leader that keeps us stretches the sleep, but not for ever.
func TestPatience(t *testing.T) {
	t.Parallel()
	address := leader(t, func(w http.ResponseWriter, r *http.Request) {
		hold(w, "{\"rank\":0}\n")
		<-r.Context().Done()
	})
	const d = 50 * time.Millisecond
	began := time.Now()
	new(wake.Waiter).Sleep(t.Context(), address, d, 0)
	if slept := time.Since(began); slept < 5*d {
		t.Errorf("slept %v, want %v", slept, 5*d)
	}
}

// TestTurn: while a waiter looks it holds the connection, though its sleep is over.
func TestTurn(t *testing.T) {
	t.Parallel()
	hungUp := make(chan struct{})
	address := leader(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "turn" {
			t.Errorf("it does not ask for its turn: %s", r.URL)
		}
		hold(w, "{\"rank\":0}\n{\"rank\":1}\n{\"woke\":true,\"turn\":true}\n")
		<-r.Context().Done()
		hungUp <- struct{}{}
	})
	for range 5 { // the dial and the first line have half a second each
		var w wake.Waiter
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		looked := w.Sleep(ctx, address, long, 0)
		cancel()
		if looked == nil {
			continue
		}
		if w.Held() || w.Spread() != 20*time.Millisecond {
			t.Errorf("held %v, spread %v", w.Held(), w.Spread())
		}
		select {
		case <-hungUp:
			t.Error("it hung up before it had looked")
		case <-time.After(100 * time.Millisecond):
			looked()
			<-hungUp
		}
		return
	}
	t.Fatal("it was nobody's turn")
}

// TestHungLeader: one that is stopped keeps its connections open.
func TestHungLeader(t *testing.T) {
	t.Parallel()
	new(wake.Waiter).Sleep(t.Context(), leader(t, func(w http.ResponseWriter, r *http.Request) {
		hold(w, "{\"rank\":0}\n")
		<-r.Context().Done()
	}), long, 0)
}

// TestLeaseRunsOut: nobody sleeps beyond the end of the lease, whoever holds the long-poll.
func TestLeaseRunsOut(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", leader(t, func(w http.ResponseWriter, r *http.Request) {
		hold(w, "{\"rank\":0}\n")
		<-r.Context().Done()
	})} {
		new(wake.Waiter).Sleep(t.Context(), address, long, 50*time.Millisecond)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	stop := errors.New("asked to stop")
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		new(wake.Waiter).Sleep(ctx, "", long, 0)
		new(wake.Waiter).Sleep(ctx, leader(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), long, 0)
	})
	t.Run("while the leader holds us", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		new(wake.Waiter).Sleep(ctx, leader(t, func(w http.ResponseWriter, r *http.Request) {
			hold(w, "{\"rank\":0}\n")
			cancel(stop)
			<-r.Context().Done()
		}), long, 0)
	})
	t.Run("before its first line", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		new(wake.Waiter).Sleep(ctx, leader(t, func(_ http.ResponseWriter, r *http.Request) {
			cancel(stop)
			<-r.Context().Done()
		}), long, 0)
	})
	t.Run("asleep", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, stop)
		defer cancel()
		new(wake.Waiter).Sleep(ctx, "", long, 0)
	})
}
