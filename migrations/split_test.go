package migrations

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files; read the diff before committing it")

// TestStatementsGolden splits every file of testdata/split. What the goldens hold was checked against the dialects' own servers.
func TestStatementsGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/split/*/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no input files: %v", err)
	}
	for _, file := range files {
		dialect := Dialect(filepath.Base(filepath.Dir(file)))
		t.Run(string(dialect)+"/"+filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			statements, err := Statements(dialect, file, string(text))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".sql")+".golden", show(statements))
			checkCover(t, dialect, string(text), statements)
		})
	}
}

// golden compares got with a file, or rewrites the file under -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite it with -update); got:\n%s", file, got)
	}
}

func show(statements []Statement) string {
	var b strings.Builder
	for _, s := range statements {
		fmt.Fprintf(&b, "=== line %d\n%s\n", s.Line, s.SQL)
		if s.Copy != nil {
			fmt.Fprintf(&b, "=== data\n%s", s.Copy)
		}
	}
	return b.String()
}

// checkCover fails unless the statements stand in the text in order, with nothing that matters between them.
func checkCover(t *testing.T, d Dialect, text string, statements []Statement) {
	t.Helper()
	s := splitter{dialect: d, file: "cover", text: normalise(text), line: 1}
	var starts []int
	for n := 0; ; n = len(s.statements) {
		start, p := s.start, (*Problem)(nil)
		if s.i < len(s.text) {
			p = s.next()
		} else if p = s.finish(); len(s.statements) == n {
			break
		}
		if p != nil {
			t.Fatal(p)
		}
		if len(s.statements) > n {
			starts = append(starts, start)
		}
	}
	if len(starts) != len(statements) {
		t.Fatalf("%d statements, %d again", len(statements), len(starts))
	}
	gap := func(gap string) {
		t.Helper()
		// What ends a statement there depends on what stands before it.
		if d == MySQL && strings.Contains(strings.ToLower(text), "delimiter") {
			return
		}
		if left, err := Statements(d, "gap", gap); err == nil && len(left) > 0 {
			t.Errorf("lost between statements: %q", gap)
		}
	}
	at := 0
	for i, statement := range statements {
		gap(s.text[at:starts[i]])
		at = starts[i] + strings.Index(s.text[starts[i]:], statement.SQL)
		if statement.SQL == "" || strings.Trim(s.text[starts[i]:at], " \t\n\v\f\r") != "" || at < starts[i] {
			t.Fatalf("statement %d is %q, and not what stands at offset %d", i+1, statement.SQL, starts[i])
		}
		if first := strings.Count(s.text[:at], "\n") + 1; statement.Line < first || statement.Line > first+strings.Count(statement.SQL, "\n") {
			t.Errorf("statement %d says line %d, and stands on %d and behind", i+1, statement.Line, first)
		}
		at += len(statement.SQL)
		if statement.Copy != nil {
			at += strings.Index(s.text[at:], "\n") + 1
			if !strings.HasPrefix(s.text[at:], string(statement.Copy)+`\.`) {
				t.Fatalf("the data of statement %d is not what stands behind it: %q", i+1, statement.Copy)
			}
			at += len(statement.Copy) + len(`\.`)
		}
	}
	gap(s.text[at:])
}

func TestStatementsProblems(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Dialect
		text string
		want string
	}{
		{"string", Postgres, "SELECT 1;\nSELECT 'a;\n", "f.sql:2: string is never closed"},
		{"escape string", Postgres, `SELECT E'a\';`, "f.sql:1: string is never closed"},
		{"continued escape string", Postgres, "SELECT E'a'\n'b\\';", "f.sql:1: string is never closed"},
		{"name", Postgres, "\n\nSELECT \"a;", "f.sql:3: quoted name is never closed"},
		{"dollar quote", Postgres, "SELECT 1;\n\nDO $$ BEGIN END $ $;", "f.sql:3: dollar-quoted string is never closed: close it with $$"},
		{"tagged dollar quote", Postgres, "DO $a$ BEGIN END $b$;", "close it with $a$"},
		{"comment", Postgres, "SELECT 1; /* a", "f.sql:1: comment is never closed"},
		{"comment of one slash", Postgres, "/*/", "comment is never closed"},
		{"nested comment", Postgres, "/* a /* b */ SELECT 1;", "comment is never closed"},
		{"parenthesis", Postgres, "SELECT 1;\nINSERT INTO t\nVALUES (1;\nSELECT 2;", "f.sql:3: parenthesis is never closed"},
		{"atomic body", Postgres, "CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC SELECT 1;", "f.sql:2: BEGIN ATOMIC has no END"},
		{"copy", Postgres, "SELECT 1;\nCOPY t FROM stdin;\n1\n2\n", "f.sql:2: the data of COPY ... FROM stdin is never closed"},
		{"copy without a semicolon", Postgres, "COPY t FROM stdin", "f.sql:1: COPY ... FROM stdin without its data"},
		{"copy on one line", Postgres, "COPY t FROM stdin; SELECT 1;\n\\.\n", "f.sql:1: text after COPY"},
		{"stray end of data", Postgres, "SELECT 1;\n\\.\n", `f.sql:2: \. closes the data of a COPY`},
		{"psql command", Postgres, "SELECT 1;\n\\connect app\n", `f.sql:2: \connect is a command of psql`},
		{"psql include", Postgres, "\\i other.sql", `\i is a command of psql`},
		{"psql send", Postgres, "SELECT 1 \\g\n", `\g is a command of psql`},
		{"restrict in a statement", Postgres, "SELECT 1 \\restrict x\n", `\restrict is a command of psql`},
		{"mysql string", MySQL, "SELECT 1;\nSELECT 'a\\';", "f.sql:2: string is never closed"},
		{"mysql double quotes", MySQL, `SELECT "a`, "string is never closed"},
		{"mysql name", MySQL, "SELECT `a", "quoted name is never closed"},
		{"mysql comment", MySQL, "\n/*!40101 SET NAMES utf8;", "f.sql:2: comment is never closed"},
		{"mysql body", MySQL, "CREATE PROCEDURE p()\nBEGIN\n  IF 1 THEN SELECT 1;\nEND;\n", "f.sql:2: BEGIN has no END: close it, or put the statement between DELIMITER lines"},
		{"mysql block", MySQL, "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW\nIF 1 THEN SET NEW.a = 1;", "f.sql:2: IF has no END"},
		{"mysql client", MySQL, "SELECT 1\\G", `\G is a command of the mysql client`},
		{"mysql source", MySQL, "source other.sql;", "source is a command of the mysql client"},
		{"mysql delimiter", MySQL, "DELIMITER\nSELECT 1;", "f.sql:1: DELIMITER needs a terminator"},
		{"sqlite trigger", SQLite, "CREATE TABLE x (a);\nCREATE TRIGGER t INSERT ON x BEGIN SELECT 1;", "f.sql:2: trigger is never closed"},
		{"sqlite bracket", SQLite, "SELECT [a", "quoted name is never closed: close it with ]"},
		{"sqlite shell", SQLite, "SELECT 1;\n.read x.sql\n", "f.sql:2: .read is a command of the sqlite3 shell"},
		{"no SQL", MongoDB, "SELECT 1", `dialect "mongodb" has no SQL`},
	} {
		t.Run(c.name, func(t *testing.T) {
			statements, err := Statements(c.d, "f.sql", c.text)
			if !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and %d statements, want %q", err, len(statements), c.want)
			}
			if len(Problems(err)) != 1 {
				t.Errorf("%d problems, want 1", len(Problems(err)))
			}
		})
	}
}
