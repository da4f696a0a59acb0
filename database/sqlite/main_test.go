package sqlite

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/database"
)

// leaderOf makes this binary a leader of the database that it names, for tests that kill or stop one.
const leaderOf = "SCHEMAGATE_TEST_LEADER_OF"

func TestMain(m *testing.M) {
	if url := os.Getenv(leaderOf); url != "" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1) // the test is gone, and did not come to kill us
		}()
		if err := leadForEver(url); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// leadForEver takes the lease and a term, and is then in the midst of a migration so large that SQLite has begun to write it
// into the file.
func leadForEver(url string) error {
	ctx := context.Background()
	d, err := Open(url, Options{Service: "default"})
	if err != nil {
		return err
	}
	if err := d.Prepare(ctx); err != nil {
		return err
	}
	if _, err := d.Acquire(ctx, database.Claim{Holder: database.NewHolder(), Replica: "the leader"}); err != nil {
		return err
	}
	term, err := d.Mint(ctx, 0, database.NewHolder())
	if err != nil {
		return err
	}
	s, err := d.Lead(ctx, term, database.Origin{Replica: "the leader"})
	if err != nil {
		return err
	}
	return s.Apply(ctx, database.Change{Version: "1", File: "1.up.sql", Statements: []database.Statement{
		{SQL: "PRAGMA cache_size = 10"},
		{SQL: "CREATE TABLE counted (n)"},
		{SQL: "INSERT INTO counted WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT zeroblob(1000) FROM n"},
		{SQL: "ATTACH ':memory:' AS reached"},
		{SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"},
	}})
}
