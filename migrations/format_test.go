package migrations

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

var flywayValues = map[string]string{"tablename": "test_user", "flyway:defaultSchema": "public", "flyway:user": "app", "literal": "x"}

// TestFormatsGolden loads every folder of testdata/sets: FORMAT-DIALECT. They follow the examples that each format's owner
// publishes. Each way back must read the same from the history.
func TestFormatsGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/sets/*-*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	for _, folder := range folders {
		if strings.HasSuffix(folder, ".golden") {
			continue
		}
		t.Run(filepath.Base(folder), func(t *testing.T) {
			_, d, _ := strings.Cut(filepath.Base(folder), "-")
			o := Options{Dialect: Dialect(d), Placeholders: flywayValues}
			set, err := Load(os.DirFS(folder), o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, folder+".golden", describe(set))
			for _, m := range set.Migrations {
				if m.Down == nil {
					continue
				}
				down, err := ParseDown(m.Format, o.Dialect, m.Down.File, m.Down.Text)
				if err != nil {
					t.Errorf("%s: its way back can't be read from the history: %v", m.ID(), err)
				}
				if unmarked(sqls(down)) != unmarked(sqls(*m.Down)) || down.NoTransaction != m.Down.NoTransaction || down.Language != m.Down.Language {
					t.Errorf("%s: from the history its way back is\n%+v\nand not\n%+v", m.ID(), down, *m.Down)
				}
			}
			sameOnWindows(t, folder, o, set)
		})
	}
}

// unmarked removes the directive that a stored text may start with.
func unmarked(sql string) string {
	return strings.TrimSpace(strings.TrimPrefix(sql, "-- schemagate: no-transaction\n"))
}

// sameOnWindows fails unless a byte order mark and CRLF leave the set as it is.
func sameOnWindows(t *testing.T, folder string, o Options, want *Set) {
	t.Helper()
	files := fstest.MapFS{}
	err := filepath.Walk(folder, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(folder, name)
		files[rel] = &fstest.MapFile{Data: []byte("\ufeff" + strings.ReplaceAll(string(data), "\n", "\r\n"))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Load(files, o)
	if err != nil {
		t.Fatal(err)
	}
	if set.Digest != want.Digest {
		t.Error("the digest depends on line endings")
	}
}

// describe shows everything about a set.
func describe(set *Set) string {
	var b strings.Builder
	fmt.Fprintf(&b, "format %s, digest %.12s\n", set.Format, set.Digest)
	for _, m := range set.Migrations {
		fmt.Fprintf(&b, "\n##### %s: version %q, name %q, phase %q, after %q, repeatable %v, checksum %.12s\n", m.ID(), m.Version, m.Name, m.Phase, m.After, m.Repeatable, m.Checksum)
		describeScript(&b, "up", m.Up)
		if m.Down != nil {
			describeScript(&b, "down", *m.Down)
		}
	}
	return b.String()
}

func describeScript(b *strings.Builder, direction string, s Script) {
	fmt.Fprintf(b, "## %s in %s: %s", direction, s.File, s.Language)
	if s.NoTransaction {
		b.WriteString(" no-transaction")
	}
	if s.LockTimeout != nil {
		fmt.Fprintf(b, " lock_timeout=%v", *s.LockTimeout)
	}
	if s.StatementTimeout != nil {
		fmt.Fprintf(b, " statement_timeout=%v", *s.StatementTimeout)
	}
	if s.Idempotent {
		b.WriteString(" idempotent")
	}
	fmt.Fprintf(b, "\n%s= statements\n%s", indent(s.Text), show(s.Statements))
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSuffix(text, "\n") + "\n") {
		b.WriteString("| " + line)
	}
	return b.String()
}

func TestFormatProblems(t *testing.T) {
	const ok = "SELECT 1;"
	values := flywayValues
	for _, c := range []struct {
		name  string
		d     Dialect
		files folder
		want  []string
	}{
		{"two formats by marks", Postgres, folder{"1_a.sql": "-- +goose Up\n-- migrate:up\nSELECT 1;"}, []string{"1_a.sql: looks like goose and like dbmate"}},
		{"two formats by mark and name", Postgres, folder{"1_a.up.sql": "-- +goose Up\nSELECT 1;", "V1__a.sql": "-- migrate:up\nSELECT 1;"},
			[]string{"1_a.up.sql: looks like goose and like native", "V1__a.sql: looks like dbmate and like flyway"}},
		{"down in an up file", Postgres, folder{"1_a.up.sql": "-- UP migration\nSELECT 1;\n-- DOWN migration\nSELECT 2;"}, []string{"looks like up-down comments and like native"}},
		{"mixed folder", Postgres, folder{"1_a.sql": ok, "2_b.sql": "-- +goose Up\nSELECT 1;", "3_c.up.sql": ok},
			[]string{"1_a.sql: looks like native, but 2_b.sql is goose: keep one format", "3_c.up.sql: looks like native, but 2_b.sql is goose"}},
		{"foreign marks", Postgres, folder{"1_a.sql": "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;", "2_b.sql": "SELECT 1;\n-- rambler down\nSELECT 2;", "3_c.sql": "SELECT 1;\n-- //@UNDO\nSELECT 2;"},
			[]string{"1_a.sql:1: is a migration for sql-migrate", "2_b.sql:2: is a migration for Rambler", "3_c.sql:2: is a migration for MyBatis"}},
		{"no version", Postgres, folder{"a.sql": "-- +goose Up\nSELECT 1;", "b.sql": "-- +goose Up\nSELECT 1;"}, []string{"a.sql: has no version", "b.sql: has no version"}},

		{"goose in Go", Postgres, folder{"1_a.sql": "-- +goose Up\nSELECT 1;", "2_b.go": "package m\n\nfunc init() { goose.AddMigrationContext(nil, nil) }\n", "embed.go": "package m // goose.Add"},
			[]string{"2_b.go:3: is a goose migration in Go"}},
		{"goose ENVSUB", Postgres, folder{"1_a.sql": "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${X}';"}, []string{"1_a.sql:2: goose ENVSUB is not supported"}},
		{"goose unknown and indented", Postgres, folder{"1_a.sql": "-- +goose Up\n-- +goose nonsense\n -- +goose Down\nSELECT 1;"}, []string{`1_a.sql:2: unknown goose annotation "NONSENSE"`, `1_a.sql:3: unknown goose annotation "INDENTED DOWN"`}},
		{"goose without Up", Postgres, folder{"1_a.sql": "-- +goose NO TRANSACTION\nSELECT 1;"}, []string{"1_a.sql: has no -- +goose Up", "1_a.sql:2: text before -- +goose Up"}},
		{"goose order", Postgres, folder{"1_a.sql": "-- +goose Down\nSELECT 1;\n-- +goose Up\nSELECT 2;"}, []string{"1_a.sql:1: -- +goose Down before -- +goose Up"}},
		{"goose twice", Postgres, folder{"1_a.sql": "-- +goose Up\nSELECT 1;\n-- +goose Up\nSELECT 2;", "2_b.sql": "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n-- +goose Down\nSELECT 1;"},
			[]string{"1_a.sql:3: a second -- +goose Up", "2_b.sql:5: a second -- +goose Down"}},
		{"goose statements", Postgres, folder{"1_a.sql": "-- +goose Up\n-- +goose StatementEnd\n-- +goose StatementBegin\n-- +goose StatementBegin\nSELECT 1;\n"},
			[]string{"1_a.sql:2: StatementEnd without", "1_a.sql:4: StatementBegin inside that of line 3", "1_a.sql:4: StatementBegin without StatementEnd"}},
		{"goose empty", Postgres, folder{"1_a.sql": "-- +goose Up\n\n"}, []string{"1_a.sql: holds no statement to apply"}},
		{"goose delimiter", MySQL, folder{"1_a.sql": "-- +goose Up\n-- +goose StatementBegin\nDELIMITER |\n-- +goose StatementEnd\n"}, []string{"1_a.sql:3: DELIMITER is a command of the mysql client"}},

		{"dbmate marks", Postgres, folder{"1_a.sql": "SELECT 0;\n-- migrate:up\nSELECT 1;", "2_b.sql": "-- migrate:down\nSELECT 1;\n-- migrate:up\nSELECT 2;", "3_c.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n-- migrate:up\nSELECT 3;", "4_d.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n-- migrate:down\nSELECT 3;"},
			[]string{"1_a.sql:1: text before -- migrate:up", "2_b.sql:1: -- migrate:down before -- migrate:up", "3_c.sql:5: a second -- migrate:up: put each pair into a file of its own", "4_d.sql:5: a second -- migrate:down"}},
		{"dbmate options", Postgres, folder{"1_a.sql": "-- migrate:up transaction:no\nSELECT 1;"}, []string{`1_a.sql:1: unknown dbmate option "transaction:no": known is transaction:false`}},

		{"tern templates", Postgres, folder{"1_a.sql": "SELECT 1;\n{{ template \"x\" . }}\n---- create above / drop below ----\n"}, []string{"1_a.sql:2: tern templates are not supported"}},
		{"up and down", Postgres, folder{"1_a.sql": "-- DOWN migration\nSELECT 1;\n-- UP migration\nSELECT 2;", "2_b.sql": "SELECT 1;\n-- UP migration\nSELECT 2;", "3_c.sql": "SELECT 1;\n-- Down\nSELECT 1;\n-- Down\n"},
			[]string{"1_a.sql:1: -- DOWN before -- UP", "2_b.sql:2: -- UP after the first statement", "3_c.sql:4: a second -- DOWN"}},

		{"Flyway placeholders", Postgres, folder{"V1__a.sql": "SELECT 1;\n-- ${nothing}\nSELECT '${flyway:timestamp}', ${LITERAL};"}, []string{"V1__a.sql:2: Flyway placeholder ${nothing} has no value", "V1__a.sql:3: Flyway placeholder ${flyway:timestamp} has no value"}},
		{"Flyway names", Postgres, folder{"V1__a.sql": ok, "V01__b.sql": ok, "v2__c.sql": ok, "V2_c.sql": ok, "U3__d.sql": ok, "B1__e.sql": ok, "afterMigrate__roles.sql": ok, "V4__f.java": "", "R1__g.sql": ok},
			[]string{"V1__a.sql: version 1 is also that of V01__b.sql", "v2__c.sql: is not named like", "V2_c.sql: is not named like", "U3__d.sql: is a way back without a way up", "B1__e.sql: is a Flyway baseline migration", "afterMigrate__roles.sql: is a Flyway callback", "V4__f.java: is a Flyway migration in java", "R1__g.sql: is not named"}},
		{"Flyway settings", Postgres, folder{"V1__a.sql": ok, "V1__a.sql.conf": "shouldExecute=${env}==prod\nencoding=UTF-8\nexecuteInTransaction=maybe"}, []string{"V1__a.sql.conf:1: Flyway script setting shouldExecute=", "V1__a.sql.conf:3: Flyway script setting executeInTransaction=maybe"}},
		{"Flyway repeatables in two folders", Postgres, folder{"R__a.sql": ok, "more/R__a.sql": ok}, []string{"version R__a is also that of"}},

		{"Liquibase lines", Postgres, folder{"a.sql": "--liquibase formatted sql\n--property name:x value:y\n--changeset a:1\n--preconditions onFail:HALT\n--precondition-sql-check expectedResult:0 SELECT 1\n--ignoreLines:1\nSELECT 1;\n--rollback changesetId:0 changesetAuthor:a"},
			[]string{"a.sql:2: Liquibase property is not", "a.sql:4: Liquibase preconditions is not supported", "a.sql:5: Liquibase precondition is not", "a.sql:6: Liquibase ignoreLines is not", "a.sql:8: a rollback that names another changeset"}},
		{"Liquibase attributes", Postgres, folder{"a.sql": "--liquibase formatted sql\n--changeset a:1 context:test labels:\"x, y\" contextFilter:\"a and b\" runAlways:true failOnError:false\nSELECT 1;\n--changeset a:2 runOnChnge:true runWith:psql runInTransaction:maybe nonsense endDelimiter:\nSELECT 1;\n--changeset a:3 dbms:\"x"},
			[]string{"a.sql:2: Liquibase context is not", "a.sql:2: Liquibase labels is not", "a.sql:2: Liquibase contextFilter is not", "a.sql:2: Liquibase runAlways is not", "a.sql:2: Liquibase failOnError:false is not",
				`a.sql:4: unknown attribute "runOnChnge" of a changeset: did you mean "runOnChange"?`, "a.sql:4: Liquibase runWith is not", "runInTransaction:maybe is neither", `a.sql:4: "nonsense" is no attribute`, "a.sql:4: endDelimiter: is not supported", "a.sql:6: the quoted value of dbms is not closed"}},
		{"Liquibase changesets", Postgres, folder{"a.sql": "--liquibase formatted sql\nSELECT 0;\n--changeset a:1\nSELECT 1;\n--changeset a:1\nSELECT 2;\n--changeset nobody\nSELECT 3;", "b.sql": "--liquibase formatted sql\n--changeset a:1\n\n", "c.sql": "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n/* liquibase rollback\nSELECT 2;\n"},
			[]string{"a.sql:2: text outside of a changeset", "a.sql:5: changeset a.sql::1::a is also in a.sql:3", "a.sql:7: a changeset without author and id", "b.sql:2: holds no statement to apply", "c.sql:4: /* liquibase rollback is never closed"}},
		{"Liquibase in other languages", Postgres, folder{"a.xml": "<?xml?>\n<databaseChangeLog/>", "b.yaml": "databaseChangeLog:\n", "c.json": "{\n\n\"databaseChangeLog\": []}", "d.yaml": "other: true"},
			[]string{"a.xml:2: is a Liquibase changelog in xml", "b.yaml:1: is a Liquibase changelog in yaml", "c.json:3: is a Liquibase changelog in json"}},
		{"Liquibase for another database", Postgres, folder{"a.sql": "--liquibase formatted sql\n--changeset a:1 dbms:!postgresql\nSELECT 1;", "b.sql": "--liquibase formatted sql\n"}, []string{"migrations folder: holds no migration for this database"}},
		{"Liquibase and others", Postgres, folder{"1_a.sql": "--liquibase formatted sql\n--changeset a:1\nSELECT 1;", "2_b.sql": ok}, []string{"2_b.sql: looks like native, but 1_a.sql is liquibase"}},

		{"scripts", MongoDB, folder{"1-a.js": "exports.down = 1;", "helper.js": "x", "2-b.js": "exports.up = 1;\n// schemagate: idempotent\n", "3_c.sql": ok}, []string{"1-a.js: has no function up", "helper.js: is not named like", "2-b.js:2: schemagate: directive after the first", "3_c.sql: looks like native, but 1-a.js is migrate-mongo"}},
		{"SQL for MongoDB", MongoDB, folder{"1_a.up.sql": ok}, []string{`1_a.up.sql: dialect "mongodb" has no SQL to split`}},
		{"script for PostgreSQL", Postgres, folder{"1-a.js": "exports.up = 1;", "lib.js": "x"}, []string{"1-a.js: is a script for MongoDB in a set for postgres"}},
		{"JSON for PostgreSQL", Postgres, folder{"1_a.up.json": "[]"}, []string{"1_a.up.json: is a migration for MongoDB in a set for postgres"}},
		{"JSON", MongoDB, folder{"1_a.up.json": "[\n{]", "2_b.up.json": "[]\n{}", "3_c.up.json": "[\n"}, []string{"1_a.up.json:2: is not valid JSON", "2_b.up.json:1: is not valid JSON (more after its end)", "3_c.up.json:2: is not valid JSON"}},

		{"alone in a transaction", Postgres, folder{"1_a.up.sql": "SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (a);", "2_b.up.sql": "BEGIN;\nVACUUM;\nCOMMIT;"},
			[]string{"1_a.up.sql:2: CREATE UNIQUE INDEX CONCURRENTLY can't run in a transaction, as the script's other statements do: move it", "2_b.up.sql:2: VACUUM can't run in a transaction"}},
		{"directive that is no comment", MySQL, folder{"1_a.up.sql": "--schemagate: idempotent\nSELECT 1;"}, []string{"1_a.up.sql:1: --schemagate: is no comment to MySQL: write -- schemagate:"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantProblems(t, c.files.fs(), Options{Dialect: c.d, Placeholders: values}, c.want) })
	}
}

// TestPlainNeighbours: a file without a mark is a way up where marks may be left out, and everywhere else belongs to no format.
func TestPlainNeighbours(t *testing.T) {
	for mark, format := range map[string]string{ternMark: tern, "-- DOWN migration": upDown} {
		set := load(t, folder{"1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;\n" + mark + "\nSELECT 3;"}, Options{Dialect: Postgres})
		if set.Format != format || ids(set) != "1_a 2_b" || set.Migrations[0].Down != nil || set.Migrations[1].Down == nil {
			t.Errorf("%s: %+v", format, set)
		}
	}
	set := load(t, folder{"1_a.up.sql": "-- UP migration\nSELECT 1;", "1_a.down.sql": "-- DOWN migration\nSELECT 2;"}, Options{Dialect: Postgres})
	if set.Format != native || set.Migrations[0].Down == nil {
		t.Errorf("native files with a comment: %+v", set)
	}
}

// TestChecksumOfTheWayUp: what is added behind the way up is no change of it.
func TestChecksumOfTheWayUp(t *testing.T) {
	for name, texts := range map[string][2]string{
		"goose":     {"-- +goose Up\nSELECT 1;\n", "-- +goose Up\nSELECT 1;\n\n-- +goose Down\nSELECT 2;\n"},
		"dbmate":    {"-- migrate:up\nSELECT 1;\n", "-- migrate:up\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n"},
		"up-down":   {"-- UP migration\nSELECT 1;\n", "-- UP migration\nSELECT 1;\n\n-- DOWN migration\nSELECT 2;\n"},
		"liquibase": {"--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n", "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n--rollback SELECT 2;\n\n--changeset a:2\nSELECT 3;\n"},
	} {
		before := load(t, folder{"1_a.sql": texts[0]}, Options{Dialect: Postgres}).Migrations[0]
		after := load(t, folder{"1_a.sql": texts[1]}, Options{Dialect: Postgres}).Migrations[0]
		if before.Checksum != after.Checksum {
			t.Errorf("%s: the checksum changed with the way back", name)
		}
		if before.Down != nil || after.Down == nil {
			t.Errorf("%s: ways back %v, %v", name, before.Down, after.Down)
		}
	}
}

// TestAlone: what the server refuses inside a transaction runs without one where the script holds nothing else.
func TestAlone(t *testing.T) {
	for text, alone := range map[string]bool{
		"CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a); DROP INDEX CONCURRENTLY j": true,
		"REINDEX (VERBOSE) TABLE CONCURRENTLY t":                                        true,
		"REINDEX DATABASE d":                                                            true,
		"ALTER TABLE s.t DETACH PARTITION s.p CONCURRENTLY":                             true,
		"ALTER SYSTEM SET a = 1; VACUUM FULL t; CREATE DATABASE d":                      true,
		"REFRESH MATERIALIZED VIEW CONCURRENTLY v":                                      false,
		"CREATE INDEX concurrently_made ON t (a)":                                       false,
		"REINDEX TABLE t":             false,
		"CREATE TABLE vacuum (a int)": false,
	} {
		script, err := ParseDown(native, Postgres, "f.sql", text)
		if err != nil || script.NoTransaction != alone {
			t.Errorf("%s: no transaction is %v, want %v (%v)", text, script.NoTransaction, alone, err)
		}
	}
}
