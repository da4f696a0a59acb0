// Package wake is the follower's side of the leader's long-poll. It only ever changes how long a sleep lasts: what a follower
// does next is decided by the look that it takes afterwards.
package wake

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// dialTimeout: an address that does not answer at once is as good as none.
	dialTimeout = 500 * time.Millisecond
	// share is what each waiter beside us adds to the time over which a crowd's looks are spread, instead of meeting at the
	// database; a look costs a few milliseconds of it.
	share = 10 * time.Millisecond
	// patience multiplies the sleep while a leader holds our long-poll: it will tell us.
	patience = 5
)

// Waiter is one sleep, and what the leader says of the crowd meanwhile.
type Waiter struct{ crowd atomic.Int64 }

// Spread is the time over which the looks of the crowd are to be spread, as far as the leader has told by now.
func (w *Waiter) Spread() time.Duration { return time.Duration(w.crowd.Load()) * share }

// Sleep is that of a waiter whose crowd concerns nobody else.
func Sleep(ctx context.Context, address string, d time.Duration) { new(Waiter).Sleep(ctx, address, d) }

// Sleep sleeps for d. Where address names a leader that answers long-polls, the sleep lasts up to five times as long, and
// ends early, each waiter somewhere in the time that the crowd needs, when the leader says so or is gone.
func (w *Waiter) Sleep(ctx context.Context, address string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience*d)
	defer cancel()
	began := time.Now()
	if address != "" && w.poll(ctx, address) {
		// Not by our rank itself: whoever polls again has joined last, and in a crowd that has waited for a while all ranks are high.
		pause(ctx, rand.N(w.Spread()))
		return
	}
	pause(ctx, d-time.Since(began))
}

// poll returns when the leader answers, or hangs up; held is false where nobody answered at all.
func (w *Waiter) poll(ctx context.Context, address string) (held bool) {
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: dialTimeout}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/wake", nil)
	if err != nil {
		return false
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }() // only read
	lines := bufio.NewScanner(res.Body)
	if res.StatusCode != http.StatusOK || !lines.Scan() {
		return false
	}
	var first struct{ Rank int }
	if json.Unmarshal(lines.Bytes(), &first) != nil {
		return false
	}
	w.crowd.Store(max(0, int64(first.Rank)) + 1)
	lines.Scan() // the second line, or the end of the leader
	return true
}

func pause(ctx context.Context, d time.Duration) {
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
