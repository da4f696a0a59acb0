package lint_test

import (
	"testing"
	"testing/fstest"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
)

// FuzzSet: whatever a file holds, linting it ends, and a finding stands on a line of it.
func FuzzSet(f *testing.F) {
	for _, c := range cases {
		f.Add(c[0], false)
	}
	for _, c := range mysqlCases {
		f.Add(c[0], true)
	}
	for _, broken := range []string{"ALTER TABLE t ADD", "ALTER TABLE t ADD CHECK", "ALTER TABLE t ADD c int CHECK", "ALTER TABLE t RENAME", "LOCK", "REINDEX", "WITH", "UPDATE", "CREATE INDEX ON",
		"ALTER TABLE t ADD c int DEFAULT", "ALTER TABLE t ALTER c TYPE", "ALTER TABLE t ALTER c TYPE numeric(", "DROP TABLE ,", "ALTER TABLE a;ALTER TABLE b", "ALTER TYPE x ADD VALUE e''"} {
		f.Add(broken, false)
	}
	f.Fuzz(func(t *testing.T, text string, inMySQL bool) {
		d := migrations.Postgres
		if inMySQL {
			d = migrations.MySQL
		}
		set, err := migrations.Load(fstest.MapFS{"1_a.up.sql": {Data: []byte(text)}}, migrations.Options{Dialect: d})
		if err != nil {
			return
		}
		r, err := lint.Set(set, lint.Options{Dialect: d})
		if err != nil {
			return
		}
		for _, found := range r.Findings {
			if found.Line < 1 {
				t.Errorf("%s on line %d", found.Rule, found.Line)
			}
		}
	})
}
