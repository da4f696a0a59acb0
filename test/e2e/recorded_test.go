package e2e

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// recorded is a tool that can't be run here: its files, and the record that it is known to write.
type recorded struct {
	name, table string
	file        func(n int, s step) harness.Files
	// record makes the table and the rows of the first n steps.
	record func(n int) string
}

func quote(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`).Replace(s) + "'"
}

func theRecorded() []recorded {
	sqlx := func(n int, s step) harness.Files {
		if s.loose {
			s.up = "-- no-transaction\n" + s.up
		}
		return harness.Files{fmt.Sprintf("2024010100%04d_%s.up.sql", n, s.name): s.up, fmt.Sprintf("2024010100%04d_%s.down.sql", n, s.name): s.down}
	}
	flyway := func(n int, s step) harness.Files {
		s.up = strings.Replace(s.up, "books_title ON", "${index} ON", 1)
		return harness.Files{fmt.Sprintf("V1.%d__%s.sql", n, s.name): s.up, fmt.Sprintf("U1.%d__%s.sql", n, s.name): s.down}
	}
	liquibase := func(n int, s step) harness.Files {
		attributes, up := "", s.up
		if s.loose {
			attributes = " runInTransaction:false"
		}
		if strings.Contains(up, "$body$") {
			attributes = " endDelimiter:@@"
			up = strings.Replace(strings.Replace(up, "$body$;\n", "$body$ @@\n", 1), "FROM books;", "FROM books @@", 1)
		}
		down := "--rollback " + strings.ReplaceAll(strings.TrimSpace(s.down), "\n", "\n--rollback ") + "\n"
		return harness.Files{fmt.Sprintf("%03d-%s.sql", n, s.name): fmt.Sprintf("--liquibase formatted sql\n\n--changeset ann:%d%s\n%s%s", n, attributes, up, down)}
	}
	return []recorded{
		{"sqlx", "_sqlx_migrations", sqlx, func(n int) string {
			sql := "create table _sqlx_migrations (version bigint primary key, description text not null, installed_on timestamptz not null default now(), " +
				"success boolean not null, checksum bytea not null, execution_time bigint not null); "
			for i, s := range steps[:n] {
				for name, text := range sqlx(i+1, s) {
					if version, ok := strings.CutSuffix(name, "_"+s.name+".up.sql"); ok {
						sql += fmt.Sprintf("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (%s, %s, true, sha384(%s), 12345); ", version, quote(s.name), quote(text))
					}
				}
			}
			return sql
		}},
		{"Flyway", "flyway_schema_history", flyway, func(n int) string {
			sql := "create table flyway_schema_history (installed_rank int not null primary key, version varchar(50), description varchar(200) not null, type varchar(20) not null, " +
				"script varchar(1000) not null, checksum int, installed_by varchar(100) not null, installed_on timestamp not null default now(), execution_time int not null, success boolean not null); "
			for i, s := range steps[:n] {
				for name, text := range flyway(i+1, s) {
					if name[0] == 'V' {
						sum := int32(crc32.ChecksumIEEE([]byte(strings.ReplaceAll(text, "\n", ""))))
						sql += fmt.Sprintf("insert into flyway_schema_history values (%d, '1.%[1]d', '%s', 'SQL', '%s', %d, 'me', now(), 5, true); ", i+1, s.name, name, sum)
					}
				}
			}
			return sql
		}},
		{"Liquibase", "databasechangelog", liquibase, func(n int) string {
			sql := "create table databasechangelog (id varchar(255) not null, author varchar(255) not null, filename varchar(255) not null, dateexecuted timestamp not null, orderexecuted int not null, " +
				"exectype varchar(10) not null, md5sum varchar(35), description varchar(255), comments varchar(255), tag varchar(255), liquibase varchar(20), contexts varchar(255), labels varchar(255), deployment_id varchar(10)); "
			for i, s := range steps[:n] {
				sql += fmt.Sprintf("insert into databasechangelog values ('%d', 'ann', 'db/changelog/%03[1]d-%s.sql', now(), %[1]d, 'EXECUTED', '9:0123456789abcdef', 'sql', '', null, '4.29.2', null, null, '1'); ", i+1, s.name)
			}
			return sql
		}},
	}
}

func (r recorded) set(n int) harness.Files {
	out := harness.Files{}
	for i, s := range steps[:n] {
		out = out.And(r.file(i+1, s))
	}
	return out
}

// foreign are the records of the tools that can't be run here.
var foreign = []string{"--exclude-table=_sqlx_migrations", "--exclude-table=flyway_schema_history", "--exclude-table=databasechangelog"}

// TestSameAsTheSQLItself holds the formats whose tools can't be run here against the statements that their files consist of, given to
// the server by themselves: this is the dump that was checked by hand. Then their records, as they are known to be written.
func TestSameAsTheSQLItself(t *testing.T) {
	t.Parallel()
	for _, r := range theRecorded() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			plain := newStage(t, nil)
			by := func(n int) {
				for _, s := range steps[:n] {
					plain.Psql(s.up)
				}
			}
			by(len(steps))
			want := plain.schema()
			ours := newStage(t, r.set(len(steps))).with("SCHEMAGATE_PLACEHOLDERS=index=books_title")
			ours.Up()
			sameText(t, "schema and data", ours.schema(), want)
			ours.Expect(0, "down", "2")
			ours.Expect(0, "up", "--again")
			sameText(t, "after down and up", ours.schema(), want)

			t.Log("adopted")
			plain = newStage(t, r.set(4)).with("SCHEMAGATE_PLACEHOLDERS=index=books_title")
			by(2)
			plain.Psql(r.record(2))
			plain.Expect(0, "adopt", "--dry-run").SaysOut("2 version(s) to adopt from " + r.name + " (public." + r.table + ")")
			plain.Up()
			sameText(t, "adopted", plain.dump(append(foreign, withoutUs)...), want)
			plain.Expect(0, "down", "4") // also the adopted ones, by the files' ways back
			if got := plain.Psql("select count(*) from pg_class where relname in ('books', 'shouted')"); got != "0" {
				t.Errorf("%s tables are left", got)
			}
			plain.Expect(0, "up", "--again")
			plain.Expect(0, "adopt", "--back").SaysOut("4 version(s) handed back to " + r.name)
			if got := plain.Psql("select count(*) from " + r.table); got != "4" {
				t.Errorf("%s rows handed back", got)
			}
			if got := plain.Expect(0, "adopt", "--dry-run", "--json").Out.Text(); !strings.Contains(got, `"new": []`) || !strings.Contains(got, `"unknown": []`) {
				t.Errorf("what was handed back reads as %s", got)
			}
		})
	}
}
