package migrations

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// fuzzStatements: no text panics; what is split covers the text; a statement alone is that statement again.
func fuzzStatements(f *testing.F, d Dialect) {
	files, err := filepath.Glob("testdata/split/" + string(d) + "/*.sql")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		for _, s := range strings.SplitAfter(string(text), "\n") {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := Statements(d, "f", text)
		if err != nil {
			if ps := Problems(err); len(ps) != 1 || ps[0].File != "f" || ps[0].Line < 1 || ps[0].Line > 1+strings.Count(text, "\n") || ps[0].Remedy == "" {
				t.Fatalf("not a good problem: %v", err)
			}
			return
		}
		checkCover(t, d, text, statements)
		lower := strings.ToLower(text)
		if strings.Contains(lower, "delimiter") || strings.Contains(lower, "standard_conforming_strings") {
			return // whose statements depend on those before
		}
		for _, s := range statements {
			// A comment to MySQL at the end of a text, and a command to SQLite's shell at its start.
			if d == MySQL && strings.HasSuffix(s.SQL, "--") || d == SQLite && s.SQL[0] == '.' {
				continue
			}
			again, err := Statements(d, "f", s.SQL)
			if s.Copy == nil && (err != nil || len(again) != 1 || again[0].SQL != s.SQL) {
				t.Fatalf("alone, %q is %+v, %v", s.SQL, again, err)
			}
		}
	})
}

func FuzzStatementsPostgres(f *testing.F) { fuzzStatements(f, Postgres) }
func FuzzStatementsMySQL(f *testing.F)    { fuzzStatements(f, MySQL) }
func FuzzStatementsSQLite(f *testing.F)   { fuzzStatements(f, SQLite) }

// FuzzLoad loads a folder of two files. Whatever they hold, it is a set that keeps its promises, or all problems say where they
// are and what to do.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/sets/*/*.*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	dialects := []Dialect{Postgres, MySQL, SQLite, MongoDB}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		other, err := os.ReadFile(files[(i+1)%len(files)])
		if err != nil {
			f.Fatal(err)
		}
		for d := range dialects {
			f.Add(byte(d), filepath.Base(file), string(text), filepath.Base(files[(i+1)%len(files)]), string(other))
		}
	}
	f.Add(byte(0), "1_a.sql", "-- UP migration\n-- schemagate: phase=contract backfill a='b c' d=e\nSELECT 1", "2_b.sql", "---- create above / drop below ----")
	f.Fuzz(func(t *testing.T, dialect byte, name1, text1, name2, text2 string) {
		d := dialects[int(dialect)%len(dialects)]
		fsys := fstest.MapFS{}
		for name, text := range map[string]string{name1: text1, name2: text2} {
			if strings.Trim(name, "/.") == "" || strings.Contains(name, "/") {
				return
			}
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		checkLoad(t, d, fsys)
	})
}

// checkLoad loads a folder: what comes of it is a set that keeps its promises, or problems that say where they are and what to do.
func checkLoad(t *testing.T, d Dialect, fsys fstest.MapFS) {
	t.Helper()
	set, err := Load(fsys, Options{Dialect: d, Placeholders: flywayValues})
	if skimmed, ok := Skim(fsys, Options{Dialect: d, Placeholders: flywayValues}); ok && err == nil && (skimmed.Digest != set.Digest || skimmed.Format != set.Format) {
		t.Fatalf("skimmed it is %+v, and read %s %s", skimmed, set.Format, set.Digest)
	}
	if err != nil {
		for _, p := range Problems(err) {
			if p.File == "" || p.Msg == "" || p.Remedy == "" || p.Line < 0 {
				t.Fatalf("not a good problem: %v", p)
			}
		}
		return
	}
	if len(set.Migrations) == 0 || set.Format == "" || len(set.Digest) != 64 {
		t.Fatalf("an empty set: %+v", set)
	}
	checkSet(t, d, set)
}

func checkSet(t *testing.T, d Dialect, set *Set) {
	t.Helper()
	for i, m := range set.Migrations {
		if i > 0 && set.Format != liquibase && CompareVersions(set.Migrations[i-1].Version, m.Version) >= 0 {
			t.Fatalf("out of order: %s, %s", set.Migrations[i-1].ID(), m.ID())
		}
		if found, ok := set.Find(m.Version); !ok || found.Up.Text != m.Up.Text {
			t.Fatalf("%s is not found by its version", m.ID())
		}
		if m.Up.Language == "sql" && len(m.Up.Statements) == 0 && !strings.ContainsAny(m.Up.Text, "-#/") || m.Checksum == "" || m.Format != set.Format {
			t.Fatalf("not a good migration: %+v", m)
		}
		if m.Down == nil {
			continue
		}
		down, err := ParseDown(m.Format, d, m.Down.File, m.Down.Text)
		if err != nil || len(down.Statements) != len(m.Down.Statements) || down.NoTransaction != m.Down.NoTransaction {
			t.Fatalf("%s: from the history its way back is %+v, %v\nand not %+v", m.ID(), down, err, *m.Down)
		}
	}
}

// FuzzParseDown reads any text as any format's way back.
func FuzzParseDown(f *testing.F) {
	formats := []string{native, goose, dbmate, tern, flyway, liquibase, upDown, migrateMongo}
	dialects := []Dialect{Postgres, MySQL, SQLite, MongoDB}
	for i := range formats {
		for d := range dialects {
			f.Add(byte(i), byte(d), "-- schemagate: no-transaction\n-- +goose Down\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n")
			f.Add(byte(i), byte(d), "--changeset a:1 endDelimiter://\n--rollback SELECT 1;\n/* liquibase rollback\nSELECT 2;\n*/\n-- migrate:down transaction:false\n[1]")
		}
	}
	f.Fuzz(func(t *testing.T, format, dialect byte, text string) {
		script, err := ParseDown(formats[int(format)%len(formats)], dialects[int(dialect)%len(dialects)], "f", text)
		for _, p := range Problems(err) {
			if p.File != "f" || p.Remedy == "" {
				t.Fatalf("not a good problem: %v", p)
			}
		}
		if err == nil && (script.Text != normalise(text) || script.File != "f") {
			t.Fatalf("not the text that was given: %+v", script)
		}
	})
}

// TestLinear splits texts that take for ever if anything is read again and again.
func TestLinear(t *testing.T) {
	for _, unit := range []string{"$a", "/*", "/*/", "E''\n", ";", "(", "a.", "'", "''", "-- x\n", "\\", "$$", "begin ", "case ", "create function f() begin atomic ", "/*!", "[", "/", "end "} {
		text := strings.Repeat(unit, 128<<10/len(unit))
		if unit == "(" {
			text = text[:len(text)/2] + strings.Repeat("]", len(text)/2)
		}
		for _, d := range []Dialect{Postgres, MySQL, SQLite} {
			if _, err := Statements(d, "f", text); err != nil && !errors.Is(err, ErrSet) {
				t.Errorf("%s: %v", d, err)
			}
		}
		s := scriptScanner{text: text, line: 1}
		for s.next() {
		}
		_, _ = ParseDown(liquibase, MySQL, "f", "--changeset a:1 rollbackEndDelimiter:/\n/* liquibase rollback\n"+text+"\n*/")
		_, _ = ParseDown(goose, Postgres, "f", text)
	}
}
