package adopt_test

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/migrations"
)

type rows = []map[string]string

func load(t *testing.T, files map[string]string) *migrations.Set {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := migrations.Load(fsys, migrations.Options{Dialect: migrations.Postgres, Placeholders: map[string]string{"who": "app"}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// table has the columns of its first row.
func table(t *testing.T, name string, r rows) database.ForeignTable {
	t.Helper()
	var columns []string
	for _, row := range r {
		for k := range row {
			if !slices.Contains(columns, k) {
				columns = append(columns, k)
			}
		}
	}
	shape, ok := database.Fitting(adopt.Shapes(), strings.ToLower(name), columns)
	if !ok {
		t.Fatalf("%s with %v has no known shape", name, columns)
	}
	return database.ForeignTable{Shape: shape, Schema: "public", Table: name, Rows: r}
}

func flywayRow(rank int, version, description, kind, script, checksum, success string) map[string]string {
	r := map[string]string{"installed_rank": fmt.Sprint(rank), "description": description, "type": kind, "script": script, "success": success, "installed_on": "2024-01-01 00:00:00"}
	r["version"], r["checksum"] = version, checksum
	for _, k := range []string{"version", "checksum"} {
		if r[k] == "" && rank > 1 {
			delete(r, k) // NULL
		}
	}
	return r
}

// flywaySet and its checksums: CRC-32 of the lines without their ends, as gzip counts it:
// printf 'CREATE TABLE a (n int);' | gzip -c | tail -c8 | od -An -td4 -N4
var flywaySet = map[string]string{
	"V1__a.sql":      "CREATE TABLE a (n int);\n",
	"V1.1__b.sql":    "INSERT INTO a\nVALUES (1);\n",
	"V2__who.sql":    "INSERT INTO a VALUES (2); -- ${who}\n",
	"U1.1__b.sql":    "DELETE FROM a;\n",
	"R__my_view.sql": "CREATE OR REPLACE VIEW v AS SELECT * FROM a;\n",
}

const (
	crcA    = "-954861068"
	crcB    = "-439410701"
	crcView = "366041935"
)

func TestRead(t *testing.T) {
	native := map[string]string{"0001_a.up.sql": "SELECT 1;\n", "0001_a.down.sql": "SELECT 2;\n", "0002_b.up.sql": "SELECT 3;\n", "0003_c.up.sql": "SELECT 4;\n"}
	goose := map[string]string{"1_a.sql": "-- +goose Up\nSELECT 1;\n", "2_b.sql": "-- +goose Up\nSELECT 1;\n", "3_c.sql": "-- +goose Up\nSELECT 1;\n"}
	sum := func(text string) string { s := sha512.Sum384([]byte(text)); return `\x` + hex.EncodeToString(s[:]) }
	sqlxRow := func(v, text string) map[string]string {
		return map[string]string{"version": v, "description": "a", "success": "true", "checksum": sum(text)}
	}
	liquibaseFile := "--liquibase formatted sql\n--changeset ann:1\nSELECT 1;\n--rollback SELECT 2;\n--changeset bob:2\nSELECT 3;\n--changeset bob:3\nSELECT 4;\n"
	liquibaseRow := func(id, author, file, exec string) map[string]string {
		return map[string]string{"id": id, "author": author, "filename": file, "orderexecuted": id, "exectype": exec, "dateexecuted": "2024-01-01 00:00:00"}
	}
	for name, c := range map[string]struct {
		files   map[string]string
		tables  []database.ForeignTable
		want    string // versions taken over
		unknown string
		err     error
		says    string
	}{
		"golang-migrate": {files: native, tables: []database.ForeignTable{table(t, "schema_migrations", rows{{"version": "2", "dirty": "0"}})}, want: "0001 0002"},
		"sqlx":           {files: native, tables: []database.ForeignTable{table(t, "_sqlx_migrations", rows{sqlxRow("1", "SELECT 1;\n"), sqlxRow("2", "SELECT 3;\r\n")})}, want: "0001 0002"},
		"sqlx, a byte order mark, and a newer release's": {files: native, tables: []database.ForeignTable{table(t, "_sqlx_migrations", rows{sqlxRow("9", "x"), sqlxRow("1", "\ufeffSELECT 1;\n")})},
			want: "0001 9", unknown: "9"},
		"goose, with rows of old ways back": {files: goose, tables: []database.ForeignTable{table(t, "goose_db_version", rows{
			{"id": "1", "version_id": "0", "is_applied": "true"}, {"id": "2", "version_id": "1", "is_applied": "true"}, {"id": "10", "version_id": "2", "is_applied": "false"},
			{"id": "9", "version_id": "2", "is_applied": "true"}, {"id": "11", "version_id": "3", "is_applied": "true"}})}, want: "1 3"},
		"Flyway": {files: flywaySet, tables: []database.ForeignTable{table(t, "flyway_schema_history", rows{
			flywayRow(1, "1", "a", "SQL", "V1__a.sql", crcA, "true"), flywayRow(2, "1.1", "b", "SQL", "V1.1__b.sql", crcB, "true"),
			flywayRow(3, "2", "who", "SQL", "V2__who.sql", "5", "true"), flywayRow(4, "", "my view", "SQL", "R__my_view.sql", crcView, "true")})},
			want: "1 1.1 2 R__my_view"},
		"Flyway, undone": {files: flywaySet, tables: []database.ForeignTable{table(t, "flyway_schema_history", rows{
			flywayRow(1, "1", "a", "SQL", "V1__a.sql", crcA, "true"), flywayRow(2, "1.1", "b", "SQL", "V1.1__b.sql", crcB, "true"),
			flywayRow(3, "1.1", "b", "UNDO_SQL", "U1.1__b.sql", "", "true")})}, want: "1"},
		"Flyway, from a baseline": {files: flywaySet, tables: []database.ForeignTable{table(t, "flyway_schema_history", rows{
			flywayRow(1, "1.1", "<< Flyway Baseline >>", "BASELINE", "<< Flyway Baseline >>", "", "true")})}, want: "1 1.1"},
		"Flyway, failed": {files: flywaySet, tables: []database.ForeignTable{table(t, "flyway_schema_history", rows{
			flywayRow(1, "1", "a", "SQL", "V1__a.sql", crcA, "false")})}, err: adopt.ErrUnfinished, says: "flyway repair"},
		"Flyway, changed": {files: flywaySet, tables: []database.ForeignTable{table(t, "flyway_schema_history", rows{
			flywayRow(1, "1", "a", "SQL", "V1__a.sql", "7", "true")})}, err: adopt.ErrRecord, says: "V1__a.sql: changed after Flyway applied it"},
		"Liquibase": {files: map[string]string{"changes.sql": liquibaseFile}, tables: []database.ForeignTable{table(t, "DATABASECHANGELOG", rows{
			liquibaseRow("1", "ann", "classpath:db/changelog/changes.sql", "EXECUTED"), liquibaseRow("2", "bob", "db/changelog/changes.sql", "MARK_RAN"),
			liquibaseRow("3", "bob", "db/changelog/changes.sql", "FAILED")})}, want: "changes.sql::1::ann changes.sql::2::bob"},
		"a table that says nothing": {files: native, tables: []database.ForeignTable{{Shape: database.Shape{Name: "other"}, Table: "other", Rows: rows{{"a": "b"}}}}},
		"tern's, for native files":  {files: native, tables: []database.ForeignTable{table(t, "schema_version", rows{{"version": "3"}})}, err: adopt.ErrRecord, says: "record of tern"},
	} {
		t.Run(name, func(t *testing.T) {
			set := load(t, c.files)
			taken, err := adopt.Read(set, c.tables)
			if c.err != nil {
				if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var versions []string
			for _, e := range taken.Events {
				versions = append(versions, e.Version)
				m, ok := set.Find(e.Version)
				if e.Kind != database.Applied || ok && (e.Checksum != m.Checksum || (e.Down == nil) != (m.Down == nil)) {
					t.Errorf("event %+v", e)
				}
			}
			if got := strings.Join(versions, " "); got != c.want || strings.Join(taken.Unknown, " ") != c.unknown {
				t.Errorf("took %q (unknown %v), want %q (%q)", got, taken.Unknown, c.want, c.unknown)
			}
		})
	}
}

// A repeatable migration that changed since Flyway ran it is due.
func TestARepeatableThatChangedIsDue(t *testing.T) {
	set := load(t, flywaySet)
	taken, err := adopt.Read(set, []database.ForeignTable{table(t, "flyway_schema_history", rows{
		flywayRow(1, "1", "a", "SQL", "V1__a.sql", crcA, "true"), flywayRow(2, "", "my view", "SQL", "R__my_view.sql", "12", "true")})})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set.Find("R__my_view")
	if e := taken.Events[1]; e.Version != m.Version || e.Checksum == m.Checksum {
		t.Errorf("event %+v", e)
	}
}

// What is handed back is read again as it is: for the tools that can't be run here, too.
func TestBackAndForth(t *testing.T) {
	sets := map[string]struct {
		files map[string]string
		table database.ForeignTable
		first string // what the table has
	}{
		"Flyway": {flywaySet, table(t, "flyway_schema_history", rows{flywayRow(1, "1", "a", "SQL", "V1__a.sql", crcA, "true")}), "1"},
		"Liquibase": {map[string]string{"c.sql": "--liquibase formatted sql\n--changeset ann:1\nSELECT 1;\n--changeset ann:2\nSELECT 2;\n"},
			table(t, "databasechangelog", rows{{"id": "1", "author": "ann", "filename": "db/c.sql", "orderexecuted": "1", "exectype": "EXECUTED"}}), "c.sql::1::ann"},
	}
	for name, c := range sets {
		t.Run(name, func(t *testing.T) {
			set := load(t, c.files)
			var held []adopt.Held
			for _, m := range set.Migrations {
				held = append(held, adopt.Held{Version: m.Version, Name: m.Name})
			}
			given, err := adopt.Back(set, migrations.Postgres, held, []database.ForeignTable{c.table})
			if err != nil {
				t.Fatal(err)
			}
			if given.Tool != name || len(given.Write.Insert) != len(held)-1 || len(given.Write.Delete) != 0 {
				t.Fatalf("%+v", given)
			}
			again := c.table
			for _, row := range given.Write.Insert {
				text := map[string]string{}
				for k, v := range row {
					if v != nil {
						text[k] = fmt.Sprint(v)
					}
				}
				again.Rows = append(again.Rows, text)
			}
			taken, err := adopt.Read(set, []database.ForeignTable{again})
			if err != nil || len(taken.Events) != len(held) || len(taken.Unknown) > 0 {
				t.Fatalf("%+v, %v", taken, err)
			}
			// And rolled back to where the tool was.
			given, err = adopt.Back(set, migrations.Postgres, held[:1], []database.ForeignTable{again})
			if err != nil || len(given.Write.Insert) != 0 || len(given.Write.Delete) == 0 {
				t.Fatalf("%+v, %v", given, err)
			}
			if _, err := adopt.Back(set, migrations.Postgres, held, nil); !errors.Is(err, adopt.ErrRecord) {
				t.Errorf("made a record of its own: %v", err)
			}
		})
	}
}

// A tool that keeps one number can't be told of a gap.
func TestNoGapCanBeHandedBack(t *testing.T) {
	set := load(t, map[string]string{"1_a.up.sql": "SELECT 1;", "2_b.up.sql": "SELECT 1;", "3_c.up.sql": "SELECT 1;"})
	_, err := adopt.Back(set, migrations.Postgres, []adopt.Held{{Version: "1"}, {Version: "3"}}, nil)
	if !errors.Is(err, adopt.ErrRecord) || !strings.Contains(err.Error(), "2_b.up.sql is not in force below 3") {
		t.Errorf("got %v", err)
	}
}

func TestHint(t *testing.T) {
	for message, want := range map[string]bool{
		`relation "_sqlx_migrations" does not exist`:     true,
		`Table 'app.schema_migrations' doesn't exist`:    true,
		`no such table: flyway_schema_history`:           true,
		`relation "my_schema_migrations" does not exist`: false,
		`relation "orders" does not exist`:               false,
	} {
		if got := adopt.Hint(message); (got != "") != want {
			t.Errorf("%s: %q", message, got)
		}
	}
}
