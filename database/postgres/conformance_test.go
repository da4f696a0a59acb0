package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/database/databasetest"
	"github.com/schemagate/schemagate/database/postgres"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }

const (
	ttl      = 10 * time.Minute
	interval = time.Minute
)

// hold runs a statement in a transaction that knows nothing of schemagate, and keeps that open until release is called.
func hold(t *testing.T, url, statement string) (release func(), err error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := conn.Close(ctx); err != nil { // the server rolls back, and frees the locks before it closes its end
			t.Error(err)
		}
	}
	_, err = conn.Exec(ctx, "BEGIN")
	if err == nil {
		_, err = conn.Exec(ctx, statement)
	}
	return release, err
}

func mustHold(t *testing.T, url, statement string) func() {
	t.Helper()
	release, err := hold(t, url, statement)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// target is a new database, changed by setup, with our tables in the schema, or where they come to lie by themselves.
func target(t *testing.T, schema, setup string) databasetest.Target {
	url := servers.SharedPostgres(t).NewDatabase(t)
	servers.Psql(t, url, setup)
	tables := "schemagate_"
	if schema != "" {
		tables = pgx.Identifier{schema}.Sanitize() + ".schemagate_"
	}
	fenceRow := func(service string) string {
		return "SELECT 1 FROM " + tables + "fence WHERE service = '" + service + "' FOR UPDATE"
	}
	return databasetest.Target{
		Open: func(t *testing.T, service string) databasetest.Client {
			d, err := postgres.Open(url, postgres.Options{Service: service, Schema: schema, LeaseTTL: ttl, Interval: interval})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		Exec: func(t *testing.T, statement string) { servers.Psql(t, url, statement) },
		Numbers: func(t *testing.T, table string) (out []int) {
			for _, line := range strings.Fields(servers.Psql(t, url, "SELECT n FROM "+table)) {
				n, err := strconv.Atoi(line)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, n)
			}
			return out
		},
		Busy: func(t *testing.T, service string) bool {
			release, err := hold(t, url, fenceRow(service)+" NOWAIT")
			release()
			var pe *pgconn.PgError
			if errors.As(err, &pe) && pe.Code == "55P03" {
				return true
			}
			if err != nil { // which tells nothing of the fence
				t.Fatal(err)
			}
			return false
		},
		Block: func(t *testing.T, service string) func() { return mustHold(t, url, fenceRow(service)) },
		LockTable: func(t *testing.T, table string) func() {
			return mustHold(t, url, "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
		},
		Elapse: func(t *testing.T, service string, d time.Duration) {
			servers.Psql(t, url, fmt.Sprintf("UPDATE %slease SET renewed_at = renewed_at - interval '%f s' WHERE service = '%s'",
				tables, d.Seconds(), service))
		},
		TTL: ttl, Interval: interval,
		Bury: func(t *testing.T, service string) {
			const gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = "
			pid := servers.Psql(t, url, "SELECT pid FROM "+tables+"lease WHERE service = '"+service+"'")
			if servers.Psql(t, url, gone+pid) != "1" {
				t.Fatalf("the lease's presence, pid %q, is not there", pid)
			}
			servers.Psql(t, url, "SELECT pg_terminate_backend("+pid+", 60000)")
		},
		Glances: true,
		Forced:  true,
		Evicts:  true,
		Dialect: databasetest.SQL("SELECT pg_sleep(3600)", "SET search_path = pg_catalog", "SET standard_conforming_strings = off",
			"PREPARE litter AS SELECT 1", "SET default_transaction_read_only = on", "SET TimeZone = 'Asia/Kathmandu'", "SET DateStyle = 'German'"),
	}
}

func TestConformance(t *testing.T) {
	databasetest.Run(t, func(t *testing.T) databasetest.Target { return target(t, "", "") })
}

// The defaults of a database are its owner's; our own statements must not depend on them.
func TestConformanceWhateverTheDefaultsAndTheSchema(t *testing.T) {
	databasetest.Run(t, func(t *testing.T) databasetest.Target {
		return target(t, `The "own" schema`, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());
EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Kathmandu''', current_database());
EXECUTE format('ALTER DATABASE %I SET DateStyle = ''German''', current_database());
EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$`)
	})
}
