package migrations_test

import (
	"database/sql"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }

// The tests here give every statement of testdata/split to its server, one at a time and where only one is taken at a time. A
// statement cut too early or too late is a syntax error there; that a table is missing is not this package's business.

func statements(t *testing.T, d migrations.Dialect) []migrations.Statement {
	t.Helper()
	files, err := filepath.Glob("testdata/split/" + string(d) + "/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no input files: %v", err)
	}
	var all []migrations.Statement
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements, err := migrations.Statements(d, file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, statements...)
	}
	return all
}

func TestStatementsOnPostgres(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, servers.SharedPostgres(t).NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, s := range statements(t, migrations.Postgres) {
		if strings.HasPrefix(s.SQL, "SET ") {
			if _, err := conn.Exec(ctx, s.SQL); err != nil {
				t.Errorf("%s: %v", s.SQL, err)
			}
			continue
		}
		_, err := conn.PgConn().Prepare(ctx, "", s.SQL, nil)
		if pe, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || pe.Code == "42601") {
			t.Errorf("%s:\n%v", s.SQL, err)
		}
	}
}

func TestStatementsOnMariaDB(t *testing.T) {
	server := servers.MariaDB(t)
	db, err := sql.Open("mysql", server.DSN(path.Base(server.NewDatabase(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements(t, migrations.MySQL) {
		_, err := db.Exec(s.SQL)
		if me, ok := errors.AsType[*mysql.MySQLError](err); err != nil && (!ok || me.Number == 1064) {
			t.Errorf("%s:\n%v", s.SQL, err)
		}
	}
}

func TestStatementsOnSQLite(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements(t, migrations.SQLite) {
		_, err := db.Exec(s.SQL)
		if err != nil && (strings.Contains(err.Error(), "syntax error") || strings.Contains(err.Error(), "incomplete input")) {
			t.Errorf("%s:\n%v", s.SQL, err)
		}
	}
}
