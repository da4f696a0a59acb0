package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/schemagate/schemagate/database"
)

// lookSQL is the hot path's one query.
const lookSQL = `
with c as (select max(id) as id from main.schemagate_history where service = ?1 and kind = 'complete' and digest = ?2)
select json_object(
  'complete', coalesce(c.id, 0),
  'undone', (select json_group_array(version) from main.schemagate_history where service = ?1 and kind = 'rolled back' and id > c.id),
  'fence', json_object('Number', f.term, 'Holder', f.holder),
  'last', (select coalesce(max(id), 0) from main.schemagate_history where service = ?1),
  'failures', (select json_group_array(json_object('id', id, 'kind', kind, 'version', version, 'name', name, 'checksum', checksum,
      'digest', digest, 'term', term, 'release', release, 'replica', replica, 'at', at, 'code', code, 'error', error))
    from (select * from main.schemagate_history where service = ?1 and kind = 'failed' and ?3 >= 0 and id > ?3 order by id desc limit 20)),
  'floor', coalesce((select version from main.schemagate_history where service = ?1 and kind = 'floor' order by id desc limit 1), ''),
  'cutover', json(coalesce((select json_object('id', id, 'digest', digest, 'under', json(iif(kind = 'cutover began', 'true', 'false')), 'note', note)
    from main.schemagate_history where service = ?1 and kind in ('cutover began', 'cutover ended') order by id desc limit 1), '{}')),
  'init', json(iif(exists (select 1 from main.schemagate_replicas where service = ?1 and id = ?4), 'true', 'false')))
from main.schemagate_fence f, c where f.service = ?1`

// Glance leaves everything to the look, which costs next to nothing in a file.
func (d *DB) Glance(context.Context, string) (open, init bool, err error) { return false, false, nil }

// Look takes one look in one query, and asks the kernel whether the lease's lock is held. It never creates the file.
func (d *DB) Look(ctx context.Context, q database.Query) (database.View, error) {
	if gone, err := d.missing(); gone || err != nil {
		return database.View{}, err
	}
	c, err := d.control(ctx)
	if err != nil {
		return database.View{}, err
	}
	var row string
	err = c.patiently(ctx, readWait, func() error {
		return c.c.QueryRowContext(ctx, lookSQL, d.opt.Service, q.Digest, q.Since, database.InitReplica(q.Digest)).Scan(&row)
	})
	switch {
	case noTable(err): // no tables yet
		return database.View{}, nil
	case errors.Is(err, sql.ErrNoRows): // tables, but this service is new in them
		return database.View{}, nil
	case err != nil:
		return database.View{}, d.classify(err)
	}
	v := database.View{Ready: true}
	if err := json.Unmarshal([]byte(row), &v); err != nil {
		return database.View{}, fmt.Errorf("read the look: %w", err)
	}
	v.Lease, err = d.lease()
	return v, err
}

const historySQL = `select id, kind, version, name, checksum, digest, term, holder, release, replica, at, duration_us, done, trying,
  prefix, code, error, note, format, case when ?2 then down end from main.schemagate_history where service = ?1 order by id`

// History reads all events.
func (d *DB) History(ctx context.Context, downs bool) (events []database.Event, err error) {
	if gone, err := d.missing(); gone || err != nil {
		return nil, err
	}
	c, err := d.control(ctx)
	if err != nil {
		return nil, err
	}
	err = c.patiently(ctx, readWait, func() error {
		events, err = c.events(ctx, d.opt.Service, downs)
		return err
	})
	if noTable(err) {
		return nil, nil
	}
	return events, d.classify(err)
}

func (c *conn) events(ctx context.Context, service string, downs bool) (out []database.Event, err error) {
	rows, err := c.c.QueryContext(ctx, historySQL, service, downs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e database.Event
		var at string
		var us int64
		if err := rows.Scan(&e.ID, &e.Kind, &e.Version, &e.Name, &e.Checksum, &e.Digest, &e.Term, &e.Holder, &e.Release, &e.Replica,
			&at, &us, &e.Done, &e.Trying, &e.Prefix, &e.Code, &e.Error, &e.Note, &e.Format, &e.Down); err != nil {
			return nil, err
		}
		if e.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, fmt.Errorf("history, event %d: %w", e.ID, err)
		}
		e.Duration = time.Duration(us) * time.Microsecond
		out = append(out, e)
	}
	return out, rows.Err()
}
