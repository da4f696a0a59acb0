package migrations

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// folder is a set's files by name.
type folder map[string]string

func (f folder) fs() fs.FS {
	m := fstest.MapFS{}
	for name, text := range f {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// load fails the test unless the folder is a set.
func load(t *testing.T, f folder, o Options) *Set {
	t.Helper()
	set, err := Load(f.fs(), o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func ids(set *Set) string {
	var s []string
	for _, m := range set.Migrations {
		s = append(s, m.ID())
	}
	return strings.Join(s, " ")
}

func sqls(s Script) string {
	var out []string
	for _, st := range s.Statements {
		out = append(out, st.SQL)
	}
	return strings.Join(out, " | ")
}

func TestLoadNative(t *testing.T) {
	set := load(t, folder{
		"0010_ten.up.sql":            "\ufeffBEGIN;\r\nCREATE TABLE ten (id int);\r\nCREATE INDEX ON ten (id);\r\nCOMMIT;\r\n",
		"0010_ten.down.sql":          "-- schemagate: lock_timeout=1s\nDROP TABLE ten",
		"2_two_more.up.sql":          "SELECT 2;",
		"20240101120000_plain.sql":   "-- no-transaction\nSELECT 3;\nSELECT 4;",
		"99999999999999999999_x.sql": "SELECT 5;",
		"0010_ten.fixture.sql":       "INSERT INTO ten VALUES (1);",
		"2_two_more.check.js":        "check",
		"README.md":                  "# ours",
		".hidden.sql":                "not even SQL '",
		"embed.go":                   "package migrations",
		"..data/0001_x.up.sql":       "SELECT 1;",
	}, Options{Dialect: Postgres})
	if got, want := ids(set), "2_two_more 0010_ten 20240101120000_plain 99999999999999999999_x"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if set.Format != "native" || len(set.Digest) != 64 {
		t.Errorf("format %q, digest %q", set.Format, set.Digest)
	}
	ten, _ := set.Find("10")
	if got, want := sqls(ten.Up), "CREATE TABLE ten (id int) | CREATE INDEX ON ten (id)"; got != want {
		t.Errorf("statements %q, want %q", got, want)
	}
	if ten.Up.Statements[0].Line != 2 || ten.Up.File != "0010_ten.up.sql" || ten.Up.Language != "sql" || ten.Format != "native" {
		t.Errorf("up %+v", ten.Up)
	}
	if want := checksum("BEGIN;\nCREATE TABLE ten (id int);\nCREATE INDEX ON ten (id);\nCOMMIT;\n"); ten.Checksum != want {
		t.Errorf("checksum %s, want %s", ten.Checksum, want)
	}
	if ten.Down == nil || sqls(*ten.Down) != "-- schemagate: lock_timeout=1s\nDROP TABLE ten" || *ten.Down.LockTimeout != time.Second {
		t.Errorf("down %+v", ten.Down)
	}
	if ten.Fixture != "0010_ten.fixture.sql" || ten.Check != "" {
		t.Errorf("fixture %q, check %q", ten.Fixture, ten.Check)
	}
	two, _ := set.Find("0002")
	if two.Check != "2_two_more.check.js" || two.Down != nil || two.Phase != "" {
		t.Errorf("two %+v", two)
	}
	if plain, _ := set.Find("20240101120000"); !plain.Up.NoTransaction || len(plain.Up.Statements) != 2 {
		t.Errorf("sqlx's no-transaction: %+v", plain.Up)
	}
	if _, ok := set.Find("3"); ok {
		t.Error("found a version that is not there")
	}
}

func TestLoadDirectives(t *testing.T) {
	set := load(t, folder{
		"1_a.up.sql": "-- Adds a column.\n-- schemagate: no-transaction lock_timeout=2s\n/*\n * schemagate: statement_timeout=1m idempotent\n */\nSELECT 1;",
		"2_b.up.sql": "--schemagate: phase=contract after=0001\n--schemagate: verify=SELECT count(*) = 0 FROM b WHERE c IS NULL\nSELECT 1;",
		"3_c.up.sql": "-- schemagate: backfill table=users key=org,id where=\"name = \"\"first\"\"\"\n--  schemagate: backfill size=500 background pause=10ms idempotent\nUPDATE users SET a = ':to' WHERE :batch;",
	}, Options{Dialect: Postgres, Phase: Cutover})
	a, b, c := set.Migrations[0], set.Migrations[1], set.Migrations[2]
	if !a.Up.NoTransaction || !a.Up.Idempotent || *a.Up.LockTimeout != 2*time.Second || *a.Up.StatementTimeout != time.Minute || a.Phase != Cutover {
		t.Errorf("a: %+v", a)
	}
	if b.Phase != Contract || b.After != "0001" || b.Up.Verify != "SELECT count(*) = 0 FROM b WHERE c IS NULL" || b.Up.VerifyLine != 2 || b.Up.LockTimeout != nil {
		t.Errorf("b: %+v", b)
	}
	want := Backfill{Line: 1, Table: "users", Key: []string{"org", "id"}, Where: `name = "first"`, Size: 500, Pause: 10 * time.Millisecond, Background: true}
	got := *c.Up.Backfill
	if len(got.Statements) != 1 || len(got.Statements[0]) != 3 || got.Statements[0][1] != (Part{Mark: MarkBatch}) {
		t.Errorf("c: the parts are %q", got.Statements)
	}
	if got.Statements = nil; !reflect.DeepEqual(got, want) || !c.Up.Idempotent {
		t.Errorf("c: %+v, want %+v", got, want)
	}
}

// TestNothingToDo: sets that have moved on hold emptied migrations, which say why. Where nobody wrote a word, somebody forgot to.
func TestNothingToDo(t *testing.T) {
	for format, c := range map[string]struct{ file, before, after string }{
		native:    {"1_a.up.sql", "", ""},
		goose:     {"1_a.sql", "-- +goose NO TRANSACTION\n-- +goose Up\n", "-- +goose Down\nSELECT 1;\n"},
		dbmate:    {"1_a.sql", "-- migrate:up transaction:false\n", "-- migrate:down\nSELECT 1;\n"},
		tern:      {"1_a.sql", "", "---- create above / drop below ----\nSELECT 1;\n"},
		flyway:    {"V1__a.sql", "", ""},
		upDown:    {"1_a.sql", "-- UP migration\n", "-- DOWN migration\nSELECT 1;\n"},
		liquibase: {"a.sql", "--liquibase formatted sql\n--changeset me:1\n", "--rollback SELECT 1;\n"},
	} {
		set := load(t, folder{c.file: c.before + "-- its index is made in 0007 now\n" + c.after}, Options{Dialect: Postgres})
		if m := set.Migrations[0]; set.Format != format || len(m.Up.Statements) != 0 || (m.Down != nil) != (c.after != "") {
			t.Errorf("%s: %q, %+v", format, set.Format, m)
		}
		set, err := Load(folder{c.file: c.before + "\n" + c.after}.fs(), Options{Dialect: Postgres})
		if ps := Problems(err); len(ps) != 1 || !strings.Contains(ps[0].Error(), "holds no statement to apply") && !strings.Contains(ps[0].Error(), "is empty") {
			t.Errorf("%s: without a word: %v, %v", format, set, err)
		}
	}
	for _, back := range []string{"", "\n", "-- there is none\n"} {
		set := load(t, folder{"1_a.up.sql": "SELECT 1;", "1_a.down.sql": back}, Options{Dialect: Postgres})
		if set.Migrations[0].Down != nil {
			t.Errorf("%q is taken for a way back", back)
		}
	}
	if set := load(t, folder{"1_a.up.json": "[]", "1_a.down.json": ""}, Options{Dialect: MongoDB}); set.Migrations[0].Down != nil {
		t.Error("an empty file is taken for a way back")
	}
}

func TestLoadProblems(t *testing.T) {
	const ok = "SELECT 1;"
	for _, c := range []struct {
		name  string
		files folder
		want  []string // all problems, each by a part of its text
	}{
		{"empty folder", folder{}, []string{"migrations folder: holds no migration: check SCHEMAGATE_MIGRATIONS"}},
		{"no migration", folder{"README.md": "x", ".x.sql": ok}, []string{"migrations folder: holds no migration"}},
		{"one level too high", folder{"sql/0001_a.up.sql": ok}, []string{"it has the folder sql; point SCHEMAGATE_MIGRATIONS there"}},
		{"empty file", folder{"1_a.up.sql": " \n"}, []string{"1_a.up.sql: is empty"}},
		{"marks only", folder{"1_a.up.sql": "-- schemagate: idempotent\n--\n"}, []string{"1_a.up.sql: holds no statement to apply: write the change, or a comment that says why"}},
		{"only a transaction", folder{"1_a.up.sql": "BEGIN; COMMIT;"}, []string{"1_a.up.sql: holds no statement"}},
		{"duplicate", folder{"1_a.up.sql": ok, "0001_b.up.sql": ok}, []string{"1_a.up.sql: version 1 is also that of 0001_b.up.sql"}},
		{"both spellings", folder{"1_a.up.sql": ok, "1_a.sql": ok}, []string{"version 1 is also that of"}},
		{"two downs", folder{"1_a.up.sql": ok, "1_a.down.sql": ok, "01_a.down.sql": ok}, []string{"version 1 already has the way back 01_a.down.sql"}},
		{"down without up", folder{"1_a.up.sql": ok, "2_b.down.sql": ok}, []string{"2_b.down.sql: is a way back without a way up"}},
		{"unknown name", folder{"1_a.up.sql": ok, "schema.sql": ok}, []string{"schema.sql: is not named like a migration of any known format"}},
		{"no name", folder{"0001.up.sql": ok}, []string{"0001.up.sql: is not named like"}},
		{"orphans", folder{"1_a.up.sql": ok, "1_b.fixture.sql": ok}, []string{"1_b.fixture.sql: belongs to no migration"}},
		{"two checks", folder{"1_a.up.sql": ok, "1_a.check.sql": ok, "1_a.check.js": ok}, []string{"is the second check of 1_a"}},
		{"UTF-16", folder{"1_a.up.sql": "\xff\xfeS\x00"}, []string{"1_a.up.sql:1: is UTF-16"}},
		{"NUL", folder{"1_a.up.sql": "SELECT\n\x00"}, []string{"1_a.up.sql:2: holds a NUL byte"}},
		{"all at once", folder{"1_a.up.sql": "SELECT 'a", "2_b.up.sql": "\n-- schemagate: no-transactions\nSELECT 1;", "3_c.up.sql": ""},
			[]string{"1_a.up.sql:1: string is never closed", `2_b.up.sql:2: unknown directive "no-transactions": did you mean "no-transaction"?`, "3_c.up.sql: is empty"}},
		{"unknown directive", folder{"1_a.up.sql": "-- schemagate: xyz\nSELECT 1;"}, []string{`unknown directive "xyz": known are no-transaction, `}},
		{"bad values", folder{"1_a.up.sql": "-- schemagate: phase=contrat lock_timeout=2 idempotent=1 statement_timeout=-1s after\nSELECT 1;"},
			[]string{`unknown phase "contrat": write expand, contract or cutover`, "lock_timeout=2 is not a duration", "idempotent takes no value", "statement_timeout=-1s is not", "directive after needs a value"}},
		{"bad verify and backfill", folder{"1_a.up.sql": "-- schemagate: verify=\n-- schemagate: backfill tabel\n-- schemagate: backfill left='x y=1\n-- schemagate: backfill size=1 size=2\n-- schemagate:\n-- schemagate: backfill=1\nSELECT 1;"},
			[]string{":1: directive verify needs", `:2: backfill: "tabel" is not known: did you mean "table"?`, ":3: backfill: the quoted value of left", ":4: backfill: size is there twice", ":5: a schemagate: comment without", ":6: directive backfill takes pairs",
				":2: backfill: it names no table", ":2: backfill: it names no key", ":7: backfill: the statement would run on the whole table"}},
		{"twice", folder{"1_a.up.sql": "-- schemagate: lock_timeout=2s\n-- schemagate: lock_timeout=3s\nSELECT 1;"}, []string{"1_a.up.sql:2: directive lock_timeout is there twice"}},
		{"late directive", folder{"1_a.up.sql": "SELECT 1;\n-- schemagate: no-transaction\nSELECT 2;"}, []string{"1_a.up.sql:2: schemagate: directive after the first statement: move it to the head"}},
		{"after without contract", folder{"1_a.up.sql": "-- schemagate: after=1\nSELECT 1;"}, []string{"after= without phase=contract", "after=1 names no earlier migration"}},
		{"after a later one", folder{"1_a.up.sql": "-- schemagate: phase=contract after=2\nSELECT 1;", "2_b.up.sql": ok}, []string{"1_a.up.sql:1: after=2 names no earlier migration"}},
		{"phase on the way back", folder{"1_a.up.sql": ok, "1_a.down.sql": "\n-- schemagate: phase=cutover\nSELECT 1;"}, []string{"1_a.down.sql:2: phase= on the way back"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantProblems(t, c.files.fs(), Options{Dialect: Postgres}, c.want) })
	}
}

// wantProblems fails the test unless loading finds exactly these problems, in any order, each given by a part of its text.
func wantProblems(t *testing.T, fsys fs.FS, o Options, want []string) {
	t.Helper()
	set, err := Load(fsys, o)
	if set != nil || !errors.Is(err, ErrSet) {
		t.Fatalf("got set %v and error %v", set, err)
	}
	problems := Problems(err)
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no problem %q in:\n%v", w, err)
		}
	}
	if len(problems) != len(want) {
		t.Errorf("%d problems, want %d:\n%v", len(problems), len(want), err)
	}
	for _, p := range problems {
		if p.File == "" || p.Remedy == "" {
			t.Errorf("problem without a file or a remedy: %v", p)
		}
	}
}

func TestLoadFolderErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(os.DirFS(dir+"/missing"), Options{Dialect: Postgres})
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrSet) || strings.Contains(err.Error(), dir) {
		t.Errorf("missing folder: %v", err)
	}
	if err := os.Symlink(dir+"/nowhere", dir+"/1_a.up.sql"); err != nil {
		t.Fatal(err)
	}
	_, err = Load(os.DirFS(dir), Options{Dialect: Postgres})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "1_a.up.sql: can't be read (no such file or directory)") {
		t.Errorf("unreadable file: %v", err)
	}
}

// TestLoadConfigMap reads a folder as Kubernetes mounts it: every file is a link through the link ..data.
func TestLoadConfigMap(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(dir+"/..2024", 0o755), os.WriteFile(dir+"/..2024/1_a.up.sql", []byte("SELECT 1"), 0o644),
		os.Symlink("..2024", dir+"/..data"), os.Symlink("..data/1_a.up.sql", dir+"/1_a.up.sql"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	set, err := Load(os.DirFS(dir), Options{Dialect: Postgres})
	if err != nil || ids(set) != "1_a" {
		t.Errorf("got %v, %v", set, err)
	}
}

func TestTransactionControl(t *testing.T) {
	for _, c := range []struct {
		d    Dialect
		text string
		want string // the statements, or the problem
	}{
		{Postgres, "BEGIN; SELECT 1; COMMIT;", "SELECT 1"},
		{Postgres, "begin work;\nselect 1;\nend transaction;\n-- done", "select 1"},
		{Postgres, "START TRANSACTION; SAVEPOINT a; SELECT 1; ROLLBACK WORK TO a; RELEASE a; COMMIT AND NO CHAIN;", "SAVEPOINT a | SELECT 1 | ROLLBACK WORK TO a | RELEASE a"},
		{Postgres, "SELECT 1;\nCOMMIT;", "f.sql:2: COMMIT in a migration"},
		{Postgres, "BEGIN;\nSELECT 1;", "f.sql:1: BEGIN in a migration"},
		{Postgres, "BEGIN; SELECT 1; COMMIT;\nBEGIN; SELECT 2; COMMIT;", "f.sql:2: BEGIN in a migration"},
		{Postgres, "BEGIN; SELECT 1; COMMIT; SELECT 2;", "COMMIT in a migration"},
		{Postgres, "BEGIN; SELECT 1; COMMIT AND CHAIN;", "COMMIT AND CHAIN in a migration"},
		{Postgres, "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;", "BEGIN with an isolation level or access mode"},
		{Postgres, "SELECT 1; ROLLBACK;", "ROLLBACK in a migration"},
		{Postgres, "ABORT;", "ABORT in a migration"},
		{Postgres, "PREPARE TRANSACTION 'x';", "PREPARE TRANSACTION in a migration"},
		{Postgres, "COMMIT PREPARED 'x';", "COMMIT PREPARED ' in a migration"},
		{Postgres, "PREPARE q AS SELECT 1; DO $$ BEGIN COMMIT; END $$", "PREPARE q AS SELECT 1 | DO $$ BEGIN COMMIT; END $$"},
		{Postgres, "-- schemagate: no-transaction\nBEGIN; SELECT 1; COMMIT;", "BEGIN in a script without a transaction: remove it, or remove no-transaction"},
		{Postgres, "-- schemagate: no-transaction\nSELECT 1; SAVEPOINT a;", "SAVEPOINT in a script without a transaction"},
		{Postgres, "-- schemagate: no-transaction\nSELECT 1; END;", "END in a script"},
		{MySQL, "START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT 1; COMMIT WORK;", "SELECT 1"},
		{MySQL, "START SLAVE;", "START SLAVE"},
		{MySQL, "XA START 'x';", "XA START in a migration"},
		{MySQL, "SET SESSION autocommit = 0;", "SET SESSION AUTOCOMMIT in a migration"},
		{MySQL, "SET @old = @@autocommit;", "SET @old = @@autocommit"},
		{MySQL, "/*!40000 COMMIT */;", "COMMIT in a migration"},
		{MySQL, "CREATE PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END;", "CREATE PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END"},
		{SQLite, "BEGIN IMMEDIATE TRANSACTION; SELECT 1; END;", "SELECT 1"},
		{SQLite, "PRAGMA foreign_keys=OFF; BEGIN; SELECT 1; COMMIT;", "BEGIN in a migration"},
		{SQLite, "SELECT 1; ROLLBACK TO a;", "SELECT 1 | ROLLBACK TO a"},
	} {
		script, err := ParseDown("native", c.d, "f.sql", c.text)
		got := sqls(script)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\n got %s\nwant %s", c.d, c.text, got, c.want)
		}
	}
}

func TestParseDownUnknown(t *testing.T) {
	if _, err := ParseDown("oracle", Postgres, "f", "SELECT 1"); !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), `"oracle" is unknown`) {
		t.Errorf("got %v", err)
	}
	if _, err := ParseDown("native", Postgres, "f", "-- nothing"); err == nil {
		t.Error("an empty way back was taken")
	}
}

func TestNative(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600))
	files := Native("  Add users' e-mail! ", at)
	for _, name := range []string{"20260102030405_add_users_e_mail.up.sql", "20260102030405_add_users_e_mail.down.sql"} {
		if files[name] == "" || len(files) != 2 {
			t.Errorf("no %s in %v", name, files)
		}
	}
	// A template that nobody filled in is no migration; filled in, it is one.
	_, err := Load(folder(files).fs(), Options{Dialect: Postgres})
	if got := len(Problems(err)); got != 2 {
		t.Errorf("%d problems, want 2: %v", got, err)
	}
	for name := range files {
		files[name] += "SELECT 1;\n"
	}
	if set := load(t, files, Options{Dialect: Postgres}); set.Migrations[0].Up.NoTransaction {
		t.Errorf("the template's text is taken for a directive")
	}
	for name := range files {
		if strings.Contains(name, ".up.") {
			files[name] = "-- schemagate: phase=cutover\n" + newUp
		}
	}
	if _, err := Load(folder(files).fs(), Options{Dialect: Postgres}); len(Problems(err)) != 1 {
		t.Errorf("a directive alone was added: %v", err)
	}
	if files := Native("é!", at); files["20260102030405_migration.up.sql"] == "" {
		t.Errorf("got %v", files)
	}
}
