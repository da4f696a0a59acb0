package lint

import (
	"slices"
	"sync"

	"github.com/schemagate/schemagate/internal/spell"
	"github.com/schemagate/schemagate/migrations"
)

// Severity says what a finding means for a deploy.
type Severity string

// Info is worth knowing, Warning blocks or breaks somebody, Error fails when it runs on a table with rows.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Severities from the lowest.
func Severities() []Severity { return []Severity{Info, Warning, Error} }

// AtLeast reports whether s is as bad as limit.
func (s Severity) AtLeast(limit Severity) bool {
	return slices.Index(Severities(), s) >= slices.Index(Severities(), limit)
}

// The lock modes of PostgreSQL that matter here, as its manual names them.
const (
	rowExclusive         = "ROW EXCLUSIVE"
	shareUpdateExclusive = "SHARE UPDATE EXCLUSIVE"
	share                = "SHARE"
	shareRowExclusive    = "SHARE ROW EXCLUSIVE"
	accessExclusive      = "ACCESS EXCLUSIVE"
)

// heavy modes block writers, or everyone.
func heavy(mode string) bool {
	return mode == share || mode == shareRowExclusive || mode == "EXCLUSIVE" || mode == accessExclusive
}

// What a mode blocks.
const (
	blocksAll    = "everything, reads included"
	blocksWrites = "all writes"
)

// Rule is one kind of finding.
type Rule struct {
	ID       string
	Title    string
	Severity Severity
	Dialects []migrations.Dialect
	// Lock is the strongest table lock that it takes on PostgreSQL; empty where locks are not the point.
	Lock string
	// Blocks says what waits, or fails, meanwhile.
	Blocks string
	// Rewrites: the whole table is written anew under the lock.
	Rewrites bool
	// Fails is the SQLSTATE with which PostgreSQL refuses it, where it does.
	Fails string
	// Why is for the rule's section of docs/lint.md.
	Why string
	// Safe says in a sentence what to do instead.
	Safe string
	// Bad is an example, as one file; Good is how to write it, each text a file of its own.
	Bad  string
	Good []string
}

// Doc is where the rule is explained.
func (r Rule) Doc() string { return "docs/lint.md#" + r.ID }

// has reports whether the rule is for this dialect.
func (r Rule) has(d migrations.Dialect) bool { return slices.Contains(r.Dialects, d) }

// Rules lists all rules in the order of docs/lint.md.
func Rules() []Rule { return table().rules }

type ruleTable struct {
	rules []Rule
	byID  map[string]Rule
	ids   []string
}

// Built when first asked for: a start of another command does not pay for it.
var table = sync.OnceValue(func() *ruleTable {
	t := &ruleTable{byID: map[string]Rule{}}
	t.rules = slices.Concat(indexRules(), columnRules(), constraintRules(), tableRules(), breakingRules(), dataRules(), mysqlRules(), setRules())
	for _, r := range t.rules {
		t.byID[r.ID] = r
		t.ids = append(t.ids, r.ID)
	}
	return t
})

// nearest is the known rule that was probably meant.
func nearest(id string) string { return spell.Nearest(id, table().ids) }

func postgresOnly() []migrations.Dialect { return []migrations.Dialect{migrations.Postgres} }

func everySQL() []migrations.Dialect {
	return []migrations.Dialect{migrations.Postgres, migrations.MySQL, migrations.SQLite}
}
