package mysql

import (
	"context"
	"strings"
	"sync"

	"github.com/schemagate/schemagate/database"
)

const acquireSQL = `update $lease l set l.holder = $holder, l.replica = $replica, l.` + "`release`" + ` = $release, l.address = $address, l.token = $token,
  l.exclusive = $exclusive, l.conn = connection_id(), l.server = concat(@@hostname, ':', @@port), l.owner = substring_index(current_user(), '@', 1),
  l.renewed_at = utc_timestamp(6), l.ttl_us = $ttl, l.renewal_us = $renewal
where l.service = $service and ($force or l.holder in ('', $holder) or ` + age + ` >= l.ttl_us or ` + dead + `)`

// Acquire takes the lease if it is free, has run out, or its holder is provably dead. The connection it opens is the holder's
// presence: it renews there, and the row names it, so that the server itself can tell when the holder is gone.
func (d *DB) Acquire(ctx context.Context, c database.Claim) (database.Holding, error) {
	h := &holding{db: d, claim: c}
	if err := h.write(ctx); err != nil {
		h.close()
		return nil, err
	}
	h.claim.Force = false // it was for winning; who renews on a new presence must not take the lease from a later winner
	return h, nil
}

type holding struct {
	db    *DB
	claim database.Claim

	mu   sync.Mutex // Renew and Release come from different goroutines
	conn *conn
}

func (h *holding) connect(ctx context.Context) error {
	h.close()
	conn, err := h.db.connect(ctx)
	if err != nil {
		return err
	}
	h.conn = conn
	return conn.behave(ctx)
}

// write acquires, or renews on a new presence where the old one broke.
func (h *holding) write(ctx context.Context) error {
	if err := h.connect(ctx); err != nil {
		return err
	}
	c, flag := h.claim, map[bool]string{false: "0", true: "1"}
	return h.held(h.conn.exec(ctx, strings.NewReplacer("$lease", h.db.table("lease"), "$holder", lit(c.Holder), "$replica", lit(c.Replica), "$release", lit(c.Release),
		"$address", lit(c.Address), "$token", lit(c.Token), "$exclusive", flag[c.Exclusive], "$ttl", num(h.db.opt.LeaseTTL.Microseconds()),
		"$renewal", num(h.db.opt.Interval.Microseconds()), "$force", flag[c.Force], "$service", lit(h.db.opt.Service)).Replace(acquireSQL)))
}

// held: the row that the statement was to meet is the holder's own.
func (h *holding) held(rows int64, err error) error {
	if err != nil {
		return classify(err)
	}
	if rows == 0 {
		return database.ErrHeld
	}
	return nil
}

// Renew extends the lease; it reconnects where the presence broke, and keeps the lease only while nobody else took it.
func (h *holding) Renew(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil || h.conn.broken {
		return h.write(ctx)
	}
	return h.held(h.conn.exec(ctx, "UPDATE "+h.db.table("lease")+" SET renewed_at = utc_timestamp(6)"+h.db.mine()+" AND holder = "+lit(h.claim.Holder)))
}

// Release gives the lease back; after it Renew must not be called.
func (h *holding) Release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.close()
	if h.conn == nil || h.conn.broken {
		if err := h.connect(ctx); err != nil {
			return err
		}
	}
	return h.conn.run(ctx, "UPDATE "+h.db.table("lease")+" SET holder = '', address = '', token = ''"+h.db.mine()+" AND holder = "+lit(h.claim.Holder))
}

func (h *holding) close() {
	if h.conn != nil {
		h.conn.close()
		h.conn = nil
	}
}

var (
	_ database.Database = (*DB)(nil)
	_ database.Leases   = (*DB)(nil)
)
