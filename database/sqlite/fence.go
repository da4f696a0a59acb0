package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/schemagate/schemagate/database"
)

// fenceWait bounds the waits of a takeover: long enough for somebody's commit on a busy disk, short enough to go back and ask
// whether one is still elected. readWait bounds those of looks and of events, which nobody would repeat as soon.
const (
	fenceWait = 500 * time.Millisecond
	readWait  = 2 * time.Second
)

// Mint raises the term. It is ErrBlocked as long as an older term's session, or the app, is writing.
func (d *DB) Mint(ctx context.Context, seen int64, holder string) (database.Term, error) {
	c, err := d.control(ctx)
	if err != nil {
		return database.Term{}, err
	}
	mine := database.Term{Number: seen + 1, Holder: holder}
	var now database.Term
	err = d.transact(ctx, c, func() error {
		err := c.exec(ctx, "update main.schemagate_fence set term = term + 1, holder = ? where service = ? and term = ?", holder, d.opt.Service, seen)
		if err == nil {
			// The row tells, not the update's count: an earlier try of this very mint may have been committed.
			now, err = c.fence(ctx, d.opt.Service)
		}
		return err
	})
	if errors.Is(err, database.ErrBlocked) {
		// The writer may be a newer term's, and reading needs no lock.
		if t, ferr := c.fence(ctx, d.opt.Service); ferr == nil && t.Number != seen {
			now, err = t, nil
		}
	}
	if err != nil {
		return database.Term{}, err
	}
	return mine, mine.Check(now)
}

func (c *conn) fence(ctx context.Context, service string) (t database.Term, err error) {
	err = c.c.QueryRowContext(ctx, "select term, holder from main.schemagate_fence where service = ?", service).Scan(&t.Number, &t.Holder)
	if errors.Is(err, sql.ErrNoRows) {
		return database.Term{}, nil
	}
	return t, err
}

// Drain has nothing to end: the mint had the write lock, so no older transaction was open then, and none passes the fence
// since. What a dead process left is rolled back by whoever opens the file next.
func (d *DB) Drain(context.Context, database.Term) error { return nil }
