package migrations_test

import (
	"bytes"
	"database/sql"
	"net/url"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/test/servers"
)

// A dump is the longest migration that people have: their first one. These tests restore the servers' own dumps statement by
// statement, and dump the copy again.

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out.String()
}

// withoutRestrict removes pg_dump's lines with a random key.
func withoutRestrict(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestRestorePgDump(t *testing.T) {
	ctx := t.Context()
	pg := servers.SharedPostgres(t)
	from, to := pg.NewDatabase(t), pg.NewDatabase(t)
	servers.Psql(t, from, `
		CREATE TABLE "odd; ""table" (id int PRIMARY KEY, body text DEFAULT 'it''s; \', "end" text);
		INSERT INTO "odd; ""table" VALUES (1, E'a;b\tc\\d\n\\.\n''"', NULL), (2, '-- no comment', '/* none */'), (3, '\.', '\\.');
		CREATE TABLE empty ();
		COMMENT ON TABLE empty IS 'with; $$ and ''quotes''';
		CREATE FUNCTION plus(a int, b int) RETURNS int LANGUAGE sql BEGIN ATOMIC
			SELECT CASE WHEN a > 0 THEN 1 ELSE 2 END; SELECT a + b; END;
		CREATE FUNCTION old() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN IF new.id > 0 THEN RETURN new; END IF; RETURN $$;$$; END $f$;
		CREATE TRIGGER t BEFORE UPDATE ON "odd; ""table" FOR EACH ROW EXECUTE FUNCTION old();
		CREATE TABLE log (id int);
		CREATE RULE r AS ON INSERT TO log DO ALSO (DELETE FROM log WHERE id = new.id; DELETE FROM log WHERE id IS NULL);
		CREATE VIEW v AS SELECT CASE id WHEN 1 THEN ';' END AS "case" FROM log;`)
	dump := command(t, "pg_dump", from)
	statements, err := migrations.Statements(migrations.Postgres, "dump.sql", dump)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if s.Copy != nil {
			_, err = conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.Copy), s.SQL)
		} else {
			_, err = conn.Exec(ctx, s.SQL)
		}
		if err != nil {
			t.Fatalf("line %d: %s: %v", s.Line, s.SQL, err)
		}
	}
	if again := command(t, "pg_dump", to); withoutRestrict(again) != withoutRestrict(dump) {
		t.Errorf("the copy is another database:\n%s\nand not\n%s", again, dump)
	}
}

func TestRestoreMariaDBDump(t *testing.T) {
	server := servers.MariaDB(t)
	from, to := path.Base(server.NewDatabase(t)), path.Base(server.NewDatabase(t))
	server.Exec(t, from, "CREATE TABLE `odd; ``table` (id int PRIMARY KEY, body text, `end` text)")
	server.Exec(t, from, "INSERT INTO `odd; ``table` VALUES (1, 'it''s; \\\\ \\' \\n -- x', NULL), (2, '# no comment', '/* none */;')")
	server.Exec(t, from, "CREATE PROCEDURE p(a int) BEGIN IF a THEN SELECT CASE a WHEN 1 THEN ';;' END; END IF; END")
	server.Exec(t, from, "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1")
	server.Exec(t, from, "CREATE TRIGGER t BEFORE INSERT ON `odd; ``table` FOR EACH ROW BEGIN SET NEW.id = NEW.id + 1; SET NEW.body = ';;'; END")
	server.Exec(t, from, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM `odd; ``table`; SELECT 1; END")
	server.Exec(t, from, "CREATE VIEW v AS SELECT id, CASE id WHEN 1 THEN ';' END AS `case` FROM `odd; ``table`")
	dump := func(database string) string {
		u, err := url.Parse(server.DatabaseURL(database))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(command(t, "mariadb-dump", "--no-defaults", "--user=root", "--protocol=tcp", "--host="+u.Hostname(), "--port="+u.Port(),
			"--routines", "--events", "--triggers", "--skip-dump-date", database), database, "DATABASE")
	}
	first := dump(from)
	statements, err := migrations.Statements(migrations.MySQL, "dump.sql", first)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", server.DSN(to))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s.SQL); err != nil {
			t.Fatalf("line %d: %s: %v", s.Line, s.SQL, err)
		}
	}
	if again := dump(to); again != first {
		t.Errorf("the copy is another database:\n%s\nand not\n%s", again, first)
	}
}
