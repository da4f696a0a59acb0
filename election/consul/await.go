package consul

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/election/wake"
)

const (
	// patience multiplies the sleep while Consul watches the key for us.
	patience = 5
	// spread is over how long those who were woken together look, a few milliseconds each, where the leader does not say how many.
	spread = 100 * time.Millisecond
	// again keeps a query that returns too early from being repeated in a tight loop.
	again = 100 * time.Millisecond
	// turns is how long a leader that has freed the key stays to let its waiters look a few at a time. Of those who still wait
	// then, it hangs, and whoever has ended its session leads.
	turns = 3 * time.Second
)

// Await sleeps until the lock becomes free, which a blocking query tells, or the leader's long-poll says that there is
// something to see, but not beyond the time when the lease has run out, nor, where no leader holds our long-poll, longer than
// five times d: Consul does not tell of a death for twice the TTL, the database does.
// Where the leader does not answer at its address, or Consul does not, it is d.
func (e *Elector) Await(ctx context.Context, r election.Rival, d time.Duration) (looked func()) {
	began := time.Now()
	left := lease.Left(r, e.timing)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watchers sync.WaitGroup
	if r.Address != "" {
		watchers.Go(func() {
			defer cancel()
			looked = e.waiter.Sleep(ctx, r.Address, d, left)
		})
	}
	watchers.Go(func() {
		ctx, stop := context.WithTimeout(ctx, bound(patience*d, left))
		defer stop()
		freed := e.watch(ctx)
		switch {
		case r.Address != "" && !freed: // the long-poll says how long
			return
		case e.waiter.Held(): // and lets us look when it is our turn
			wake.Pause(ctx, turns)
			fallthrough
		case freed:
			wake.Pause(ctx, rand.N(max(spread, e.waiter.Spread())))
		default:
			wake.Pause(ctx, bound(d, left)-time.Since(began))
		}
		cancel()
	})
	watchers.Wait()
	return looked
}

// bound is d, but not longer than a lease lasts.
func bound(d, left time.Duration) time.Duration {
	if left > 0 {
		return min(d, left)
	}
	return d
}

// watch returns true when the key was freed since it was last looked at, and false where Consul can't tell: it does not answer,
// or nobody has ever led. What was seen last is kept between calls, so that no release is missed between two sleeps, and
// none is told twice.
func (e *Elector) watch(ctx context.Context) (freed bool) {
	for ctx.Err() == nil {
		known := e.index.Load()
		q := &api.QueryOptions{WaitIndex: known}
		if deadline, ok := ctx.Deadline(); ok {
			// Consul adds up to a sixteenth; an answer in time spares the connection.
			q.WaitTime = max(time.Millisecond, time.Until(deadline)*15/16)
		}
		pair, meta, err := e.client.KV().Get(e.key, q.WithContext(ctx))
		if err != nil || pair == nil {
			return false
		}
		e.index.Store(meta.LastIndex)
		// A smaller index than before is news too: another Consul, or one that was restored.
		if known != 0 && meta.LastIndex != known && pair.Session == "" {
			return true
		}
		if known == meta.LastIndex {
			wake.Pause(ctx, again) // the wait is over, or was cut short
		}
	}
	return false
}
