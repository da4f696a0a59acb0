package electiontest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/schemagate/schemagate/election"
)

// await runs Await and tells when it has returned.
func await(ctx context.Context, m *Member, r election.Rival, d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Await(ctx, r, d)
	}()
	return done
}

func mustReturn(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-within(t).Done():
		t.Fatalf("Await did not return %s", what)
	}
}

// awaitReturnsOnResign: a campaign that was refused knows the lock, and no release after it is missed, whenever it comes.
func (s Suite) awaitReturnsOnResign(t *testing.T) {
	if !s.Watches {
		t.Skip("this elector has nothing to watch but the leader's long-poll")
	}
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	// Resigned before the wait began.
	lead := mustWin(t, a, candidate("a"))
	r := e.Rival(t)
	mustBeHeld(t, b, r)
	if err := lead.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	mustReturn(t, await(within(t), b, r, long), "although the leader had resigned before")
	// Resigned at about the time when it began, or later.
	for range 3 {
		lead := mustWin(t, a, candidate("a"))
		mustBeHeld(t, b, e.Rival(t))
		done := await(within(t), b, e.Rival(t), long)
		if err := lead.Resign(within(t)); err != nil {
			t.Fatal(err)
		}
		mustReturn(t, done, "when the leader resigned")
	}
}

// awaitReturnsOnWake: the leader answers long-polls, as package health does.
func (s Suite) awaitReturnsOnWake(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	leader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{\"rank\":3}\n")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "{\"woke\":true}\n")
	}))
	t.Cleanup(leader.Close)
	c := candidate("a")
	c.Address = leader.Listener.Addr().String()
	mustWin(t, a, c)
	r := e.Rival(t)
	for range 5 { // a busy machine may miss the half second in which the leader must answer
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		b.Await(ctx, r, long)
		woken := ctx.Err() == nil
		cancel()
		if woken {
			return
		}
	}
	t.Fatal("Await did not return when the leader said so")
}

func (s Suite) awaitReturnsWhenContextEnds(t *testing.T) {
	e := s.Begin(t, long)
	a, b := e.Join(t), e.Join(t)
	mustWin(t, a, candidate("a"))
	ctx, cancel := context.WithCancel(t.Context())
	done := await(ctx, b, e.Rival(t), long)
	cancel()
	mustReturn(t, done, "when its context ended")
	mustReturn(t, await(ctx, b, e.Rival(t), long), "though its context had ended before")
}

func (s Suite) awaitReturnsWhereNobodyCanTell(t *testing.T) {
	e := s.Begin(t, long)
	a := e.Join(t)
	mustReturn(t, await(t.Context(), a, election.Rival{}, 10*time.Millisecond), "where nobody leads")
	a.kill()
	mustReturn(t, await(t.Context(), a, election.Rival{}, 10*time.Millisecond), "without a server")
	a.heal()
	a.silence()
	mustReturn(t, await(t.Context(), a, election.Rival{}, 10*time.Millisecond), "while the server hangs")
}
