package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// ddl makes our tables. Events are append-only; the lease is a row of its own, because a migration locks the fence for as
// long as it runs, and nobody may have to wait for it to renew.
const ddl = `
create table if not exists $S.schemagate_fence (
  service text primary key,
  term bigint not null default 0,
  holder text not null default ''
);
create table if not exists $S.schemagate_history (
  id bigint generated always as identity primary key,
  service text not null,
  kind text not null,
  version text not null default '',
  name text not null default '',
  checksum text not null default '',
  digest text not null default '',
  term bigint not null,
  holder text not null,
  release text not null default '',
  replica text not null default '',
  at timestamptz not null default pg_catalog.clock_timestamp(),
  duration_us bigint not null default 0,
  done int not null default 0,
  trying int not null default 0,
  prefix text not null default '',
  code text not null default '',
  error text not null default '',
  note text not null default '',
  format text not null default '',
  down text
);
create index if not exists schemagate_history_version on $S.schemagate_history (service, version, id);
create index if not exists schemagate_history_kind on $S.schemagate_history (service, kind, id);
create table if not exists $S.schemagate_lease (
  service text primary key,
  holder text not null default '',
  replica text not null default '',
  release text not null default '',
  address text not null default '',
  token text not null default '',
  exclusive boolean not null default false,
  pid int,
  backend_start timestamptz,
  renewed_at timestamptz not null default 'epoch',
  ttl interval not null default '0',
  renewal interval not null default '0'
);
create table if not exists $S.schemagate_replicas (
  service text not null,
  id text not null,
  replica text not null,
  release text not null default '',
  version text not null default '',
  digest text not null default '',
  state text not null default '',
  seen_at timestamptz not null default pg_catalog.clock_timestamp(),
  ttl interval not null,
  primary key (service, id)
);
` + backfillDDL

// serviceRows are this service's; whose role did not make the tables is not asked to.
const serviceRows = `
insert into $S.schemagate_fence (service) values ($N) on conflict do nothing;
insert into $S.schemagate_lease (service) values ($N) on conflict do nothing;
`

// Prepare makes the tables in one transaction. Two first starts may race: what the other one made meanwhile is looked at
// again by the caller.
func (d *DB) Prepare(ctx context.Context) error {
	conn, err := d.control(ctx)
	if err != nil {
		return err
	}
	schema := d.schema
	create := ""
	if schema == "" {
		rows, err := d.query(ctx, "select coalesce(pg_catalog.current_schema(), '')")
		if err != nil {
			return err
		}
		if schema = string(rows[0]); schema == "" {
			return fmt.Errorf("%w: search_path names no schema that exists: set SCHEMAGATE_SCHEMA, or create one", database.ErrConfig)
		}
	} else {
		rows, err := d.query(ctx, "select 1 from pg_catalog.pg_namespace where nspname = $1", schema)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			create = "create schema if not exists " + ident(schema) + ";"
		}
	}
	there, err := d.query(ctx, "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname in "+
		"('schemagate_fence', 'schemagate_history', 'schemagate_lease', 'schemagate_replicas')", schema)
	if err != nil {
		return err
	}
	text := ddl + serviceRows
	if len(there) == 4 { // made, perhaps by another role, which alone may look whether its indexes are there
		text = serviceRows
	}
	sql := "set local lock_timeout = '2s'; set local client_min_messages = 'warning';" + create +
		strings.NewReplacer("$S", ident(schema), "$N", lit(d.opt.Service)).Replace(text)
	if _, err := script(ctx, conn, sql); err != nil {
		switch code(err) {
		case "23505", "42P07", "42710", "42P06", "XX000": // the other first start was quicker
			return fmt.Errorf("%w: another replica is making the tables: %w", database.ErrBlocked, err)
		case "42501":
			return fmt.Errorf("%w; the role needs: GRANT CREATE ON SCHEMA %s TO %s", err, ident(schema), ident(d.config.User))
		}
		return err
	}
	d.schema = schema
	return nil
}

// found settles in which schema our tables lie, from the visible schemas that hold a fence.
func (d *DB) found(schemas []string) error {
	if d.opt.Schema != "" {
		for _, s := range schemas {
			if s != d.opt.Schema {
				return secondSet(d.opt.Schema, s)
			}
		}
		return nil
	}
	if len(schemas) > 1 {
		return secondSet(schemas[0], schemas[1])
	}
	if len(schemas) == 1 {
		d.schema = schemas[0]
	}
	return nil
}

func secondSet(a, b string) error {
	return fmt.Errorf("%w: schemagate's tables lie in two visible schemas, %s and %s: set SCHEMAGATE_SCHEMA to the right one "+
		"and drop the other's schemagate_ tables, or take that schema out of search_path", database.ErrConfig, a, b)
}
