package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/schemagate/schemagate/database"
)

const registerSQL = `insert into $replicas as r (service, id, replica, release, version, digest, state, ttl)
values ($1, $2, $3, $4, $5, $6, $7, '0')
on conflict (service, id) do update set state = excluded.state, seen_at = clock_timestamp()`

// Register commits before it returns: who looks after it is seen by whoever raised the floor before that look.
func (d *DB) Register(ctx context.Context, r database.Replica) error {
	return d.registered(d.query(ctx, d.fill(registerSQL), d.opt.Service, r.ID, r.Name, r.Release, r.Version, r.Digest, r.State))
}

// Deregister removes rows.
func (d *DB) Deregister(ctx context.Context, ids ...string) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return d.registered(d.query(ctx, d.fill("delete from $replicas where service = $1 and id in (select json_array_elements_text($2::json))"),
		d.opt.Service, string(list)))
}

func (d *DB) registered(_ [][]byte, err error) error {
	switch code(err) {
	case "42P01", "3F000":
		return fmt.Errorf("%w: %w", database.ErrNotPrepared, err)
	case "42501":
		return fmt.Errorf("%w; the role needs: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", err, d.table("replicas"), ident(d.config.User))
	}
	return err
}

// A server's start tells it from the one that takes over from it.
const registrySQL = `select json_build_object(
  'server', coalesce(host(inet_server_addr()), '') || ' ' || pg_postmaster_start_time(),
  'replicas', (select json_agg(json_build_object('id', id, 'replica', replica, 'release', release, 'version', version, 'digest', digest,
      'state', state, 'beat', seen_at, 'age_ms', (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint) order by release, replica, id)
    from $replicas where service = $1))::text`

// Registry reads all rows.
func (d *DB) Registry(ctx context.Context) (out database.Registry, err error) {
	if d.schema == "" { // settles where the tables lie
		if v, err := d.Look(ctx, database.Query{Since: -1}); err != nil || !v.Ready {
			return out, err
		}
	}
	rows, err := d.query(ctx, d.fill(registrySQL), d.opt.Service)
	switch err = d.registered(rows, err); {
	case errors.Is(err, database.ErrNotPrepared):
		return out, nil
	case err != nil:
		return out, err
	}
	var v struct {
		Server   string
		Replicas []struct {
			database.Replica
			Beat string `json:"beat"`
		}
	}
	if err := json.Unmarshal(rows[0], &v); err != nil {
		return out, fmt.Errorf("read the registry: %w", err)
	}
	out.Server = v.Server
	for _, r := range v.Replicas {
		r.Replica.Beat = r.Beat
		out.Replicas = append(out.Replicas, r.Replica)
	}
	return out, nil
}
