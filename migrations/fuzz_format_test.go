package migrations

import (
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzFormat reads a text as a file of one format each: under a name that only that format has, behind the mark that its files
// begin with. FuzzLoad, whose names change too, seldom gets that far.
func FuzzFormat(f *testing.F) {
	kinds := []struct{ name, mark, end string }{
		{"1_a.up.sql", "", ""}, {"1_a.up.json", "", ""}, {"00001_a.sql", "-- +goose Up\n", ""}, {"20240101000000_a.sql", "-- migrate:up\n", ""},
		{"001_a.sql", "", "\n---- create above / drop below ----\n"}, {"001_a.sql", "SELECT 1;\n---- create above / drop below ----\n", ""},
		{"V1__a.sql", "", ""}, {"R__a.sql", "", ""}, {"a.sql", "--liquibase formatted sql\n", ""}, {"a.sql", "--liquibase formatted sql\n--changeset a:1 ", ""},
		{"1_a.sql", "-- UP\n", ""}, {"20240101000000-a.js", "", ""},
	}
	dialects := []Dialect{Postgres, MySQL, SQLite, MongoDB}
	for i := range kinds {
		for d := range dialects {
			for _, s := range []string{"SELECT 1;", "-- +goose NO TRANSACTION\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\nSELECT 2;",
				"SELECT 1;\n-- migrate:down transaction:false\nSELECT 2;", "SELECT '${tablename}'; -- ${flyway:user} ${", "-- DOWN\nSELECT 2;",
				"--changeset a:1 runOnChange:true splitStatements:false endDelimiter:\\nGO runInTransaction:false\nSELECT 1\n--rollback SELECT 2;\n/* liquibase rollback\nSELECT 3;\n*/\n",
				"--changeset \"a b\":1\n--rollback changesetId:1 changesetAuthor:\"a b\"\n--precondition-sql-check expectedResult:0 SELECT 1\nSELECT 1",
				`[{"create": "a"}, {"$date": 1}]`, "-- schemagate: phase=contract after=1 backfill name=b table=t key=id\nUPDATE t SET a = 1", "module.exports = {up() {}, down() {}}"} {
				f.Add(byte(i), byte(d), s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind, dialect byte, text string) {
		k := kinds[int(kind)%len(kinds)]
		checkLoad(t, dialects[int(dialect)%len(dialects)], fstest.MapFS{k.name: {Data: []byte(k.mark + text + k.end)}})
	})
}

// FuzzDirectives: whatever stands behind "schemagate:", it is understood, or every problem names its line and a remedy.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"no-transaction idempotent", "phase=contract after=12", "lock_timeout=3s statement_timeout=1h", "verify=SELECT 1", "lint-ignore a, b: because it is small",
		"backfill name=a table='t u' key=id batch=100 rows=1", "backfill=", "phase= x=y", "Phase=expand", ""} {
		f.Add(s, "no-transaction")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.ContainsAny(first+second, "\n") {
			return
		}
		_, problems := parseDirectives("f", []comment{{line: 3, text: "schemagate: " + first}, {line: 4, text: "schemagate: " + second}})
		for _, p := range problems {
			if p.File != "f" || p.Line < 3 || p.Line > 4 || p.Msg == "" || p.Remedy == "" {
				t.Fatalf("not a good problem: %+v", p)
			}
		}
	})
}
