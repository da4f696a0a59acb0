package e2e

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// published is the folder of an example as the tool's owner ships it, with all that lies beside the migrations.
func published(t *testing.T, tool, folder string) harness.Files {
	t.Helper()
	dir := filepath.Join(servers.PeerSource(t, strings.TrimPrefix(tool, "golang-")), folder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := harness.Files{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}

var timestamps = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?`)

// TestOwnersPublishedExamples applies the examples that each tool's owner publishes, with that tool and with schemagate, and
// compares the dumps.
func TestOwnersPublishedExamples(t *testing.T) {
	t.Parallel()
	tools := map[string]peer{}
	for _, p := range peers() {
		tools[p.name] = p
	}
	for _, c := range []struct {
		tool, folder, holds string
		down                int // so many are taken back, and applied again
	}{
		{"golang-migrate", "database/postgres/examples/migrations", "users_email_index", 0},
		{"golang-migrate", "database/pgx/examples/migrations", "users_email_index", 0},
		{"goose", "examples/sql-migrations", "Vojtech", 3},
		{"goose", "testdata/migrations", "posts_view", 5},
		{"dbmate", "testdata/db/migrations", "alice", 2},
		{"tern", "testdata", "placebo", 2},
	} {
		t.Run(c.tool+" "+c.folder, func(t *testing.T) {
			t.Parallel()
			set := published(t, c.tool, c.folder)
			theirs, ours := newStage(t, set), newStage(t, set)
			tools[c.tool].migrate(theirs)
			ours.Up()
			// A row says when it was inserted.
			when := func(dump string) string { return timestamps.ReplaceAllString(dump, "WHEN") }
			want := when(theirs.schema())
			if !strings.Contains(want, c.holds) {
				t.Fatalf("%s left:\n%s", c.tool, want)
			}
			sameText(t, "schema and data", when(ours.schema()), want)
			if c.down > 0 {
				ours.Expect(0, "down", fmt.Sprint(c.down))
				if left := ours.schema(); strings.Contains(left, "CREATE TABLE") {
					t.Errorf("after down there is left:\n%s", left)
				}
				ours.Expect(0, "up", "--again")
				sameText(t, "after down and up", when(ours.schema()), want)
			}
			taken := newStage(t, set) // from the owner's tool to schemagate
			tools[c.tool].migrate(taken)
			taken.Up().Says("adopted")
			sameText(t, "after adopting", when(taken.schema()), want)
		})
	}
}

// TestOwnersPublishedExamplesOnMariaDBAndSQLite does it on the other databases that the tools have examples for.
func TestOwnersPublishedExamplesOnMariaDBAndSQLite(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		set := published(t, "golang-migrate", "database/mysql/examples/migrations")
		theirs, ours := onMaria(t, set), onMaria(t, set)
		run(t, servers.Peer(t, "migrate"), "-path", theirs.Dir, "-database", "mysql://"+theirs.m.DSN(theirs.name), "up")
		ours.Up()
		const columns = "SELECT GROUP_CONCAT(table_name, '.', column_name, ' ', column_type ORDER BY 1) FROM information_schema.columns " +
			"WHERE table_schema = DATABASE() AND table_name NOT LIKE 'schema%'"
		if got, want := ours.sql(columns), theirs.sql(columns); got != want || want == "" || want == "NULL" {
			t.Errorf("%q, want %q", got, want)
		}
	})
	for _, c := range []struct{ tool, folder string }{
		{"golang-migrate", "database/sqlite/examples/migrations"},
		{"golang-migrate", "database/sqlite3/examples/migrations"},
		{"goose", "examples/sql-migrations"},
		{"goose", "testdata/migrations"},
		{"goose", "testdata/no-versioning/migrations"},
	} {
		t.Run("SQLite, "+c.tool+" "+c.folder, func(t *testing.T) {
			t.Parallel()
			set := published(t, c.tool, c.folder)
			file := filepath.Join(t.TempDir(), "app.db")
			ours := stageOn(t, "sqlite:"+file+".ours", set)
			if c.tool == "goose" {
				run(t, servers.Peer(t, "goose"), "-dir", ours.Dir, "sqlite3", file, "up")
			} else {
				run(t, servers.Peer(t, "migrate"), "-path", ours.Dir, "-database", "sqlite://"+file, "up")
			}
			ours.Up()
			want := sqliteDump(t, file)
			if !strings.Contains(strings.ToLower(want), "create table") {
				t.Fatalf("%s left: %s", c.tool, want)
			}
			sameText(t, "schema and rows", sqliteDump(t, file+".ours"), want)
		})
	}
}

// TestOwnersPublishedExamplesOnMongoDB: all of golang-migrate's are read, and what FerretDB can do of them is done: it has no users
// of its own (001) and no $out (004).
func TestOwnersPublishedExamplesOnMongoDB(t *testing.T) {
	t.Parallel()
	set := published(t, "golang-migrate", "database/mongodb/examples/migrations")
	s, db := mongoStage(t, set)
	s.Expect(0, "validate")
	some := harness.Files{}
	for name, text := range set {
		if strings.HasPrefix(name, "002") || strings.HasPrefix(name, "003") {
			some[name] = text
		}
	}
	s = s.folder(some)
	if _, err := db.Collection("users").InsertOne(t.Context(), bson.D{{Key: "username", Value: "x"}}); err != nil {
		t.Fatal(err)
	}
	s.Up()
	var user struct{ Status string }
	if err := db.Collection("users").FindOne(t.Context(), bson.D{}).Decode(&user); err != nil || user.Status != "active" {
		t.Errorf("the user is %+v, %v", user, err)
	}
	indexes := func() string {
		list, err := db.Collection("mycollection").Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range list {
			names = append(names, i.Name)
		}
		return strings.Join(names, " ")
	}
	if got := indexes(); !strings.Contains(got, "username_sort_by_asc_created") || !strings.Contains(got, "unique_email") {
		t.Errorf("indexes %q", got)
	}
	s.Expect(0, "down", "2")
	if got := indexes(); strings.Contains(got, "username") || strings.Contains(got, "email") {
		t.Errorf("after down: indexes %q", got)
	}
}

// sqliteDump is the schema without anybody's records, and how many rows each table has.
func sqliteDump(t *testing.T, file string) string {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(`select name, type, sql from sqlite_master where sql is not null and name not like 'schema%' and name not like 'goose%'
		and tbl_name not like 'schema%' and tbl_name not like 'goose%' and name not like 'sqlite%' order by name`)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var tables []string
	for rows.Next() {
		var name, kind, text string
		if err := rows.Scan(&name, &kind, &text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, text)
		if kind == "table" {
			tables = append(tables, name)
		}
	}
	err = rows.Err()
	for _, name := range tables {
		var n int
		err = errors.Join(err, db.QueryRow(`select count(*) from "`+name+`"`).Scan(&n))
		fmt.Fprintln(&out, name, n)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestOwnersPublishedExamplesThatAreRefused: what can't be taken over is named with its file, and nothing is applied.
func TestOwnersPublishedExamplesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tool, folder string
		says         []string
	}{
		{"goose", "examples/go-migrations", []string{"00002_rename_root.go", "Go"}},
		{"tern", "sample", []string{"004_create_config.sql:1", "template", "005_create_v1.sql:1"}},
		{"tern", "migrate/testdata/sample", []string{"004_data_interpolation.sql:1", "template", "006_sprig.sql:1"}},
		{"tern", "migrate/testdata/duplicate", []string{"002_create_t2.sql", "002_duplicate.sql"}},
	} {
		t.Run(c.tool+" "+c.folder, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, published(t, c.tool, c.folder))
			s.Expect(65, "up").Says(c.says...)
			if left := s.schema(); strings.Contains(left, "CREATE TABLE") {
				t.Errorf("it left:\n%s", left)
			}
		})
	}
}
