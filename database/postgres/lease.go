package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

const acquireSQL = `update $lease set holder = $2, replica = $3, release = $4, address = $5, token = $6, exclusive = $7::boolean,
  pid = case when $8::boolean then pg_catalog.pg_backend_pid() end,
  backend_start = (select backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())),
  renewed_at = clock_timestamp(), ttl = make_interval(secs => $9::float8), renewal = make_interval(secs => $10::float8)
where service = $1 and ($11::boolean or holder in ('', $2) or clock_timestamp() - renewed_at >= ttl
  or (not exclusive and clock_timestamp() - renewed_at > renewal * 2 and pid is not null
    and not exists (select from pg_catalog.pg_stat_get_activity(pid) a where a.backend_start = $lease_row.backend_start or a.backend_start is null)))
returning holder`

// Acquire takes the lease if it is free, has run out, or its holder is provably dead. The
// connection it opens is the holder's presence: it renews there, and the row names it, so that the server itself can tell
// when the holder is gone.
func (d *DB) Acquire(ctx context.Context, c database.Claim) (database.Holding, error) {
	if err := d.survey(ctx); err != nil {
		return nil, err
	}
	h := &holding{db: d, claim: c, table: d.table("lease")}
	if err := h.write(ctx); err != nil {
		h.close()
		if code(err) == "40001" { // where transactions are serializable by default, this is how the second one learns of the first
			err = fmt.Errorf("%w: %w", database.ErrHeld, err)
		}
		return nil, err
	}
	h.claim.Force = false // it was for winning; who renews on a new presence must not take the lease from a later winner
	return h, nil
}

type holding struct {
	db    *DB
	claim database.Claim
	table string // asked once: renewing goes on beside looks, which settle the schema anew

	mu   sync.Mutex // Renew and Release come from different goroutines
	conn *pgconn.PgConn
}

// write acquires, or renews on a new presence where the old one broke.
func (h *holding) write(ctx context.Context) error {
	d, c := h.db, h.claim
	conn, err := d.connect(ctx, "lease/"+h.claim.Holder[:12], nil)
	if err != nil {
		return err
	}
	h.conn = conn
	sql := strings.NewReplacer("$lease_row", "schemagate_lease", "$lease", h.table).Replace(acquireSQL)
	rows, err := column(ctx, conn, sql, d.opt.Service, c.Holder, c.Replica, c.Release, c.Address, c.Token, boolean(c.Exclusive),
		boolean(!d.pooled), seconds(d.opt.LeaseTTL), seconds(d.opt.Interval), boolean(c.Force))
	if err == nil && len(rows) == 0 {
		err = database.ErrHeld
	}
	return err
}

// lazily keeps a renewal from waiting for the disk, and from keeping the disk from the migration. It need not outlive a crash of the
// server, since the fence does; but a lease that alone protects its work must not look older than it is. The setting ends with its
// transaction, and so is left on no other session behind a pooler.
const lazily = " and pg_catalog.set_config('synchronous_commit', 'off', true) = 'off'"

// Renew extends the lease; it reconnects where the presence broke, and keeps the lease only while nobody else took it.
func (h *holding) Renew(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil || h.conn.IsClosed() {
		return h.write(ctx)
	}
	where := " where service = $1 and holder = $2"
	if !h.claim.Exclusive {
		where += lazily
	}
	rows, err := column(ctx, h.conn, "update "+h.table+" set renewed_at = clock_timestamp()"+where+" returning holder", h.db.opt.Service, h.claim.Holder)
	if err == nil && len(rows) == 0 {
		return database.ErrHeld
	}
	return err
}

// Release gives the lease back; after it Renew must not be called.
func (h *holding) Release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.close()
	if h.conn == nil || h.conn.IsClosed() {
		conn, err := h.db.connect(ctx, "lease/"+h.claim.Holder[:12], nil)
		if err != nil {
			return err
		}
		h.conn = conn
	}
	_, err := column(ctx, h.conn, "update "+h.table+
		" set holder = '', address = '', token = '' where service = $1 and holder = $2", h.db.opt.Service, h.claim.Holder)
	return err
}

func (h *holding) close() {
	if h.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = h.conn.Close(ctx)
		h.conn = nil
	}
}

var (
	_ database.Database = (*DB)(nil)
	_ database.Leases   = (*DB)(nil)
)
