package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Mint raises the term. While an older session holds the row, that session is ended and ErrBlocked returned.
func (d *DB) Mint(ctx context.Context, seen int64, holder string) (database.Term, error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return database.Term{}, err
	}
	mine := database.Term{Number: seen + 1, Holder: holder}
	err = c.run(ctx, "UPDATE "+d.table("fence")+" SET term = term + 1, holder = "+lit(holder)+", touched = touched + 1"+d.mine()+" AND term = "+num(seen))
	if err != nil && !errors.Is(err, database.ErrBlocked) {
		return database.Term{}, err
	}
	// The row tells, not the update's count: an earlier try of this very mint may have been committed without our knowing. It
	// is read without a lock: where the update was blocked, the lock may be a newer term's, and waiting on with an old term
	// to mint from would be for ever if that one is dead.
	now, ferr := d.fence(ctx, c)
	if ferr != nil {
		return database.Term{}, ferr
	}
	if err == nil || now.Number != seen {
		return mine, mine.Check(now)
	}
	if _, eerr := d.evict(ctx, c, seen); eerr != nil {
		return database.Term{}, eerr
	}
	return database.Term{}, err
}

func (d *DB) fence(ctx context.Context, c *conn) (database.Term, error) {
	rows, err := c.rows(ctx, "SELECT term, holder FROM "+d.table("fence")+d.mine())
	if err != nil {
		return database.Term{}, classify(err)
	}
	if len(rows) == 0 {
		return database.Term{}, nil
	}
	n, err := parseInt(rows[0][0])
	if err != nil {
		return database.Term{}, fmt.Errorf("read the fence: %w", err)
	}
	return database.Term{Number: n, Holder: rows[0][1]}, nil
}

// Drain ends what is left of older terms.
func (d *DB) Drain(ctx context.Context, t database.Term) error {
	c, err := d.control(ctx, true)
	if err != nil {
		return err
	}
	left, err := d.evict(ctx, c, t.Number-1)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%w: sessions of older terms still stand: %s", database.ErrBlocked, strings.Join(left, ", "))
	}
	return nil
}

// place is one server, from its start to its end; within it the number of a connection is never given twice.
type place struct {
	server  string
	started int64
	conn    int64 // the connection that asked
}

// slack is how far two readings of one server's start may lie apart: it is told in whole seconds since.
const slack = 5

func (p place) same(server string, started int64) bool {
	return p.server == server && max(p.started-started, started-p.started) <= slack
}

func where(ctx context.Context, c *conn) (place, error) {
	rows, err := c.rows(ctx, "SELECT concat(@@hostname, ':', @@port), unix_timestamp(), connection_id()")
	if err != nil {
		return place{}, classify(err)
	}
	up, err := c.rows(ctx, "SHOW GLOBAL STATUS LIKE 'Uptime'")
	if err != nil {
		return place{}, classify(err)
	}
	if len(up) != 1 {
		return place{}, fmt.Errorf("%w: the server does not tell its uptime", database.ErrConfig)
	}
	var n numbers
	p := place{rows[0][0], n.of(rows[0][1]) - n.of(up[0][1]), n.of(rows[0][2])}
	return p, n.err
}

// evict ends the sessions of all terms up to last, and names those that still stood.
func (d *DB) evict(ctx context.Context, c *conn, last int64) (left []string, err error) {
	rows, err := c.rows(ctx, "SELECT server, conn, started, term FROM "+d.table("sessions")+d.mine()+" AND term <= "+num(last))
	if err != nil {
		return nil, classify(err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	here, err := where(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		var n numbers
		id, started := n.of(r[1]), n.of(r[2])
		if n.err != nil {
			return nil, n.err
		}
		name := fmt.Sprintf("connection %d of term %s", id, r[3])
		switch {
		case here.same(r[0], started):
			err = kill(ctx, c, id)
			if err == nil { // it is being ended, and stands until the server has forgotten it
				left = append(left, name)
				continue
			}
			if code(err) == 1095 {
				left = append(left, name+" (another user's: waiting for the server to end it, or GRANT CONNECTION ADMIN, on MySQL CONNECTION_ADMIN)")
				continue
			}
			if code(err) != 1094 {
				return nil, classify(err)
			}
		case r[0] != here.server:
			several, err := d.severalWriters(ctx, c)
			if err != nil {
				return nil, err
			}
			if several { // else it is a server that no longer is the one that is written to
				left = append(left, fmt.Sprintf("%s on %s, which can't be ended from %s: end it there, then delete its row of schemagate_sessions", name, r[0], here.server))
				continue
			}
		}
		if err := c.run(ctx, "DELETE FROM "+d.table("sessions")+d.mine()+" AND server = "+lit(r[0])+" AND conn = "+r[1]+" AND started = "+r[2]); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// kill ends a connection. The server answers 1094 when it knows none of that number.
func kill(ctx context.Context, c *conn, id int64) error {
	_, err := c.exec(ctx, "KILL "+num(id))
	return err
}

// severalWriters: this is a cluster in which other servers are written to at the same time.
func (d *DB) severalWriters(ctx context.Context, c *conn) (bool, error) {
	rows, err := c.rows(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'group_replication_single_primary_mode')")
	if err != nil {
		return false, classify(err)
	}
	for _, r := range rows {
		if name := strings.ToLower(r[0]); name == "wsrep_on" && r[1] == "ON" || name == "group_replication_single_primary_mode" && r[1] == "OFF" {
			return true, nil
		}
	}
	return false, nil
}

// end sees to it that the server forgets a connection of our own that broke: nothing of it goes on behind our back. It
// reports whether that is certain.
func (d *DB) end(ctx context.Context, at place) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	c, err := d.connect(ctx)
	if err != nil {
		return false
	}
	defer c.close()
	if here, err := where(ctx, c); err != nil || !here.same(at.server, at.started) {
		return false
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		switch err := kill(ctx, c, at.conn); {
		case code(err) == 1094:
			return true
		case err != nil:
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
