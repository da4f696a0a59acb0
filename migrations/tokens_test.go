package migrations_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/schemagate/schemagate/migrations"
)

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		dialect migrations.Dialect
		sql     string
		want    []string // line:text
		names   string
	}{
		{migrations.Postgres, "-- one\nALTER /* a; /* b */ */ TABLE \"Or\"\"ders\"\n ADD x text DEFAULT E'it\\'s' || $q$a;$q$::text -- end", []string{
			"2:ALTER", "2:TABLE", `2:"Or""ders"`, "3:ADD", "3:x", "3:text", "3:DEFAULT", `3:E'it\'s'`, "3:|", "3:|", "3:$q$a;$q$", "3::", "3::", "3:text"},
			`alter table Or"ders add x text default text`},
		{migrations.MySQL, "ALTER TABLE `a``b` # no; \nMODIFY x VARCHAR(9) DEFAULT \"y\\\"\"", []string{
			"1:ALTER", "1:TABLE", "1:`a``b`", "2:MODIFY", "2:x", "2:VARCHAR", "2:(", "2:9", "2:)", "2:DEFAULT", `2:"y\""`},
			"alter table a`b modify x varchar default"},
		{migrations.Postgres, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", []string{"1:CREATE", "1:FUNCTION", "1:f", "1:(", "1:)",
			"1:RETURNS", "1:int", "1:BEGIN", "1:ATOMIC", "1:SELECT", "1:1", "1:;", "1:SELECT", "1:2", "1:;", "1:END"}, "create function f returns int begin atomic select select end"},
	} {
		all, err := migrations.Statements(c.dialect, "f.sql", c.sql)
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d statements, %v", c.sql, len(all), err)
		}
		var got, names []string
		for _, tok := range migrations.Tokens(c.dialect, all[0]) {
			got = append(got, string(rune('0'+tok.Line))+":"+tok.Text)
			if n := tok.Name(c.dialect); n != "" {
				names = append(names, n)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q, want\n%q", c.sql, got, c.want)
		}
		if n := strings.Join(names, " "); n != c.names {
			t.Errorf("%s: names %q, want %q", c.sql, n, c.names)
		}
	}
}

func TestTokensOfAHugeStatementEnd(t *testing.T) {
	sql := "INSERT INTO t VALUES (1)" + strings.Repeat(", (1)", 100_000)
	if n := len(migrations.Tokens(migrations.Postgres, migrations.Statement{SQL: sql, Line: 1})); n != 20_000 {
		t.Errorf("%d tokens", n)
	}
}

func TestLintIgnore(t *testing.T) {
	load := func(text string) (*migrations.Set, error) {
		return migrations.Load(fstest.MapFS{"1_a.up.sql": {Data: []byte(text)}}, migrations.Options{Dialect: migrations.Postgres})
	}
	set, err := load("-- schemagate: idempotent\n-- schemagate: lint-ignore a-rule for all: it's small\nBEGIN;\nSELECT 1;\n" +
		"-- schemagate: lint-ignore b-rule for the next\n\nSELECT\n2;\nSELECT /* schemagate: lint-ignore c-rule  for this */ 3;\nCOMMIT;\n")
	if err != nil {
		t.Fatal(err)
	}
	up := set.Migrations[0].Up
	want := []migrations.Ignore{{Rule: "a-rule", Reason: "for all: it's small", Line: 2}, {Rule: "b-rule", Reason: "for the next", Line: 5, Statement: 7},
		{Rule: "c-rule", Reason: "for this", Line: 9, Statement: 9}}
	if !slices.Equal(up.Ignores, want) || !up.Idempotent || len(up.Statements) != 3 {
		t.Errorf("%+v of %d statements, want %+v", up.Ignores, len(up.Statements), want)
	}
	for text, want := range map[string]string{
		"-- schemagate: lint-ignore a-rule\nSELECT 1;":                               "1_a.up.sql:1: lint-ignore needs a rule and a reason",
		"SELECT 1;\n-- schemagate: lint-ignore\nSELECT 2;":                           "1_a.up.sql:2: lint-ignore needs a rule and a reason",
		"-- schemagate: lint-ignore=a-rule why\nSELECT 1;":                           "1_a.up.sql:1: lint-ignore needs a rule and a reason",
		"SELECT 1;\n-- schemagate: lint-ignore a-rule why":                           "1_a.up.sql:2: lint-ignore behind the last statement",
		"SELECT 1;\n-- schemagate: no-transaction lint-ignore a-rule why\nSELECT 2;": "1_a.up.sql:2: schemagate: directive after the first statement",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
