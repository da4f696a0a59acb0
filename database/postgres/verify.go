package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
)

// verify asks, inside the transaction under way, what has to be true before the change counts as made.
func (s *session) verify(ctx context.Context, c database.Change) error {
	for _, st := range c.Verify {
		began := time.Now()
		a, err := ask(ctx, s.conn, st.SQL)
		if err != nil {
			return s.blame(ctx, c, st, err, time.Since(began))
		}
		if err := a.Verdict(); err != nil {
			return at(c, st, fmt.Errorf("verify: %w", err))
		}
		if s.conn.TxStatus() != 'T' {
			return at(c, st, errors.New("verify: it ended the transaction; write a query"))
		}
	}
	return nil
}

// ask runs one query that is to answer true.
func ask(ctx context.Context, conn *pgconn.PgConn, sql string) (database.Answer, error) {
	res := conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return database.Answer{}, res.Err
	}
	const boolean = 16 // the type's number
	a := database.Answer{Rows: len(res.Rows), Columns: len(res.FieldDescriptions), AllTrue: len(res.FieldDescriptions) == 1 && res.FieldDescriptions[0].DataTypeOID == boolean}
	for _, row := range res.Rows {
		a.AllTrue = a.AllTrue && string(row[0]) == "t"
	}
	return a, nil
}
