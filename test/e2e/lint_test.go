package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// lintFiles has one finding of each severity, and one that is silenced.
func lintFiles() harness.Files {
	return harness.Files{
		"0040_create.up.sql":   "CREATE TABLE t (id bigint PRIMARY KEY, x int, y int);\n",
		"0040_create.down.sql": "DROP TABLE t;\n",
		"0041_index.up.sql":    "\nCREATE INDEX t_x_idx ON t (x);\n",
		"0042_column.up.sql":   "ALTER TABLE t ADD COLUMN z int NOT NULL;\n",
		"0042_column.down.sql": "ALTER TABLE t DROP COLUMN z;\n",
		"0043_more.up.sql":     "-- schemagate: lint-ignore index-without-concurrently t is tiny\nCREATE INDEX t_y_idx ON t (y);\n",
		"0043_more.down.sql":   "DROP INDEX t_y_idx;\n",
	}
}

type lintJSON struct {
	Linted             int
	Findings, Silenced []struct {
		Rule, Severity, File, Version, Table, Lock, Blocks, Safe, Doc, Reason string
		Line                                                                  int
	}
}

func (l lintJSON) rules() string {
	var b strings.Builder
	for _, f := range l.Findings {
		b.WriteString(f.Version + " " + f.Rule + "\n")
	}
	return b.String()
}

func TestLint(t *testing.T) {
	t.Parallel()
	s := newStage(t, lintFiles())
	text := s.at("").Expect(65, "lint")
	text.Says("lint: there are findings: 2 at or above warning")
	at := filepath.Join(s.Dir, "0041_index.up.sql") + ":2: warning: CREATE INDEX on t without CONCURRENTLY [index-without-concurrently]\n    SHARE on t: blocks all writes\n"
	if got := text.Out.Text(); !strings.Contains(got, at) || !strings.Contains(got, "4 migrations linted: 1 error, 1 warning, 1 info, 1 silenced") {
		t.Errorf("lint prints\n%s", got)
	}
	var all lintJSON
	s.at("").Expect(65, "lint", "--json").JSON(&all)
	if want := "0041 index-without-concurrently\n0041 missing-down\n0042 add-not-null-column\n"; all.rules() != want || len(all.Silenced) != 1 || all.Silenced[0].Reason != "t is tiny" {
		t.Errorf("lint --json says %+v, want %s", all, want)
	}
	if f := all.Findings[0]; f.Line != 2 || f.Table != "t" || f.Lock != "SHARE" || f.Blocks != "all writes" || f.Safe == "" || f.Doc != "docs/lint.md#index-without-concurrently" {
		t.Errorf("the finding is %+v", f)
	}
	var log struct {
		Version string
		Runs    []struct{ Results []struct{ RuleID string } }
	}
	if err := json.Unmarshal([]byte(s.at("").Expect(65, "lint", "--sarif", "--fail-on=error").Out.Text()), &log); err != nil || log.Version != "2.1.0" || len(log.Runs[0].Results) != 4 {
		t.Errorf("%v: lint --sarif says %+v", err, log)
	}

	t.Log("what counts, and from where")
	s.at("").Expect(0, "lint", "--since", "42")
	s.at("").Expect(65, "lint", "--since", "42", "--fail-on", "info", "--migrations", s.folder(lintFiles().And(harness.Files{"0044_one_way.up.sql": "CREATE TABLE u (id int);"})).Dir)
	s.at("").Expect(0, "lint", "--since", "42", "--fail-on", "info")
	s.at("").Expect(64, "lint", "--since", "7").Says("the set has no such version")
	s.at("").Expect(64, "lint", "--fail-on", "all").Says("write info, warning or error")
	s.at("").Expect(64, "lint", "--json", "--sarif")
	s.at("").Expect(64, "lint", "more")
	if help := s.Expect(0, "lint", "--help").Out.Text(); !strings.Contains(help, "lint-ignore RULE REASON") || !strings.Contains(help, "--fail-on") {
		t.Errorf("help says\n%s", help)
	}

	t.Log("only what is pending")
	first := s.folder(lintFiles())
	for _, later := range []string{"0042_column.up.sql", "0042_column.down.sql", "0043_more.up.sql", "0043_more.down.sql"} {
		first.Remove(later)
	}
	first.Up()
	var pending lintJSON
	s.Expect(65, "lint", "--database", "--json").JSON(&pending)
	if want := "0042 add-not-null-column\n"; pending.rules() != want || pending.Linted != 2 {
		t.Errorf("lint --database says %+v, want %s", pending, want)
	}

	t.Log("what does not parse, and what names no rule")
	s.folder(harness.Files{"1_a.up.sql": "-- schemagate: lint-ignore truncates why not\nTRUNCATE t;"}).at("").Expect(65, "lint").
		Says(`1_a.up.sql:1: lint-ignore: there is no rule "truncates": did you mean "truncate"?`)
	s.folder(harness.Files{"1_a.up.sql": "-- schemagate: lint-ignore truncate\nTRUNCATE t;"}).Expect(65, "up").Says("lint-ignore needs a rule and a reason")
	s.folder(harness.Files{"1_a.up.sql": "SELECT 1;\nCREATE INDEX CONCURRENTLY ON t (x);"}).at("").Expect(65, "lint").Says("can't run in a transaction")
	s.folder(harness.Files{"1_a.up.sql": "ALTER TABLE t MODIFY x BIGINT;"}).at("mysql://nobody@127.0.0.1:1/none").Expect(65, "lint").Says("1 at or above warning")

	t.Log("the commands of the page")
	page, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(page)) {
		command, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- run: ")), "#")
		command, _, _ = strings.Cut(command, ">")
		if args := strings.Fields(command); len(args) > 1 && args[0] == "schemagate" {
			n++
			s.Expect(65, args[1:]...)
		}
	}
	if n != 6 {
		t.Errorf("%d commands in docs/lint.md were run, want 6", n)
	}
}
