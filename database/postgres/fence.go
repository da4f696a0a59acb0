package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// fenceWait bounds every wait on the fence row: long enough for a commit on a busy disk, short enough to notice that the
// holder must be ended.
const fenceWait = 500 * time.Millisecond

// sessionRole is the application_name, behind the service's tag, of a session that writes for a term.
func sessionRole(t database.Term, what string) string {
	return fmt.Sprintf("t%d/%.12s/%s", t.Number, t.Holder, what)
}

// SessionName is what an external command's sessions are to call themselves (PGAPPNAME), so that a successor finds them.
func (d *DB) SessionName(t database.Term) string { return d.tag + "/" + sessionRole(t, "command") }

// Mint raises the term. While an older session holds the row, that session is ended and ErrBlocked returned.
func (d *DB) Mint(ctx context.Context, seen int64, holder string) (database.Term, error) {
	conn, err := d.control(ctx)
	if err != nil {
		return database.Term{}, err
	}
	where := " where service =" + lit(d.opt.Service)
	_, err = script(ctx, conn, "begin isolation level read committed; set local lock_timeout = "+num(fenceWait.Milliseconds())+
		"; update "+d.table("fence")+" set term = term + 1, holder ="+lit(holder)+where+" and term = "+num(seen)+"; commit")
	mine := database.Term{Number: seen + 1, Holder: holder}
	if err != nil {
		rollback(conn)
		if !errors.Is(err, database.ErrBlocked) {
			return database.Term{}, err
		}
		// The lock may be a newer term's. Reading needs no lock, and whoever minted from what we saw has fenced us: waiting on
		// here, with an old term to mint from, would be for ever if that one is dead.
		now, ferr := d.fence(ctx)
		if ferr != nil {
			return database.Term{}, ferr
		}
		if now.Number != seen {
			return mine, mine.Check(now)
		}
		if _, eerr := d.evict(ctx, seen); eerr != nil {
			return database.Term{}, eerr
		}
		return database.Term{}, err
	}
	// The row tells, not the update's count: an earlier try of this very mint may have been committed without our knowing.
	now, err := d.fence(ctx)
	if err != nil {
		return database.Term{}, err
	}
	return mine, mine.Check(now)
}

func (d *DB) fence(ctx context.Context) (database.Term, error) {
	rows, err := d.query(ctx, "select term || ' ' || holder from "+d.table("fence")+" where service = $1", d.opt.Service)
	if err != nil {
		return database.Term{}, err
	}
	if len(rows) == 0 {
		return database.Term{}, nil
	}
	return parseTerm(string(rows[0]))
}

func parseTerm(s string) (database.Term, error) {
	n, holder, _ := strings.Cut(s, " ")
	term, err := strconv.ParseInt(n, 10, 64)
	return database.Term{Number: term, Holder: holder}, err
}

// Drain ends what is left of older terms.
func (d *DB) Drain(ctx context.Context, t database.Term) error {
	left, err := d.evict(ctx, t.Number-1)
	if err != nil {
		return err
	}
	if left != "" {
		return fmt.Errorf("%w: sessions of older terms are still listed: %s", database.ErrBlocked, left)
	}
	return nil
}

// evict ends the sessions of all terms up to last and names those that still stood. A role that may not end them has the
// takeover wait for the server instead. Through a pooler a backend may be anyone's: there the fence row's lock is waited for.
func (d *DB) evict(ctx context.Context, last int64) (left string, err error) {
	if err := d.survey(ctx); err != nil {
		return "", err
	}
	if d.pooled {
		return "", nil
	}
	const list = `select pid::text || ' ' || application_name from pg_catalog.pg_stat_activity
where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid() and pg_catalog.starts_with(application_name, $1 || '/t')`
	rows, err := d.query(ctx, list, d.tag)
	if err != nil {
		return "", err
	}
	var names []string
	for _, row := range rows {
		pid, name, _ := strings.Cut(string(row), " ")
		number, _, _ := strings.Cut(strings.TrimPrefix(name, d.tag+"/t"), "/")
		term, err := strconv.ParseInt(number, 10, 64)
		if err != nil || term > last {
			continue
		}
		names = append(names, fmt.Sprintf("pid %s of term %d", pid, term))
		// By name once more: the process id may have gone to somebody else since it was listed.
		_, err = d.query(ctx, `select pg_catalog.pg_terminate_backend(pid)::text from pg_catalog.pg_stat_activity where pid = $1::int and application_name = $2`, pid, name)
		if err != nil && code(err) != "42501" {
			return "", err
		}
		if err != nil {
			names[len(names)-1] += " (belongs to another role: waiting for the server to end it, or GRANT pg_signal_backend)"
		}
	}
	return strings.Join(names, ", "), nil
}

// rollback leaves a failed transaction, or the connection where that fails.
func rollback(conn *pgconn.PgConn) {
	if conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback").ReadAll(); err != nil {
		_ = conn.Close(ctx) // the server rolls back what its client left
	}
}
