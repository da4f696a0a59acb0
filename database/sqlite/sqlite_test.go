package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/sqlite"
)

// change is a migration whose statements stand on lines 1, 2, 3...
func change(version string, statements ...string) database.Change {
	c := database.Change{Version: version, Name: "name", Checksum: "sum", File: version + ".up.sql", LockTimeout: time.Second}
	for i, s := range statements {
		c.Statements = append(c.Statements, database.Statement{SQL: s, Line: i + 1})
	}
	return c
}

func loose(version string, statements ...string) database.Change {
	c := change(version, statements...)
	c.NoTransaction = true
	return c
}

// leading is a prepared database and a session of its first term.
func leading(t *testing.T) (*sqlite.DB, database.Session, func(query string) string) {
	t.Helper()
	d, path := newDB(t)
	if err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	term, err := d.Mint(t.Context(), 0, database.NewHolder())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Lead(t.Context(), term, database.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return d, s, func(query string) string {
		t.Helper()
		var out string
		if err := beside(t, path, "5000").QueryRowContext(t.Context(), query).Scan(&out); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return out
	}
}

func TestOpenTakesAPathAndNothingElse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite:":                        "names no file",
		"sqlite://":                      "names no file",
		"sqlite::memory:":                "in memory",
		"sqlite://:memory:":              "in memory",
		"sqlite:file::memory:":           "in memory",
		"sqlite:file:x?mode=memory":      "in memory",
		"sqlite:file:/data/app.db":       "no options",
		"sqlite:/data/app.db?mode=ro":    "no options",
		"postgres://localhost/app":       "sqlite:PATH",
		"/data/app.db":                   "sqlite:PATH",
		"sqlite:/data/app.db\x00/secret": "no options",
	} {
		if _, err := sqlite.Open(url, sqlite.Options{}); !errors.Is(err, database.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
}

func TestPathForms(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for i, form := range []string{"sqlite:%s", "sqlite://%s"} {
		for j, path := range []string{"a.db", filepath.Join(dir, "b.db"), "./c %41#&.db"} {
			url := fmt.Sprintf(form, path)
			d, err := sqlite.Open(url, sqlite.Options{Service: "default"})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Prepare(t.Context()); err != nil {
				t.Errorf("%s: %v", url, err)
			}
			d.Disconnect()
			entries, err := os.ReadDir(dir)
			if err != nil || i == 0 && len(entries) != j+1 || i == 1 && len(entries) != 3 {
				t.Errorf("after %s: files %v, %v", url, entries, err)
			}
		}
	}
	if _, err := os.Stat("c %41#&.db"); err != nil {
		t.Error(err)
	}
}

func TestLookNeverMakesTheFile(t *testing.T) {
	t.Parallel()
	d, path := newDB(t)
	if v, err := d.Look(t.Context(), database.Query{}); err != nil || v.Ready {
		t.Errorf("a look without a file: %+v, %v", v, err)
	}
	if events, err := d.History(t.Context(), true); err != nil || events != nil {
		t.Errorf("the history without a file: %v, %v", events, err)
	}
	if _, err := d.Mint(t.Context(), 0, database.NewHolder()); !errors.Is(err, database.ErrUnreachable) {
		t.Errorf("a mint without a file: %v, want %v", err, database.ErrUnreachable)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("files %v, %v, want none", entries, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // as a container's mount makes it
		t.Fatal(err)
	}
	if v, err := d.Look(t.Context(), database.Query{}); err != nil || v.Ready {
		t.Errorf("a look at an empty file: %+v, %v", v, err)
	}
}

func TestWhatIsNoDatabaseIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "such", "folder.db"): "create " + filepath.Join(dir, "no", "such") + ", or mount the volume there",
		dir:                              dir + " is not a file",
		filepath.Join(text, "x.db"):      "not a directory",
		text:                             "file is not a database",
		filepath.Join(dir, "gone", "db"): "the folder of the database does not exist",
	} {
		d := openDB(t, path, "default")
		_, lookErr := d.Look(t.Context(), database.Query{})
		d.Disconnect()
		for what, err := range map[string]error{"look": lookErr, "prepare": d.Prepare(t.Context())} {
			if !errors.Is(err, database.ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s at %s: %v, want %q", what, path, err, want)
			}
		}
	}
}

func TestTextCanNotEndTheTransaction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement, want string
	}{
		"commit":                 {"COMMIT", "ended the transaction"},
		"commit and begin again": {"COMMIT; BEGIN; INSERT INTO t VALUES (2)", "ended the transaction"},
		"end":                    {"END TRANSACTION", "ended the transaction"},
		"rollback":               {"ROLLBACK", "ended the transaction"},
		"rollback, begin again":  {"ROLLBACK; BEGIN IMMEDIATE; CREATE TABLE t (n)", "ended the transaction"},
		"raise(rollback)":        {"INSERT INTO refusing VALUES (1)", "not this one"},
		"on conflict rollback":   {"INSERT OR ROLLBACK INTO t VALUES (1)", "UNIQUE constraint failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, s, query := leading(t)
			if err := s.Apply(t.Context(), change("0", "CREATE TABLE refusing (n)",
				"CREATE TRIGGER refuse BEFORE INSERT ON refusing BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END")); err != nil {
				t.Fatal(err)
			}
			err := s.Apply(t.Context(), change("1", "CREATE TABLE t (n UNIQUE)", "INSERT INTO t VALUES (1)", c.statement, "INSERT INTO t VALUES (3)"))
			var se *database.StatementError
			if !errors.As(err, &se) || se.Line != 3 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q on line 3", err, c.want)
			}
			if n := query("SELECT count(*) FROM sqlite_schema WHERE name = 't'"); n != "0" {
				t.Error("the table was kept")
			}
			if events, err := d.History(t.Context(), false); err != nil || len(events) != 1 {
				t.Errorf("history %v, %v", events, err)
			}
			if err := s.Apply(t.Context(), change("1", "SAVEPOINT a", "CREATE TABLE t (n)", "RELEASE a")); err != nil {
				t.Error(err)
			}
		})
	}
}

// The rebuild of a table as SQLite's manual has it, with foreign keys that would delete what refers to the old one.
func TestTableRebuildOutsideATransaction(t *testing.T) {
	t.Parallel()
	_, s, query := leading(t)
	if err := s.Apply(t.Context(), change("1", "CREATE TABLE parent (id integer primary key)",
		"CREATE TABLE child (id integer references parent ON DELETE CASCADE)",
		"INSERT INTO parent VALUES (1), (2)", "INSERT INTO child VALUES (1), (2)")); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), loose("2", "PRAGMA foreign_keys = ON", "/* off */ pragma main.foreign_keys(0)",
		"CREATE TABLE next (id integer primary key, name text)", "INSERT INTO next (id) SELECT id FROM parent", "DROP TABLE parent",
		"ALTER TABLE next RENAME TO parent", "PRAGMA foreign_key_check", "PRAGMA foreign_keys = ON", "VACUUM",
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA wal_checkpoint(TRUNCATE)")); err != nil {
		t.Fatal(err)
	}
	if n := query("SELECT count(*) FROM child"); n != "2" {
		t.Errorf("%s children are left, want 2", n)
	}
	if mode := query("PRAGMA journal_mode"); mode != "wal" {
		t.Errorf("journal mode %s", mode)
	}
	// The next one starts with foreign keys as they are by default.
	if err := s.Apply(t.Context(), change("3", "INSERT INTO child VALUES (99)")); err != nil {
		t.Error(err)
	}
}

func TestPragmasAreSetAgainWhenAnInterruptedChangeGoesOn(t *testing.T) {
	t.Parallel()
	_, s, _ := leading(t)
	file := []string{"PRAGMA foreign_keys = ON", "CREATE TABLE parent (id integer primary key)",
		"CREATE TABLE child (id integer references parent)", "INSERT INTO child VALUES (1)"}
	for _, from := range []int{0, 3} {
		c := loose("1", file...)
		c.From = from
		var se *database.StatementError
		if err := s.Apply(t.Context(), c); !errors.As(err, &se) || se.Line != 4 || se.Message != "FOREIGN KEY constraint failed" || se.Code != "787" {
			t.Errorf("from %d: %v, want a foreign key's failure on line 4", from, err)
		}
	}
}

func TestForeignKeysThatOnlyACheckOrTheCommitFinds(t *testing.T) {
	t.Parallel()
	d, s, _ := leading(t)
	const child = "CREATE TABLE child (id integer references parent DEFERRABLE INITIALLY DEFERRED)"
	if err := s.Apply(t.Context(), change("1", "CREATE TABLE parent (id integer primary key)", child)); err != nil {
		t.Fatal(err)
	}
	err := s.Apply(t.Context(), change("2", "INSERT INTO child VALUES (4711), (4712)", "PRAGMA foreign_key_check(child)"))
	if want := "2.up.sql:2: 2 row(s) violate a foreign key, the first one in child, which references parent"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	err = s.Apply(t.Context(), loose("3", "PRAGMA foreign_keys = ON", "INSERT INTO child VALUES (4711)"))
	if err == nil || !strings.HasPrefix(err.Error(), "3.up.sql: commit: FOREIGN KEY constraint failed") || strings.Contains(err.Error(), "4711") {
		t.Errorf("error %v, want the commit's", err)
	}
	for _, sentinel := range []error{database.ErrUnknown, database.ErrBlocked, database.ErrInterrupted} {
		if errors.Is(err, sentinel) {
			t.Errorf("error %v is nobody's fault", err)
		}
	}
	events, err := d.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != database.Running || last.Done != 1 {
		t.Errorf("the last event is %+v, want running, one done", last)
	}
}

func TestStatementOutsideATransactionIsAnnouncedAndCheckedBefore(t *testing.T) {
	t.Parallel()
	d, s, _ := leading(t)
	if err := s.Apply(t.Context(), loose("1", "VACUUM", "CREATE TABLE t (n)")); err != nil {
		t.Fatal(err)
	}
	events, err := d.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %d %d", e.Kind, e.Done, e.Trying))
	}
	if want := "running 0 1, running 1 0, applied 0 0"; strings.Join(got, ", ") != want {
		t.Errorf("events %v, want %s", got, want)
	}
	if _, err := d.Mint(t.Context(), 1, database.NewHolder()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"VACUUM", "PRAGMA foreign_keys = ON"} {
		if err := s.Apply(t.Context(), loose("2", statement)); !errors.Is(err, database.ErrFenced) {
			t.Errorf("%s in a term that is over: %v, want %v", statement, err, database.ErrFenced)
		}
	}
	if again, err := d.History(t.Context(), false); err != nil || len(again) != len(events) {
		t.Errorf("a fenced change left events: %v, %v", again, err)
	}
}

func TestStatementThatFailsOutsideATransaction(t *testing.T) {
	t.Parallel()
	d, s, _ := leading(t)
	err := s.Apply(t.Context(), loose("1", "CREATE TABLE t (n)", "VACUUM no_such_schema"))
	var se *database.StatementError
	if !errors.As(err, &se) || se.Line != 2 || se.Message != "unknown database no_such_schema" {
		t.Errorf("error %v, want that of line 2", err)
	}
	events, err := d.History(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Done != 1 || last.Trying != 0 {
		t.Errorf("the last event is %+v, want one statement done and none under way", last)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	_, s, _ := leading(t)
	for statement, want := range map[string]error{
		"VACUUM":                      nil,
		"vacuum main":                 nil,
		"-- why\nPRAGMA user_version": nil,
		"ATTACH 'x' AS y":             nil,
		"REINDEX":                     nil,
		"VACUUM INTO 'copy.db'":       database.ErrUndecided,
		"INSERT INTO t VALUES (1)":    database.ErrUndecided,
		"":                            database.ErrUndecided,
	} {
		if done, err := s.Probe(t.Context(), database.Statement{SQL: statement}); done || !errors.Is(err, want) {
			t.Errorf("%q: %v, %v, want %v", statement, done, err, want)
		}
	}
}

func TestMigrationWaitsForTheWriteLockAsLongAsItMay(t *testing.T) {
	t.Parallel()
	d, path := newDB(t)
	if err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	term, err := d.Mint(t.Context(), 0, database.NewHolder())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Lead(t.Context(), term, database.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	app := beside(t, path, "5000")
	run(t, app, "BEGIN IMMEDIATE")
	done := make(chan error, 2)
	for version, wait := range map[string]time.Duration{"1": time.Hour, "2": 0} { // 0 is for ever
		c := change(version, "SELECT 1")
		c.LockTimeout = wait
		go func() { done <- s.Apply(t.Context(), c) }()
	}
	for range 2 { // each tries longer than SQLite does by itself
		if err := s.Record(t.Context(), database.Event{Kind: database.Floor}); !errors.Is(err, database.ErrBlocked) {
			t.Errorf("record beside a busy app: %v, want %v", err, database.ErrBlocked)
		}
	}
	run(t, app, "ROLLBACK")
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
