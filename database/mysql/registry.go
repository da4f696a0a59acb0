package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/schemagate/schemagate/database"
)

const registerSQL = `insert into $replicas (service, id, replica, ` + "`release`" + `, version, digest, state, seen_at, ttl_us)
values ($service, $id, $name, $release, $version, $digest, $state, utc_timestamp(6), 0)
on duplicate key update state = values(state), seen_at = values(seen_at)`

// Register commits before it returns: who looks after it is seen by whoever raised the floor before that look.
func (d *DB) Register(ctx context.Context, r database.Replica) error {
	return d.onReplicas(ctx, d.fill(registerSQL, "$id", lit(r.ID), "$name", lit(r.Name), "$release", lit(r.Release),
		"$version", lit(r.Version), "$digest", lit(r.Digest), "$state", lit(r.State)))
}

// Deregister removes rows.
func (d *DB) Deregister(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = lit(id)
	}
	return d.onReplicas(ctx, d.fill("delete from $replicas where service = $service and id in ("+strings.Join(list, ", ")+")"))
}

func (d *DB) onReplicas(ctx context.Context, sql string) error {
	c, err := d.control(ctx, true)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, sql)
	switch code(err) {
	case 1146, 1049:
		return fmt.Errorf("%w: %w", database.ErrNotPrepared, err)
	case 1142, 1044:
		return d.lacks(err, "SELECT, INSERT, UPDATE, DELETE", d.schema)
	}
	if err != nil {
		return classify(err)
	}
	return nil
}

// registrySQL begins with a row for the server. One that restarts keeps its rows, so that its start need not tell.
const registrySQL = `
(select '', concat(@@hostname, ':', @@port, ' ', @@server_id), '', '', '', '', '', '')
union all
(select id, replica, ` + "`release`" + `, version, digest, state, seen_at, timestampdiff(microsecond, seen_at, utc_timestamp(6)) div 1000
  from $replicas where service = $service order by ` + "`release`" + `, replica, id)`

// Registry reads all rows.
func (d *DB) Registry(ctx context.Context) (out database.Registry, err error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return out, err
	}
	rows, err := c.rows(ctx, d.fill(registrySQL))
	switch code(err) {
	case 1146, 1049:
		return out, nil
	case 1142, 1044:
		return out, d.lacks(err, "SELECT", d.schema)
	}
	if err != nil {
		return out, classify(err)
	}
	var n numbers
	for _, r := range rows {
		if r[0] == "" {
			out.Server = r[1]
			continue
		}
		out.Replicas = append(out.Replicas, database.Replica{ID: r[0], Name: r[1], Release: r[2], Version: r[3], Digest: r[4],
			State: r[5], Beat: r[6], AgeMS: n.of(r[7])})
	}
	if n.err != nil {
		return out, fmt.Errorf("read the registry: %w", n.err)
	}
	return out, nil
}
