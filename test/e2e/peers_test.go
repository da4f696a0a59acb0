package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// peer is another migration tool: how it writes harness.Files, and how it is run.
type peer struct {
	name string
	// file renders step n (from 1) in the tool's format.
	file func(n int, s step) harness.Files
	// args runs everything pending; nothing is what it then says where there was nothing.
	args    func(s *stage) []string
	nothing string
	// table is its record.
	table string
}

// step is one migration.
type step struct {
	name, up, down string
	loose          bool // outside a transaction
}

// steps is a set with what formats treat differently: bodies with semicolons, quotes, statements outside a transaction, data.
var steps = []step{
	{"books", "CREATE TABLE books (id serial PRIMARY KEY, title text NOT NULL DEFAULT 'it''s; -- new');\nINSERT INTO books (title) VALUES ('a; b'), ($$c; -- '$$);\n", "DROP TABLE books;\n", false},
	{"shout", "CREATE FUNCTION shout(t text) RETURNS text LANGUAGE plpgsql AS $body$\nBEGIN\n  -- one; two\n  RETURN upper(t) || ';';\nEND;\n$body$;\n" +
		"CREATE VIEW shouted AS SELECT id, shout(title) AS title FROM books;\n", "DROP VIEW shouted;\nDROP FUNCTION shout(text);\n", false},
	{"index", "CREATE INDEX CONCURRENTLY books_title ON books (title);\n", "DROP INDEX books_title;\n", true},
	{"author", "ALTER TABLE books ADD COLUMN author text;\nUPDATE books SET author = 'x' WHERE id = 1;\nCOMMENT ON COLUMN books.author IS 'who; when';\n", "ALTER TABLE books DROP COLUMN author;\n", false},
}

func peers() []peer {
	return []peer{
		{
			name: "golang-migrate", nothing: "no change", table: "schema_migrations",
			file: func(n int, s step) harness.Files {
				return harness.Files{fmt.Sprintf("%06d_%s.up.sql", n, s.name): s.up, fmt.Sprintf("%06d_%s.down.sql", n, s.name): s.down}
			},
			args: func(s *stage) []string {
				return []string{servers.Peer(s.T, "migrate"), "-path", s.Dir, "-database", s.URL, "up"}
			},
		},
		{
			name: "goose", nothing: "no migrations to run", table: "goose_db_version",
			file: func(n int, s step) harness.Files {
				begin, end, head := "", "", ""
				if strings.Contains(s.up, "$body$") {
					at := strings.Index(s.up, "CREATE VIEW")
					begin, end = "-- +goose StatementBegin\n", ""
					s.up = s.up[:at] + "-- +goose StatementEnd\n" + s.up[at:]
				}
				if s.loose {
					head = "-- +goose NO TRANSACTION\n"
				}
				return harness.Files{fmt.Sprintf("%05d_%s.sql", n, s.name): head + "-- +goose Up\n" + begin + s.up + end + "\n-- +goose Down\n" + s.down}
			},
			args: func(s *stage) []string {
				return []string{servers.Peer(s.T, "goose"), "-dir", s.Dir, "postgres", s.URL, "up"}
			},
		},
		{
			name: "dbmate", nothing: "Pending: 0", table: "schema_migrations",
			file: func(n int, s step) harness.Files {
				option := ""
				if s.loose {
					option = " transaction:false"
				}
				return harness.Files{fmt.Sprintf("2024010100%04d_%s.sql", n, s.name): "-- migrate:up" + option + "\n" + s.up + "\n-- migrate:down" + option + "\n" + s.down}
			},
			args: func(s *stage) []string {
				return []string{"sh", "-c", `"$0" --url "$1" --migrations-dir "$2" migrate && "$0" --url "$1" --migrations-dir "$2" status`, servers.Peer(s.T, "dbmate"), s.URL, s.Dir}
			},
		},
		{
			name: "tern", nothing: "", table: "schema_version",
			file: func(n int, s step) harness.Files {
				head := ""
				if s.loose {
					head = "---- tern: disable-tx ----\n"
				}
				return harness.Files{fmt.Sprintf("%03d_%s.sql", n, s.name): head + s.up + "---- create above / drop below ----\n" + s.down}
			},
			args: func(s *stage) []string {
				return []string{servers.Peer(s.T, "tern"), "migrate", "-m", s.Dir, "--conn-string", s.URL}
			},
		},
	}
}

// set is the first n steps in the peer's format.
func (p peer) set(n int) harness.Files {
	out := harness.Files{}
	for i, s := range steps[:n] {
		out = out.And(p.file(i+1, s))
	}
	return out
}

// migrate runs the tool to its end and returns what it said.
func (p peer) migrate(s *stage) string {
	s.T.Helper()
	args := p.args(s)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		s.T.Fatalf("%s: %v\n%s", p.name, err, out)
	}
	return string(out)
}

// findsNothing runs the tool, which must have nothing to do.
func (p peer) findsNothing(s *stage) {
	s.T.Helper()
	out := p.migrate(s)
	if p.nothing == "" && strings.TrimSpace(out) != "" || !strings.Contains(out, p.nothing) {
		s.T.Errorf("%s found something to do:\n%s", p.name, out)
	}
}

// schema is a dump without anybody's records.
func (s *stage) schema() string {
	s.T.Helper()
	return s.dump(withoutUs, "--exclude-table=schema_migrations", "--exclude-table=goose_db_version*", "--exclude-table=schema_version")
}

// TestSameAsTheOwnersTool applies one set with the tool that owns the format and with schemagate, each on a database of its own,
// and compares the dumps; then forth and back again.
func TestSameAsTheOwnersTool(t *testing.T) {
	t.Parallel()
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			set := p.set(len(steps))
			theirs, ours := newStage(t, set), newStage(t, set)
			p.migrate(theirs)
			ours.Up()
			want := theirs.schema()
			if !strings.Contains(want, "books_title") || !strings.Contains(want, "who; when") {
				t.Fatalf("%s left:\n%s", p.name, want)
			}
			sameText(t, "schema and data", ours.schema(), want)
			ours.Expect(0, "down", "2")
			ours.Expect(0, "up", "--again")
			sameText(t, "after down and up", ours.schema(), want)
		})
	}
}
