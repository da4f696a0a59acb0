package consul

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/wake"
)

const (
	// patience multiplies the sleep while Consul watches the key for us.
	patience = 5
	// spread is over how long those who were woken together look, a few milliseconds each, where the leader does not say how many.
	spread = 100 * time.Millisecond
	// again keeps a query that returns too early from being repeated in a tight loop.
	again = 100 * time.Millisecond
)

// Await sleeps until the lock becomes free, which a blocking query tells, or the leader's long-poll says that there is
// something to see, but not longer than five times d: Consul does not tell of a death for twice the TTL, the database does.
// Where the leader does not answer at its address, or Consul does not, it is d.
func (e *Elector) Await(ctx context.Context, r election.Rival, d time.Duration) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience*d)
	defer cancel()
	var watchers sync.WaitGroup
	var waiter wake.Waiter
	if r.Address != "" {
		watchers.Go(func() {
			defer cancel()
			waiter.Sleep(ctx, r.Address, d)
		})
	}
	watchers.Go(func() {
		freed := e.watch(ctx)
		switch {
		case freed:
			pause(ctx, rand.N(max(spread, waiter.Spread())))
		case r.Address != "": // the long-poll says how long
			return
		default:
			pause(ctx, d-time.Since(began))
		}
		cancel()
	})
	watchers.Wait()
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
			pause(ctx, again) // the wait is over, or was cut short
		}
	}
	return false
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
