package database

import (
	"context"
	"time"
)

type trustKey struct{}

// WithTrust hands an adapter whose writes only the lease protects the moment up to which the lead can be trusted. It moves
// with every renewal, so it is asked before each call to the server.
func WithTrust(ctx context.Context, deadline func() time.Time) context.Context {
	return context.WithValue(ctx, trustKey{}, deadline)
}

// Trust is how long the lead can still be trusted; ok is false where nobody said.
func Trust(ctx context.Context) (left time.Duration, ok bool) {
	deadline, ok := ctx.Value(trustKey{}).(func() time.Time)
	if !ok {
		return 0, false
	}
	return time.Until(deadline()), true
}
