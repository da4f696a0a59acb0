package database

import (
	"context"
	"errors"
)

// ErrHeld: the lease is somebody else's.
var ErrHeld = errors.New("the lease is held")

// Claim is what a candidate writes into the lease.
type Claim struct {
	// Holder is the random id of this attempt; never reused.
	Holder           string
	Replica, Release string
	Address, Token   string
	// Exclusive: what the lease protects, it protects alone, so nobody takes it before it has run out.
	Exclusive bool
	// Force takes the lease whoever holds it: another elector decides, and the row only makes its winner visible.
	Force bool
}

// Leases is the right to try, kept in the database.
type Leases interface {
	// Acquire takes the lease if it is free, has run out, or its holder is provably dead; else ErrHeld.
	Acquire(ctx context.Context, c Claim) (Holding, error)
}

// Holding is a lease that was acquired. Renew and Release may be called from different goroutines.
type Holding interface {
	// Renew returns ErrHeld where somebody else has taken the lease.
	Renew(ctx context.Context) error
	// Release gives the lease back; Renew is not called after it.
	Release(ctx context.Context) error
}
