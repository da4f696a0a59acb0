package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/schemagate/schemagate/database"
)

// verify asks, inside the transaction under way, what has to be true before the change counts as made.
func (c *conn) verify(ctx context.Context, ch database.Change) error {
	for _, st := range ch.Verify {
		var a database.Answer
		err := c.sorted(ctx, ch, st, func(ctx context.Context) (err error) { a, err = c.ask(ctx, st.SQL); return err })
		if err != nil {
			return err
		}
		if err := a.Verdict(); err != nil {
			return at(ch, st, fmt.Errorf("verify: %w", err))
		}
		if c.over {
			return at(ch, st, errEnded)
		}
	}
	return nil
}

// ask runs one query that is to answer true, which is 1 here.
func (c *conn) ask(ctx context.Context, sql string) (a database.Answer, err error) {
	rows, err := c.c.QueryContext(ctx, sql)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return a, err
	}
	a.Columns, a.AllTrue = len(names), true
	for rows.Next() {
		a.Rows++
		var v any
		if a.Columns == 1 {
			if err := rows.Scan(&v); err != nil {
				return a, err
			}
		}
		a.AllTrue = a.AllTrue && (v == int64(1) || v == true)
	}
	return a, rows.Err()
}
