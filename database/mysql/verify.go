package mysql

import (
	"context"
	"fmt"

	"github.com/schemagate/schemagate/database"
)

// verify asks what has to be true before the change counts as made: inside its transaction where it only changes data.
func (s *session) verify(ctx context.Context, c *conn, ch database.Change) error {
	if len(ch.Verify) == 0 {
		return nil
	}
	if err := c.run(ctx, s.limits(ch)); err != nil {
		return err
	}
	for _, st := range ch.Verify {
		var a database.Answer
		err := s.sorted(ctx, c, ch, st, func(ctx context.Context) (err error) { a, err = c.ask(ctx, st.SQL); return err })
		if err != nil {
			return err
		}
		if err := a.Verdict(); err != nil {
			return at(ch, st, fmt.Errorf("verify: %w", err))
		}
	}
	return nil
}

// ask runs one query that is to answer true, which is 1 here.
func (c *conn) ask(ctx context.Context, sql string) (database.Answer, error) {
	rows, err := c.rows(ctx, sql)
	a := database.Answer{Rows: len(rows), AllTrue: true}
	for _, r := range rows {
		a.Columns = len(r)
		a.AllTrue = a.AllTrue && a.Columns == 1 && r[0] == "1"
	}
	return a, err
}
