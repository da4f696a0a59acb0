package sqlite

import (
	"context"

	"github.com/schemagate/schemagate/database"
)

// ddl makes our tables. They are always named with main in front, because a migration may leave a temporary table of any name.
const ddl = `
create table if not exists main.schemagate_fence (
  service text primary key,
  term integer not null default 0,
  holder text not null default ''
);
create table if not exists main.schemagate_history (
  id integer primary key autoincrement,
  service text not null,
  kind text not null,
  version text not null default '',
  name text not null default '',
  checksum text not null default '',
  digest text not null default '',
  term integer not null,
  holder text not null,
  release text not null default '',
  replica text not null default '',
  at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  duration_us integer not null default 0,
  done integer not null default 0,
  trying integer not null default 0,
  prefix text not null default '',
  code text not null default '',
  error text not null default '',
  note text not null default '',
  format text not null default '',
  down text
);
create index if not exists main.schemagate_history_version on schemagate_history (service, version, id);
create index if not exists main.schemagate_history_kind on schemagate_history (service, kind, id);
create table if not exists main.schemagate_replicas (
  service text not null,
  id text not null,
  replica text not null,
  release text not null default '',
  version text not null default '',
  digest text not null default '',
  state text not null default '',
  seen_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  ttl_ms integer not null,
  primary key (service, id)
);`

// Prepare makes the file and the tables. First starts that race wait for each other's write lock.
func (d *DB) Prepare(ctx context.Context) error {
	c := d.ctl
	if c == nil {
		var err error
		if c, err = d.connect(ctx, true); err != nil {
			return err
		}
		d.ctl = c
	}
	return d.transact(ctx, c, func() error {
		if err := c.exec(ctx, ddl); err != nil {
			return err
		}
		return c.exec(ctx, "insert into main.schemagate_fence (service) values (?) on conflict do nothing", d.opt.Service)
	})
}

// transact runs f in a short transaction of our own on the control connection.
func (d *DB) transact(ctx context.Context, c *conn, f func() error) error {
	if err := c.begin(ctx, fenceWait); err != nil {
		return err
	}
	if err := f(); err != nil {
		if c.rollback() != nil {
			d.Disconnect() // which rolls back
		}
		return classify(d.path, err)
	}
	return c.commit(ctx, fenceWait)
}

var (
	_ database.Database = (*DB)(nil)
	_ database.Leases   = (*DB)(nil)
)
