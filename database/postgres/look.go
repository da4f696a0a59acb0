package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// lookSQL is the hot path's one query. It answers whether the set is complete from indexes alone, whatever the number of
// migrations. A lease is dead before its time only by the server's own word: its presence is gone and it has missed two
// renewals; one that alone protects its work (exclusive) never is.
const lookSQL = `
with c as (select max(id) as id from $history where service = $1 and kind = 'complete' and digest = $2),
l as (
  select *, clock_timestamp() - renewed_at as age,
    pid is not null and not exists (select from pg_catalog.pg_stat_get_activity(pid) a
      where a.backend_start = l.backend_start or a.backend_start is null) as absent
  from $lease l where service = $1)
select json_build_object(
  'ready', true,
  'schemas', (select json_agg(n.nspname) from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    where t.relname = 'schemagate_fence' and t.relkind = 'r' and n.nspname = any (current_schemas(false))),
  'complete', coalesce(c.id, 0),
  'undone', (select json_agg(version) from $history where service = $1 and kind = 'rolled back' and id > c.id),
  'fence', json_build_object('Number', f.term, 'Holder', f.holder),
  'lease', (select json_build_object('holder', holder, 'replica', replica, 'release', release, 'address', address,
      'token', token, 'exclusive', exclusive, 'age_ms', (extract(epoch from age) * 1000)::bigint,
      'gone', holder <> '' and absent and not exclusive,
      'dead', holder <> '' and absent and age > renewal * 2 and not exclusive,
      'alive', holder <> '' and age < ttl and not (absent and age > renewal * 2 and not exclusive))
    from l),
  'last', (select coalesce(max(id), 0) from $history where service = $1),
  'failures', (select json_agg(json_build_object('id', id, 'kind', kind, 'version', version, 'name', name, 'checksum', checksum,
      'digest', digest, 'term', term, 'release', release, 'replica', replica, 'at', at, 'code', code, 'error', error))
    from (select * from $history where service = $1 and kind = 'failed' and $3::bigint >= 0 and id > $3::bigint order by id desc limit 20) x),
  'floor', coalesce((select version from $history where service = $1 and kind = 'floor' order by id desc limit 1), ''),
  'cutover', coalesce((select json_build_object('id', id, 'digest', digest, 'under', kind = 'cutover began', 'note', note) from $history
    where service = $1 and kind in ('cutover began', 'cutover ended') order by id desc limit 1), '{}'),
  'init', exists (select from $replicas where service = $1 and id = $4)
)::text
from $fence f, c where f.service = $1`

// glanceSQL plans in a fraction of the time that the whole look takes. The latest events are read first: the one that answers is
// most often the very latest. A second set of our tables, which a look reports, makes it unclear.
const glanceSQL = `select kind = 'complete' and (select count(*) from pg_catalog.pg_class where relname = 'schemagate_fence' and relkind = 'r') = 1,
  exists (select from $replicas where service = $1 and id = $3)
from $history where service = $1 and (kind = 'complete' and digest = $2 or kind in ('rolled back', 'floor', 'cutover began', 'cutover ended'))
order by id desc limit 1`

// Glance asks the hot path's question.
func (d *DB) Glance(ctx context.Context, digest string) (open, init bool, err error) {
	conn, err := d.control(ctx)
	if err != nil {
		return false, false, err
	}
	res := conn.ExecParams(ctx, d.fill(glanceSQL), [][]byte{[]byte(d.opt.Service), []byte(digest), []byte(database.InitReplica(digest))}, nil, nil, nil).Read()
	switch err := classify(conn, res.Err); {
	case res.Err == nil && len(res.Rows) == 1:
		row := res.Rows[0]
		return string(row[0]) == "t", string(row[1]) == "t", nil
	case res.Err == nil, code(err) == "42P01", code(err) == "42703", code(err) == "3F000", code(err) == "42501":
		return false, false, nil
	default:
		return false, false, err
	}
}

// Look takes one look in one query.
func (d *DB) Look(ctx context.Context, q database.Query) (database.View, error) {
	sql := d.fill(lookSQL)
	rows, err := d.query(ctx, sql, d.opt.Service, q.Digest, strconv.FormatInt(q.Since, 10), database.InitReplica(q.Digest))
	switch c := code(err); {
	case c == "42P01" || c == "42703" || c == "3F000": // no tables yet
		return database.View{}, nil
	case c == "42501":
		return database.View{}, fmt.Errorf("%w; the role needs: GRANT USAGE ON SCHEMA and GRANT SELECT ON the schemagate_ tables TO %s",
			err, ident(d.config.User))
	case err != nil:
		return database.View{}, err
	case len(rows) == 0: // tables, but this service is new in them
		return database.View{}, nil
	}
	var v struct {
		database.View
		Schemas []string `json:"schemas"`
	}
	if err := json.Unmarshal(rows[0], &v); err != nil {
		return database.View{}, fmt.Errorf("read the look: %w", err)
	}
	return v.View, d.found(v.Schemas)
}

func (d *DB) fill(sql string) string {
	return strings.NewReplacer("$history", d.table("history"), "$lease", d.table("lease"), "$fence", d.table("fence"),
		"$replicas", d.table("replicas")).Replace(sql)
}

const historySQL = `select json_build_object('id', id, 'kind', kind, 'version', version, 'name', name, 'checksum', checksum,
  'digest', digest, 'term', term, 'holder', holder, 'release', release, 'replica', replica, 'at', at, 'us', duration_us,
  'done', done, 'trying', trying, 'prefix', prefix, 'code', code, 'error', error, 'note', note, 'format', format,
  'down', case when $2 then down end)::text from $history where service = $1 order by id`

// History reads all events.
func (d *DB) History(ctx context.Context, downs bool) ([]database.Event, error) {
	if d.schema == "" { // settles where the tables lie
		v, err := d.Look(ctx, database.Query{Since: -1})
		if err != nil || !v.Ready {
			return nil, err
		}
	}
	rows, err := d.query(ctx, strings.Replace(historySQL, "$history", d.table("history"), 1), d.opt.Service, strconv.FormatBool(downs))
	if err != nil {
		if c := code(err); c == "42P01" || c == "3F000" {
			return nil, nil
		}
		return nil, err
	}
	out := make([]database.Event, len(rows))
	for i, row := range rows {
		e := struct {
			*database.Event
			US int64 `json:"us"`
		}{Event: &out[i]}
		if err := json.Unmarshal(row, &e); err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		out[i].Duration = time.Duration(e.US) * time.Microsecond
	}
	return out, nil
}
