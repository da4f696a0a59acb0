package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/database/databasetest"
	"github.com/schemagate/schemagate/database/sqlite"
)

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

// beside is a connection that knows nothing of schemagate.
func beside(t *testing.T, path string, busyTimeoutMS string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout="+busyTimeoutMS)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func run(t *testing.T, c *sql.Conn, statement string) {
	t.Helper()
	if _, err := c.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatalf("run %q: %v", statement, err)
	}
}

func target(t *testing.T, journal string) databasetest.Target {
	path := filepath.Join(t.TempDir(), "an app's #1 50%.db")
	url := "sqlite:" + path
	escaped := strings.NewReplacer("%", "%25", "#", "%23").Replace(path)
	conn := func(t *testing.T, busyTimeoutMS string) *sql.Conn { return beside(t, escaped, busyTimeoutMS) }
	var first *sql.Conn // opened late: the database must not be made by the test
	ready := func(t *testing.T) *sql.Conn {
		if first == nil {
			first = conn(t, "5000")
			run(t, first, "PRAGMA journal_mode="+journal)
		}
		return first
	}
	return databasetest.Target{
		Open: func(t *testing.T, service string) databasetest.Client {
			d, err := sqlite.Open(url, sqlite.Options{Service: service})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		Exec: func(t *testing.T, statement string) { run(t, ready(t), statement) },
		Numbers: func(t *testing.T, table string) (out []int) {
			rows, err := ready(t).QueryContext(t.Context(), "SELECT n FROM "+table)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = rows.Close() }() // Err tells
			for rows.Next() {
				var n int
				if err := rows.Scan(&n); err != nil {
					t.Fatal(err)
				}
				out = append(out, n)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			return out
		},
		Busy: func(t *testing.T, _ string) bool {
			c := conn(t, "0")
			if _, err := c.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				if !strings.Contains(err.Error(), "SQLITE_BUSY") {
					t.Fatal(err)
				}
				return true
			}
			run(t, c, "ROLLBACK")
			return false
		},
		Block: func(t *testing.T, _ string) func() {
			c := conn(t, "5000")
			run(t, c, "BEGIN IMMEDIATE")
			return func() { run(t, c, "ROLLBACK") }
		},
		Dialect: databasetest.SQL(endless, "PRAGMA case_sensitive_like=on", "ATTACH ':memory:' AS litter"),
	}
}

func TestConformance(t *testing.T) {
	for _, journal := range []string{"delete", "wal"} {
		t.Run(journal, func(t *testing.T) {
			databasetest.Run(t, func(t *testing.T) databasetest.Target { return target(t, journal) })
		})
	}
}
