package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// absent is true where the server itself says that the lease's presence is gone. The list of connections is believed only for
// the very server and user that the lease was taken with, and only if it shows this connection: without the PROCESS privilege a
// user sees nothing but its own. A restart can give a dead presence's number to another connection; then the lease runs out.
const absent = `(l.conn <> 0 and l.server = concat(@@hostname, ':', @@port) and l.owner = substring_index(current_user(), '@', 1)
  and exists (select 1 from information_schema.PROCESSLIST where ID = connection_id())
  and not exists (select 1 from information_schema.PROCESSLIST where ID = l.conn))`

const age = `timestampdiff(microsecond, l.renewed_at, utc_timestamp(6))`

const (
	gone = `(char_length(l.holder) > 0 and l.exclusive = 0 and ` + absent + `)`
	dead = `(` + age + ` > l.renewal_us * 2 and ` + gone + `)`
)

const moment = `date_format(at, '%Y-%m-%dT%H:%i:%s.%fZ')`

// lookSQL is the hot path's one query: one row for the state, and one more for each failure and each rollback that count. It
// answers whether the set is complete from indexes alone, whatever the number of migrations.
const lookSQL = `
(select 'state', f.term, f.holder, l.holder, l.replica, l.` + "`release`" + `, l.address, l.token, l.exclusive, ` + age + ` div 1000, ` + dead + `,
  char_length(l.holder) > 0 and ` + age + ` < l.ttl_us,
  (select max(id) from $history where service = $service and kind = 'complete' and digest = $digest),
  (select max(id) from $history where service = $service),
  (select version from $history where service = $service and kind = 'floor' order by id desc limit 1),
  (select json_object('id', id, 'digest', digest, 'under', if(kind = 'cutover began', 1, 0), 'note', note) from $history
    where service = $service and kind in ('cutover began', 'cutover ended') order by id desc limit 1),
  exists (select 1 from $replicas where service = $service and id = $init), ` + gone + `
from $fence f join $lease l on l.service = f.service where f.service = $service)
union all
(select 'undone', version, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '' from $history
  where service = $service and kind = 'rolled back'
  and id > (select max(id) from $history where service = $service and kind = 'complete' and digest = $digest))
union all
(select 'failed', id, version, name, checksum, digest, term, ` + "`release`" + `, replica, ` + moment + `, code, error, '', '', '', '', '', '' from $history
  where service = $service and kind = 'failed' and $since >= 0 and id > $since order by id desc limit 20)`

func (d *DB) fill(sql string, more ...string) string {
	return strings.NewReplacer(append(more, "$history", d.table("history"), "$lease", d.table("lease"), "$fence", d.table("fence"),
		"$replicas", d.table("replicas"),
		"$service", lit(d.opt.Service))...).Replace(sql)
}

const glanceSQL = `select kind = 'complete', exists (select 1 from $replicas where service = $service and id = $init) from $history
where service = $service and (kind = 'complete' and digest = $digest or kind in ('rolled back', 'floor', 'cutover began', 'cutover ended'))
order by id desc limit 1`

// Glance asks the hot path's question.
func (d *DB) Glance(ctx context.Context, digest string) (open, init bool, err error) {
	c, err := d.control(ctx, false)
	if err != nil {
		return false, false, err
	}
	rows, err := c.rows(ctx, d.fill(glanceSQL, "$digest", lit(digest), "$init", lit(database.InitReplica(digest))))
	switch {
	case err == nil && len(rows) == 1:
		return rows[0][0] == "1", rows[0][1] == "1", nil
	case err == nil, code(err) == 1146, code(err) == 1049, code(err) == 1142, code(err) == 1044:
		return false, false, nil
	}
	return false, false, classify(err)
}

// Look takes one look in one query.
func (d *DB) Look(ctx context.Context, q database.Query) (database.View, error) {
	c, err := d.control(ctx, false)
	if err != nil {
		return database.View{}, err
	}
	rows, err := c.rows(ctx, d.fill(lookSQL, "$digest", lit(q.Digest), "$since", num(q.Since), "$init", lit(database.InitReplica(q.Digest))))
	switch {
	case code(err) == 1146 || code(err) == 1049 && d.schema != d.name: // no tables yet
		return database.View{}, nil
	case code(err) == 1142 || code(err) == 1044:
		return database.View{}, d.lacks(err, "SELECT", d.schema)
	case err != nil:
		return database.View{}, classify(err)
	}
	return view(rows)
}

func view(rows [][]string) (v database.View, err error) {
	var n numbers
	for _, r := range rows {
		switch r[0] {
		case "state":
			v.Ready = true
			v.Fence = database.Term{Number: n.of(r[1]), Holder: r[2]}
			dead := r[10] == "1"
			v.Lease = database.Lease{Holder: r[3], Replica: r[4], Release: r[5], Address: r[6], Token: r[7], Exclusive: r[8] == "1",
				AgeMS: n.of(r[9]), Dead: dead, Alive: r[11] == "1" && !dead, Gone: r[17] == "1"}
			v.Complete, v.Last, v.Floor, v.Init = n.of(r[12]), n.of(r[13]), r[14], r[16] == "1"
			v.Cutover = n.cutover(r[15])
		case "undone":
			v.Undone = append(v.Undone, r[1])
		case "failed":
			e := database.Event{Kind: database.Failed, ID: n.of(r[1]), Version: r[2], Name: r[3], Checksum: r[4], Digest: r[5],
				Term: n.of(r[6]), Release: r[7], Replica: r[8], At: n.time(r[9]), Code: r[10], Error: r[11]}
			v.Failures = append(v.Failures, e)
		}
	}
	if n.err != nil {
		return database.View{}, fmt.Errorf("read the look: %w", n.err)
	}
	return v, nil
}

// numbers reads columns and keeps the first error.
type numbers struct{ err error }

func (n *numbers) of(s string) int64 {
	i, err := parseInt(s)
	if err != nil && n.err == nil {
		n.err = err
	}
	return i
}

func (n *numbers) cutover(s string) (out database.Cutover) {
	if s == "" {
		return out
	}
	var v struct {
		database.Cutover
		Under int `json:"under"` // truth values differ between servers
	}
	if err := json.Unmarshal([]byte(s), &v); err != nil && n.err == nil {
		n.err = err
	}
	out = v.Cutover
	out.Under = v.Under == 1
	return out
}

func (n *numbers) time(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil && n.err == nil {
		n.err = err
	}
	return t
}

const historySQL = `select id, kind, version, name, checksum, digest, term, holder, ` + "`release`" + `, replica, ` + moment + `, duration_us, done, trying,
  prefix, code, error, note, format, down is not null, if($downs, down, '') from $history where service = $service order by id`

// History reads all events.
func (d *DB) History(ctx context.Context, downs bool) ([]database.Event, error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	flag := "0"
	if downs {
		flag = "1"
	}
	rows, err := c.rows(ctx, d.fill(historySQL, "$downs", flag))
	if code(err) == 1146 || code(err) == 1049 {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err)
	}
	var n numbers
	out := make([]database.Event, len(rows))
	for i, r := range rows {
		out[i] = database.Event{ID: n.of(r[0]), Kind: database.Kind(r[1]), Version: r[2], Name: r[3], Checksum: r[4], Digest: r[5], Term: n.of(r[6]),
			Holder: r[7], Release: r[8], Replica: r[9], At: n.time(r[10]), Duration: time.Duration(n.of(r[11])) * time.Microsecond,
			Done: int(n.of(r[12])), Trying: int(n.of(r[13])), Prefix: r[14], Code: r[15], Error: r[16], Note: r[17], Format: r[18]}
		if downs && r[19] == "1" {
			out[i].Down = &r[20]
		}
	}
	if n.err != nil {
		return nil, fmt.Errorf("read the history: %w", n.err)
	}
	return out, nil
}
