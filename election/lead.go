package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/schemagate/schemagate/database"
)

// ErrHeld: somebody else holds the lease.
var ErrHeld = errors.New("held by another replica")

// ErrLost: the lease is gone, or can't be trusted any longer.
var ErrLost = errors.New("lead lost")

// Rival is what the database tells of whoever leads or led; an elector may use it to end a dead holder's session.
type Rival struct {
	Holder, Address, Token string
	// Dead: the database has proof, not a suspicion.
	Dead bool
	// Gone: its presence in the database is gone; after two renewals that it misses that is proof.
	Gone bool
	// Exclusive: its work is protected by the lease alone.
	Exclusive bool
	// Age is how long it had been silent, by the database's clock, when the database was asked.
	Age time.Duration
}

// RivalOf is whoever holds the lease, as a look has seen it; nobody where it is free.
func RivalOf(l database.Lease) Rival {
	if l.Holder == "" {
		return Rival{}
	}
	return Rival{Holder: l.Holder, Address: l.Address, Token: l.Token, Dead: l.Dead, Gone: l.Gone, Exclusive: l.Exclusive,
		Age: time.Duration(l.AgeMS) * time.Millisecond}
}

// Candidate is a replica as the other replicas see it.
type Candidate struct {
	// Holder is the random id of this attempt; never reused.
	Holder           string
	Replica, Release string
	Address          string
	// Exclusive: the work is protected by the lease alone, so a successor waits the full TTL.
	Exclusive bool
}

// Elector decides who tries. It gives progress, not safety.
type Elector interface {
	// Campaign makes one attempt and does not wait: ErrHeld where somebody else leads.
	Campaign(ctx context.Context, c Candidate, r Rival) (*Lead, error)
	// Await sleeps for d where nothing better is known. A notification shortens the sleep; a leader that answers long-polls
	// may stretch it, so that a crowd of followers does not keep the database busy. Where the leader lets this follower look
	// now, and others wait for that, looked is not nil: to be called once the look is over and its connection closed.
	Await(ctx context.Context, r Rival, d time.Duration) (looked func())
}

// Timing is how a lease is kept.
type Timing struct {
	// TTL is how long a silent holder's lease lasts, from before the last successful request was sent. Default 15s.
	TTL time.Duration
	// Interval is the time between renewals.
	Interval time.Duration
}

// NewTiming derives the renewal interval: half a second, or a tenth of a short TTL. A death is believed once two intervals
// have passed without a renewal, so the interval, and not the TTL, is what a takeover usually waits for.
func NewTiming(ttl time.Duration) (Timing, error) {
	if ttl < time.Second {
		return Timing{}, fmt.Errorf("a lease of %v is shorter than one second", ttl)
	}
	return Timing{TTL: ttl, Interval: min(ttl/10, 500*time.Millisecond)}, nil
}

// Renew extends the lease and returns when its context ends. ErrLost (wrapped) ends the lead at once; any other error is
// tried again until trust runs out.
type Renew func(ctx context.Context) error

// Lead is the right to try, for as long as it can be trusted.
type Lead struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	resign func(context.Context) error
	done   chan struct{}

	mu       sync.Mutex
	deadline time.Time   // on the monotonic clock
	expiry   *time.Timer // ends the lead on time, whatever the renewal under way does
}

// Keep starts renewing a lease that was acquired by a request sent at `since`. The goroutine it starts ends with the lead;
// Resign waits for it.
func Keep(since time.Time, t Timing, renew Renew, resign func(context.Context) error) *Lead {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &Lead{ctx: ctx, cancel: cancel, resign: resign, done: make(chan struct{}), deadline: since.Add(t.trust())}
	l.mu.Lock()
	l.expiry = time.AfterFunc(time.Until(l.deadline), func() { l.expire(t) })
	l.mu.Unlock()
	go l.keep(t, renew)
	return l
}

// trust is how long a lease is trusted: a tenth is left for clocks of different rates.
func (t Timing) trust() time.Duration { return t.TTL - t.TTL/10 }

// expire ends the lead, unless it was renewed since the timer was set.
func (l *Lead) expire(t Timing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := time.Until(l.deadline); left > 0 {
		l.expiry.Reset(left)
		return
	}
	l.cancel(fmt.Errorf("%w: not renewed for %v", ErrLost, t.trust()))
}

// extend trusts the lease for longer; a lead that is over stays over.
func (l *Lead) extend(sent time.Time, t Timing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := sent.Add(t.trust()); d.After(l.deadline) && time.Now().Before(l.deadline) {
		l.deadline = d
	}
}

func (l *Lead) keep(t Timing, renew Renew) {
	defer close(l.done)
	defer l.expiry.Stop()
	tick := time.NewTicker(t.Interval)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		}
		if l.ctx.Err() != nil { // both were ready
			return
		}
		// A renewal that hangs must not outlive the trust it is to extend (Consul issue 18271), and a slow one counts from
		// when it was sent.
		sent := time.Now()
		ctx, cancel := context.WithDeadline(l.ctx, l.Deadline())
		err := renew(ctx)
		cancel()
		switch {
		case err == nil:
			l.extend(sent, t)
		case errors.Is(err, ErrLost):
			l.cancel(err)
			return
		}
	}
}

// Deadline is until when the lead can be trusted, on the monotonic clock.
func (l *Lead) Deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// Alive says that the lead can be trusted now.
func (l *Lead) Alive() bool {
	return l.ctx.Err() == nil && time.Now().Before(l.Deadline())
}

// Context ends with the lead; its cause wraps ErrLost, or is context.Canceled after Resign.
func (l *Lead) Context() context.Context { return l.ctx }

// Resign stops renewing and gives the lease back; expiry is the backstop where that fails.
func (l *Lead) Resign(ctx context.Context) error {
	l.cancel(context.Canceled)
	<-l.done
	return l.resign(ctx)
}
