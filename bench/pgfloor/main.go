// Command pgfloor is what no start on PostgreSQL can be quicker than: it connects, asks one question, and ends.
package main

import (
	"context"
	"os"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Args[1])
	if err != nil {
		panic(err)
	}
	var one int
	if err := conn.QueryRow(ctx, "select 1", pgx.QueryExecModeExec).Scan(&one); err != nil {
		panic(err)
	}
	if err := conn.Close(ctx); err != nil {
		panic(err)
	}
}
