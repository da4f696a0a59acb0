// Package wake is the follower's side of the leader's long-poll. It only ever changes how long a sleep lasts: what a follower
// does next is decided by the look that it takes afterwards.
//
//	asleep ── the leader: your turn ─────────────► look, the connection held until the look's own is closed
//	   ├───── the leader has no room for us ─────► ask it again, after five to ten seconds
//	   ├───── the leader is gone, or is silent ──► look, somewhere in the time that the crowd needs
//	   ├───── the lease would have run out ──────► the same
//	   └───── long enough ───────────────────────► look
//
// Guaranteed: never longer asleep than most, nor past the moment when the lease as it was last seen has run out, but for the
// spread of the crowd.
//
// Not guaranteed: that few look at once where the leader is gone: the spread (10 ms for each) fits a machine that is not busy.
//
// Clock: the follower's monotonic clock.
package wake

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// dialTimeout: an address that does not answer at once is as good as none.
	dialTimeout = 500 * time.Millisecond
	// share is what each waiter beside us adds to the time over which a crowd's looks are spread where no leader gives turns.
	share = 10 * time.Millisecond
	// patience multiplies the sleep while a leader holds our long-poll: it will tell us.
	patience = 5
	// calm is what each waiter beside us adds to that, so that a crowd looks some twenty times a second in all, and the migration
	// that it waits for goes on undisturbed. Where there are many hundreds, the end of the lease as each saw it comes first.
	calm = 50 * time.Millisecond
	// most is the longest sleep.
	most = 30 * time.Second
	// anew is how long a waiter whom the leader has no room for waits, half of it at least, before it asks again.
	anew = 10 * time.Second
	// silence of a leader that holds our long-poll is taken for a hang. It tells how many wait every four seconds.
	silence = 12 * time.Second
)

// Waiter is one follower, and what the leader says of the crowd that it waits in.
type Waiter struct {
	// Dial reaches the leader; nil is TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	crowd atomic.Int64
	held  atomic.Bool
}

// Held says that a leader holds our long-poll now.
func (w *Waiter) Held() bool { return w.held.Load() }

// Spread is the time over which the looks of the crowd are to be spread, as far as the leader has told by now.
func (w *Waiter) Spread() time.Duration { return time.Duration(w.crowd.Load()) * share }

// Sleep sleeps for d, but not beyond the time that the lease has left as it was last seen (0: nobody knows). Where address
// names a leader that answers long-polls, the sleep lasts longer, and ends when the leader says so or is gone.
//
// looked is not nil where the leader lets us look now and keeps the others waiting meanwhile: it is to be called once the look
// is over and its connection closed.
func (w *Waiter) Sleep(ctx context.Context, address string, d, left time.Duration) (looked func()) {
	began := time.Now()
	late := rand.Float64() // whoever saw the lease that old wakes at the same moment
	bound := func(d time.Duration) time.Duration {
		if left > 0 {
			d = min(d, left+time.Duration(late*float64(max(w.Spread(), share))))
		}
		return d
	}
	if address == "" {
		Pause(ctx, bound(d))
		return nil
	}
	// How many we are the leader says at once, and with it how long this sleep is to last.
	long := func() time.Duration { return bound(max(patience*d, min(time.Duration(w.crowd.Load())*calm, most))) }
	sleep, wake := context.WithCancel(ctx)
	defer wake()
	alarm := time.AfterFunc(long(), wake)
	defer alarm.Stop()
	told := func() { alarm.Reset(long() - time.Since(began)) }
	looked, said := w.poll(sleep, address, told)
	for said == full && sleep.Err() == nil {
		// There are thousands of us. Asking the leader costs the database nothing, and others make room as they are let look.
		Pause(sleep, anew/2+spread(anew/2))
		looked, said = w.poll(sleep, address, told)
	}
	switch {
	case said == nothing:
		Pause(ctx, bound(d)-time.Since(began))
	case looked == nil:
		Pause(sleep, spread(w.Spread()))
	}
	return looked
}

// answer is what became of a long-poll.
type answer int

const (
	nothing answer = iota // nobody answered
	full                  // the leader has no room for one more
	held                  // it held us
)

// spread is somewhere in the time that a crowd needs, whoever joined first: those that have waited for a while all joined last
// at some time.
func spread(d time.Duration) time.Duration { return rand.N(max(d, share)) }

// poll returns when the leader answers, or hangs up, or is silent for too long.
func (w *Waiter) poll(ctx context.Context, address string, told func()) (looked func(), said answer) {
	dial := w.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true, ResponseHeaderTimeout: dialTimeout}
	// The connection outlives the sleep where it is our turn.
	conn, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	asleep := context.AfterFunc(ctx, hangUp)
	done := func() { asleep(); hangUp(); transport.CloseIdleConnections() }
	req, err := http.NewRequestWithContext(conn, http.MethodGet, "http://"+address+"/wake?turn", nil)
	if err != nil {
		done()
		return nil, nothing
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		done()
		return nil, nothing
	}
	end := func() { _ = res.Body.Close(); done() } // only read
	said, turn := nothing, false
	switch res.StatusCode {
	case http.StatusOK:
		said, turn = w.listen(res.Body, hangUp, told)
		w.held.Store(false)
	case http.StatusServiceUnavailable:
		var crowd line
		if json.NewDecoder(res.Body).Decode(&crowd) == nil && crowd.Rank != nil {
			said = full
			w.count(crowd, told)
		}
	}
	if !turn || !asleep() {
		end()
		return nil, said
	}
	return end, said
}

// listen reads what the leader says; told is called whenever that is how many wait.
func (w *Waiter) listen(r io.Reader, hangUp, told func()) (said answer, turn bool) {
	silent := time.AfterFunc(silence, hangUp)
	defer silent.Stop()
	for lines := bufio.NewScanner(r); lines.Scan(); silent.Reset(silence) {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Rank == nil && said == nothing {
			return said, false
		}
		said = held
		w.held.Store(true)
		if l.Rank == nil {
			return said, l.Turn
		}
		w.count(l, told)
	}
	return said, false // the leader is gone
}

// line is what a leader says at a time: how many wait beside us, or that the wait is over, and whether it is our turn.
type line struct {
	Rank       *int64
	Woke, Turn bool
}

func (w *Waiter) count(l line, told func()) {
	w.crowd.Store(max(0, *l.Rank) + 1)
	told()
}

// Pause sleeps for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
