// Package lease elects by the lease that the target database keeps.
//
// Guaranteed: as election.Lead promises, on the holder's monotonic clock; the database judges expiry on its own clock.
// Not guaranteed: exclusion beyond that trust; the fence sees to it.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/wake"
)

// Elector campaigns for the database's lease.
type Elector struct {
	Leases database.Leases
	Timing election.Timing
	Waiter wake.Waiter
}

// Campaign makes one attempt.
func (e *Elector) Campaign(ctx context.Context, c election.Candidate, _ election.Rival) (*election.Lead, error) {
	sent := time.Now()
	h, err := e.Leases.Acquire(ctx, Claim(c))
	if errors.Is(err, database.ErrHeld) {
		return nil, election.ErrHeld
	}
	if err != nil {
		return nil, err
	}
	return election.Keep(sent, e.Timing, Renew(h), h.Release), nil
}

// Await sleeps, unless the leader's long-poll says otherwise.
func (e *Elector) Await(ctx context.Context, r election.Rival, d time.Duration) (looked func()) {
	return e.Waiter.Sleep(ctx, r.Address, d, Left(r, e.Timing))
}

// soon is how long a rival is waited for of which the next look may prove that it is dead.
const soon = 20 * time.Millisecond

// Left is how long a rival's lease lasts if it is not renewed any more: a successor has something to look at then. It is to be
// had early where the rival's presence is gone, once two renewals are missed. 0: nobody holds it, or it has run out and is not
// to be had all the same.
func Left(r election.Rival, t election.Timing) time.Duration {
	switch {
	case r.Holder == "":
		return 0
	case r.Gone && !r.Dead:
		return max(soon, 2*t.Interval-r.Age+soon)
	}
	return max(0, t.TTL-r.Age)
}

// Claim is the candidate in the database's words.
func Claim(c election.Candidate) database.Claim {
	return database.Claim{Holder: c.Holder, Replica: c.Replica, Release: c.Release, Address: c.Address, Exclusive: c.Exclusive}
}

// Renew extends the holding, and calls a lease that somebody else took a lost lead.
func Renew(h database.Holding) election.Renew {
	return func(ctx context.Context) error {
		err := h.Renew(ctx)
		if errors.Is(err, database.ErrHeld) {
			return fmt.Errorf("%w: another replica has taken the lease", election.ErrLost)
		}
		return err
	}
}
