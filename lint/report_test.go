package lint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
)

var update = flag.Bool("update", false, "write testdata")

// TestShop holds the report on the example shop, whose authors had no linter, against testdata/shop.txt.
func TestShop(t *testing.T) {
	set, err := migrations.Load(os.DirFS("../examples/shop/migrations"), migrations.Options{Dialect: migrations.Postgres, Phase: migrations.Expand})
	if err != nil {
		t.Fatal(err)
	}
	r, err := lint.Set(set, lint.Options{Dialect: migrations.Postgres})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := r.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/shop.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the report is not testdata/shop.txt (-update writes it):\n%s", got.String())
	}
	writesSARIF(t, r)
}

// few has one of each severity, and one silenced.
func few(t *testing.T) *lint.Result {
	t.Helper()
	set, err := migrations.Load(fstest.MapFS{
		"1_a.up.sql": {Data: []byte("CREATE TABLE a (x int);")}, "1_a.down.sql": {Data: []byte("DROP TABLE a;")},
		"2_b.up.sql": {Data: []byte("-- why\nALTER TABLE a ADD y int NOT NULL;\nCREATE INDEX ON a (x);\n-- schemagate: lint-ignore unbatched-delete \"three\" rows\nDELETE FROM a;")},
	}, migrations.Options{Dialect: migrations.Postgres})
	if err != nil {
		t.Fatal(err)
	}
	r, err := lint.Set(set, lint.Options{Dialect: migrations.Postgres})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResult(t *testing.T) {
	r := few(t)
	want := []string{"add-not-null-column:2", "index-without-concurrently:3", "missing-down:2", "work-under-lock:5"}
	if got := briefly(r.Findings); !slices.Equal(got, want) || len(r.Silenced) != 1 || r.Silenced[0].Reason != `"three" rows` {
		t.Errorf("%q, silenced %+v; want %q", got, r.Silenced, want)
	}
	for limit, n := range map[lint.Severity]int{lint.Info: 4, lint.Warning: 3, lint.Error: 1} {
		if got := r.Worst(limit); got != n {
			t.Errorf("%d findings at or above %s, want %d", got, limit, n)
		}
		if err := r.Fail(limit); !errors.Is(err, lint.ErrFindings) {
			t.Errorf("%s: %v", limit, err)
		}
	}
	if err := (&lint.Result{}).Fail(lint.Info); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2_b.up.sql:3: warning: CREATE INDEX on a without CONCURRENTLY [index-without-concurrently]\n", "SHARE on a: blocks all writes",
		"safe: CREATE INDEX CONCURRENTLY", "more: docs/lint.md#index-without-concurrently", "2 migrations linted: 1 error, 2 warnings, 1 info, 1 silenced\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	var out bytes.Buffer
	var back struct{ Findings, Silenced []lint.Finding }
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || !slices.Equal(back.Findings, r.Findings) || !slices.Equal(back.Silenced, r.Silenced) {
		t.Errorf("%v: the JSON says %+v", err, back)
	}
	writesSARIF(t, r)
	writesSARIF(t, &lint.Result{})
}

// writesSARIF checks the log against the schema of SARIF 2.1.0, and that nothing in it is unknown there.
func writesSARIF(t *testing.T, r *lint.Result) {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteSARIF(&out, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(out.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(new(sarif.Report)); err != nil {
		t.Fatal(err)
	}
	log, err := sarif.FromBytes(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	// These the library writes as empty where they are not set, which the schema forbids.
	run := log.Runs[0]
	run.Language, run.Tool.Driver.Language, run.NewlineSequences = "en-US", "en-US", []string{"\n"}
	if err := log.Validate(); err != nil {
		t.Error(err)
	}
	results := log.Runs[0].Results
	if len(results) != len(r.Findings)+len(r.Silenced) || log.Version != "2.1.0" {
		t.Fatalf("%d results of version %s, want %d", len(results), log.Version, len(r.Findings)+len(r.Silenced))
	}
	for i, res := range results {
		rule := log.Runs[0].Tool.Driver.Rules[res.RuleIndex]
		if *rule.ID != *res.RuleID || (len(res.Suppressions) > 0) != (i >= len(r.Findings)) {
			t.Errorf("result %d is of rule %s, its index says %s; %d suppressions", i, *res.RuleID, *rule.ID, len(res.Suppressions))
		}
	}
}

// TestIgnores: what names no rule is an error, with the one that was probably meant.
func TestIgnores(t *testing.T) {
	set := load(t, migrations.Postgres, "-- schemagate: lint-ignore drop-tables it is empty\nDROP TABLE customers;\n-- schemagate: lint-ignore nonsense why\nSELECT 1")
	_, err := lint.Set(set, lint.Options{Dialect: migrations.Postgres})
	for _, want := range []string{`0002_m.up.sql:1: lint-ignore: there is no rule "drop-tables": did you mean "drop-table"?`, `0002_m.up.sql:3: lint-ignore: there is no rule "nonsense"`} {
		if !errors.Is(err, migrations.ErrSet) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// An old file can't be changed any more, and is no error where it is not linted.
	if _, err := lint.Set(set, lint.Options{Dialect: migrations.Postgres, Include: func(migrations.Migration) bool { return false }}); err != nil {
		t.Error(err)
	}
}

// TestOtherDialects: SQLite hears of what breaks old code, MongoDB of a missing way back.
func TestOtherDialects(t *testing.T) {
	for _, c := range []struct {
		dialect migrations.Dialect
		name    string
		text    string
		want    []string
	}{
		{migrations.SQLite, "1_a.sql", "ALTER TABLE [a] RENAME COLUMN x TO y;\nDROP TABLE b;\nCREATE INDEX i ON a (y);\nUPDATE a SET y = 1;", []string{"drop-table:2", "missing-down:1", "rename-column:1"}},
		{migrations.MongoDB, "1-a.js", "module.exports = { async up(db) {} }", []string{"missing-down:1"}},
	} {
		set, err := migrations.Load(fstest.MapFS{c.name: {Data: []byte(c.text)}}, migrations.Options{Dialect: c.dialect})
		if err != nil {
			t.Fatal(err)
		}
		r, err := lint.Set(set, lint.Options{Dialect: c.dialect})
		if err != nil {
			t.Fatal(err)
		}
		if got := briefly(r.Findings); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.dialect, got, c.want)
		}
	}
}
