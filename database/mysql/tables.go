package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// ddl makes our tables. Events are append-only; the lease is a row of its own, because a migration locks the fence for as long
// as it runs, and nobody may have to wait for it to renew. sessions names the connections that a term writes on, as a
// connection here has no name of its own.
const ddl = `
create table if not exists $S.schemagate_fence (
  service varchar(190) not null primary key,
  term bigint not null default 0,
  holder varchar(64) not null default '',
  touched bigint not null default 0
)
create table if not exists $S.schemagate_history (
  id bigint not null auto_increment primary key,
  service varchar(190) not null,
  kind varchar(32) not null,
  version text not null,
  name text not null,
  checksum text not null,
  digest varchar(190) not null,
  term bigint not null,
  holder varchar(64) not null,
  ` + "`release`" + ` text not null,
  replica text not null,
  at datetime(6) not null,
  duration_us bigint not null default 0,
  done int not null default 0,
  trying int not null default 0,
  prefix varchar(64) not null,
  code varchar(64) not null,
  error mediumtext not null,
  note mediumtext not null,
  format varchar(190) not null,
  down longtext,
  key schemagate_history_version (service, version(100), id),
  key schemagate_history_kind (service, kind, id)
)
create table if not exists $S.schemagate_lease (
  service varchar(190) not null primary key,
  holder varchar(64) not null default '',
  replica text,
  ` + "`release`" + ` text,
  address text,
  token text,
  exclusive tinyint not null default 0,
  conn bigint not null default 0,
  server varchar(255) not null default '',
  owner varchar(255) not null default '',
  renewed_at datetime(6) not null default '1970-01-01 00:00:00',
  ttl_us bigint not null default 0,
  renewal_us bigint not null default 0
)
create table if not exists $S.schemagate_sessions (
  service varchar(190) not null,
  server varchar(255) not null,
  conn bigint not null,
  started bigint not null,
  term bigint not null,
  holder varchar(64) not null,
  primary key (service, server, conn, started)
)
create table if not exists $S.schemagate_replicas (
  service varchar(190) not null,
  id varchar(190) not null,
  replica text not null,
  ` + "`release`" + ` text not null,
  version text not null,
  digest varchar(190) not null,
  state varchar(64) not null,
  seen_at datetime(6) not null,
  ttl_us bigint not null,
  primary key (service, id)
)`

// Prepare makes what is missing, table by table. Several first starts may do so at once.
func (d *DB) Prepare(ctx context.Context) error {
	if len(d.opt.Service) > 190 {
		return fmt.Errorf("%w: SCHEMAGATE_SERVICE is longer than 190 bytes", database.ErrConfig)
	}
	c, err := d.control(ctx, true)
	if err != nil {
		return err
	}
	if d.schema != d.name {
		rows, err := c.rows(ctx, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+lit(d.name)+" AND TABLE_NAME = 'schemagate_fence'")
		if err != nil {
			return classify(err)
		}
		if len(rows) > 0 {
			return fmt.Errorf("%w: the connection's own database %s has schemagate's tables already, and SCHEMAGATE_SCHEMA names %s: "+
				"set it to the right one, and drop the other's schemagate_ tables", database.ErrConfig, d.name, d.schema)
		}
	}
	for _, sql := range strings.Split(strings.TrimSpace(ddl), "\n)") {
		if strings.TrimSpace(sql) == "" {
			continue
		}
		_, err := c.exec(ctx, strings.ReplaceAll(sql, "$S", ident(d.schema))+"\n) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin")
		switch code(err) {
		case 0:
		case 1050: // the other first start was quicker
			continue
		case 1142, 1044:
			return d.lacks(err, "CREATE, SELECT, INSERT, UPDATE, DELETE, INDEX", d.schema)
		}
		if err != nil {
			return classify(err)
		}
	}
	for _, table := range []string{"fence", "lease"} {
		if err := c.run(ctx, "INSERT IGNORE INTO "+d.table(table)+" (service) VALUES ("+lit(d.opt.Service)+")"); err != nil {
			return err
		}
	}
	return nil
}
