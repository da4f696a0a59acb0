package health

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// waiter is one request to /wake whose first line has come.
type waiter struct {
	rank   int
	lines  *bufio.Reader
	cancel context.CancelFunc
	body   io.Closer
}

func (s *site) wait(t *testing.T) *waiter {
	t.Helper()
	return s.waitAt(t, "/wake")
}

func (s *site) waitAt(t *testing.T, path string) *waiter {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := s.client.Do(s.request(t, http.MethodGet, path).WithContext(ctx))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	w := &waiter{lines: bufio.NewReader(resp.Body), cancel: cancel, body: resp.Body}
	var first struct {
		Rank *int `json:"rank"`
	}
	line, err := w.lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &first) != nil || first.Rank == nil {
		t.Fatalf("first line %q, %v", line, err)
	}
	w.rank = *first.Rank
	return w
}

func (w *waiter) woken(t *testing.T) {
	t.Helper()
	rest, err := io.ReadAll(w.lines)
	if err != nil || string(rest) != "{\"woke\":true}\n" {
		t.Errorf("rest %q, %v", rest, err)
	}
	w.cancel()
}

// left returns when only n wait; a handler's end is not signalled to anybody.
func (g *Gate) left(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for g.waiters.Load() != n {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%d waiters, want %d", g.waiters.Load(), n)
		}
	}
}

func TestWakeEnds(t *testing.T) {
	for name, c := range map[string]struct {
		from State
		end  func(*Gate)
	}{
		"waiting, then open":   {Waiting, func(g *Gate) { g.Update(opened) }},
		"migrating, then open": {Migrating, func(g *Gate) { g.Update(opened) }},
		"then failed":          {Migrating, func(g *Gate) { g.Update(to(Failed)) }},
		"then closed":          {Migrating, func(g *Gate) { g.Update(to(Closed)) }},
		"woken":                {Migrating, (*Gate).Dismiss},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewGate()
			g.Update(to(c.from))
			s := serve(t, g, Options{})
			w := s.wait(t)
			g.Update(func(s *Status) { s.Applied++ }) // progress wakes nobody
			if w.lines.Buffered() != 0 {
				t.Error("woken by progress")
			}
			c.end(g)
			w.woken(t)
			g.left(t, 0)
		})
	}
}

func TestWakeHoldsThroughTheRound(t *testing.T) {
	// If a change from waiting to migrating ended the round, the follower would be
	// gone before the next one joined, and that one's rank were 0.
	g := NewGate()
	s := serve(t, g, Options{})
	first := s.wait(t)
	g.Update(to(Migrating))
	g.Update(to(Waiting))
	second := s.wait(t)
	if first.rank != 0 || second.rank != 1 {
		t.Errorf("ranks %d, %d", first.rank, second.rank)
	}
	g.Update(opened)
	first.woken(t)
	second.woken(t)
}

func TestWakeOutsideARound(t *testing.T) {
	g := openGate(t)
	s := serve(t, g, Options{})
	s.wait(t).woken(t)
	g.Update(to(Migrating))
	w := s.wait(t) // a round again
	g.left(t, 1)
	g.Dismiss()
	w.woken(t)
	s.wait(t).woken(t) // and none after it
	g.Update(opened)
	g.Update(to(Migrating))
	s.wait(t).woken(t)
}

// TestTurnstile: as many as may look at once do, each of the others when one has hung up, or has been silent for too long.
func TestTurnstile(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{}, func(l *limits) { l.turn = time.Hour })
	const crowd = 3 * turns
	told := make(chan *waiter, crowd)
	for range crowd {
		w := s.waitAt(t, "/wake?turn")
		go func() {
			line, err := w.lines.ReadString('\n')
			if err == nil && line != "{\"woke\":true,\"turn\":true}\n" {
				t.Errorf("it says %q", line)
			}
			if err == nil { // else the test is over
				told <- w
			}
		}()
	}
	g.Update(opened)
	var looking []*waiter
	for range turns {
		looking = append(looking, <-told)
	}
	for range crowd - turns {
		if n := len(s.turns); n != turns || len(told) > 0 {
			t.Fatalf("%d turns are taken, and %d more look", n, len(told))
		}
		looking[0].cancel() // it has looked, or was killed
		looking = append(looking[1:], <-told)
	}
	for _, w := range looking {
		w.cancel()
	}
	g.Through(t.Context())
}

// TestTurnstileOutlastsAHang: a waiter that hangs in its turn does not stop the others.
func TestTurnstileOutlastsAHang(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{}, func(l *limits) { l.turn = 10 * time.Millisecond })
	var waiters []*waiter
	for range 3 * turns {
		waiters = append(waiters, s.waitAt(t, "/wake?turn"))
	}
	g.Update(opened)
	g.Through(t.Context()) // though none of them hangs up
	for _, w := range waiters {
		if line, err := w.lines.ReadString('\n'); err != nil || line != "{\"woke\":true,\"turn\":true}\n" {
			t.Errorf("%q, %v", line, err)
		}
	}
}

// TestWakeBeats: a waiter is told how many there are, and that the leader is not hung.
func TestWakeBeats(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{}, func(l *limits) { l.beat = 10 * time.Millisecond })
	first := s.waitAt(t, "/wake?turn")
	s.wait(t)
	for {
		line, err := first.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "{\"rank\":1}\n" {
			return
		}
	}
}

func TestWakeRanks(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{})
	waiters := make([]*waiter, 300)
	var ranks []int
	for i := range waiters {
		waiters[i] = s.wait(t)
		ranks = append(ranks, waiters[i].rank)
	}
	slices.Sort(ranks)
	for i, r := range ranks {
		if r != i {
			t.Fatalf("rank %d is missing or double: %v", i, ranks)
		}
	}
	if code, _ := s.get(t, "/readyz"); code != 503 {
		t.Errorf("readyz beside waiters: %d", code)
	}
	g.Update(opened)
	for _, w := range waiters {
		w.woken(t)
	}
	g.left(t, 0)
}

func TestWakeIsBounded(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{}, func(l *limits) { l.waiters = 2 })
	first := s.wait(t)
	s.wait(t)
	resp, _ := s.do(t, http.MethodGet, "/wake")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if resp, body := s.do(t, http.MethodHead, "/wake"); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %s", resp.Status)
	}
	first.cancel() // one that goes makes room, without waiting for the round's end
	g.left(t, 1)
	s.wait(t)
}

func TestWakeOutlastsTheServersTimeouts(t *testing.T) {
	short := 500 * time.Millisecond // a request has to arrive within it, on a busy machine too
	t.Run("until it is woken", func(t *testing.T) {
		g := NewGate()
		s := serve(t, g, Options{}, func(l *limits) { l.read, l.write, l.readHeader, l.idle = short, short, short, short })
		w := s.wait(t)
		<-time.After(2 * short) // the timeouts themselves are what has to pass
		g.left(t, 1)
		g.Update(opened)
		w.woken(t)
	})
	t.Run("until its own", func(t *testing.T) {
		g := NewGate()
		s := serve(t, g, Options{}, func(l *limits) { l.wake = short })
		s.wait(t).woken(t)
		g.left(t, 0)
	})
}

func TestWakeEndsWithTheServer(t *testing.T) {
	g := NewGate()
	s := serve(t, g, Options{})
	waiters := []*waiter{s.wait(t), s.wait(t), s.wait(t)}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if n := g.waiters.Load(); n != 0 {
		t.Errorf("%d handlers were left behind", n)
	}
	for _, w := range waiters {
		w.woken(t)
	}
	resp, err := s.client.Do(s.request(t, http.MethodGet, "/livez"))
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
