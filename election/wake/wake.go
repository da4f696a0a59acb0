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
	"time"
)

const (
	// dialTimeout: an address that does not answer at once is as good as none.
	dialTimeout = 500 * time.Millisecond
	// share is what each waiter beside us adds to the time over which a crowd's looks are spread, instead of meeting at the
	// database; a look costs a few milliseconds of it.
	share = 5 * time.Millisecond
	// patience multiplies the sleep while a leader holds our long-poll: it will tell us.
	patience = 5
)

// Sleep sleeps for d. Where address names a leader that answers long-polls, the sleep lasts up to five times as long, and
// ends early, each waiter somewhere in the time that the crowd needs, when the leader says so or is gone.
func Sleep(ctx context.Context, address string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience*d)
	defer cancel()
	began := time.Now()
	rank, held := 0, false
	if address != "" {
		rank, held = poll(ctx, address)
	}
	if held {
		// Not our rank itself: whoever polls again has joined last, and in a crowd that has waited for a while all ranks are high.
		pause(ctx, rand.N(time.Duration(rank+1)*share))
		return
	}
	pause(ctx, d-time.Since(began))
}

// poll returns when the leader answers, or hangs up; held is false where nobody answered at all.
func poll(ctx context.Context, address string) (rank int, held bool) {
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: dialTimeout}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/wake", nil)
	if err != nil {
		return 0, false
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, false
	}
	defer func() { _ = res.Body.Close() }() // only read
	lines := bufio.NewScanner(res.Body)
	if res.StatusCode != http.StatusOK || !lines.Scan() {
		return 0, false
	}
	var first struct{ Rank int }
	if json.Unmarshal(lines.Bytes(), &first) != nil {
		return 0, false
	}
	lines.Scan() // the second line, or the end of the leader
	return max(0, first.Rank), true
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
