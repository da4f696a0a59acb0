package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/schemagate/schemagate/database"
)

const registerSQL = `insert into main.schemagate_replicas (service, id, replica, release, version, digest, state, ttl_ms)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)
on conflict (service, id) do update set state = excluded.state, seen_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`

// Register waits for SQLite's one write lock as everybody else does; while a migration holds it, ErrBlocked.
func (d *DB) Register(ctx context.Context, r database.Replica) error {
	return d.onReplicas(ctx, func(c *conn) error {
		return c.exec(ctx, registerSQL, d.opt.Service, r.ID, r.Name, r.Release, r.Version, r.Digest, r.State)
	})
}

// Deregister removes rows.
func (d *DB) Deregister(ctx context.Context, ids ...string) error {
	return d.onReplicas(ctx, func(c *conn) error {
		for _, id := range ids {
			if err := c.exec(ctx, "delete from main.schemagate_replicas where service = ?1 and id = ?2", d.opt.Service, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *DB) onReplicas(ctx context.Context, f func(c *conn) error) error {
	if gone, err := d.missing(); gone || err != nil {
		return errors.Join(database.ErrNotPrepared, err)
	}
	c, err := d.control(ctx)
	if err != nil {
		return err
	}
	return d.transact(ctx, c, func() error {
		err := f(c)
		if noTable(err) {
			return fmt.Errorf("%w: %w", database.ErrNotPrepared, err)
		}
		return err
	})
}

const registrySQL = `select id, replica, release, version, digest, state, seen_at,
  cast((julianday('now') - julianday(seen_at)) * 86400000 as integer) from main.schemagate_replicas where service = ?1 order by release, replica, id`

// Registry reads all rows; the file is the server.
func (d *DB) Registry(ctx context.Context) (out database.Registry, err error) {
	if gone, err := d.missing(); gone || err != nil {
		return out, err
	}
	c, err := d.control(ctx)
	if err != nil {
		return out, err
	}
	err = c.patiently(ctx, readWait, func() error {
		out, err = c.replicas(ctx, d.opt.Service)
		return err
	})
	if noTable(err) {
		return database.Registry{}, nil
	}
	return out, d.classify(err)
}

func (c *conn) replicas(ctx context.Context, service string) (out database.Registry, err error) {
	out.Server = c.path
	rows, err := c.c.QueryContext(ctx, registrySQL, service)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r database.Replica
		if err := rows.Scan(&r.ID, &r.Name, &r.Release, &r.Version, &r.Digest, &r.State, &r.Beat, &r.AgeMS); err != nil {
			return out, err
		}
		out.Replicas = append(out.Replicas, r)
	}
	return out, rows.Err()
}
