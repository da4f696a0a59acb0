package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/schemagate/schemagate/migrations"
)

// Options says what is linted.
type Options struct {
	Dialect migrations.Dialect
	// Include reports whether a migration is linted; the others only tell what tables there are. Nil includes all.
	Include func(migrations.Migration) bool
}

// Finding is one place that a rule warns of.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// File is the path inside the migrations folder.
	File    string `json:"file"`
	Line    int    `json:"line"`
	Version string `json:"version"`
	// Table is the one that is locked or changed; empty where the text does not tell it.
	Table   string `json:"table"`
	Message string `json:"message"`
	// Lock is PostgreSQL's name of the lock that is taken; empty where that is not the point.
	Lock     string `json:"lock"`
	Blocks   string `json:"blocks"`
	Rewrites bool   `json:"rewrites"`
	Safe     string `json:"safe"`
	Doc      string `json:"doc"`
	// Reason is why it was silenced.
	Reason string `json:"reason,omitempty"`
}

// Result is what was found, in the order of the set.
type Result struct {
	Linted   int       // migrations
	Findings []Finding // not silenced
	Silenced []Finding
}

// Worst counts the findings that are at least as bad as limit.
func (r *Result) Worst(limit Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity.AtLeast(limit) {
			n++
		}
	}
	return n
}

// Set lints a set. Its error holds a migrations.Problem for every lint-ignore that names no rule.
func Set(set *migrations.Set, o Options) (*Result, error) {
	l := linter{Options: o, cat: newCatalogue()}
	for _, m := range set.Migrations {
		l.migration(m)
	}
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return &l.Result, nil
}

type linter struct {
	Options
	Result
	cat      *catalogue
	problems []error

	m       migrations.Migration
	linted  bool
	found   []Finding
	anchors []int // by finding: the line of the statement that it is about
	tx      *transaction
	line    int // of the statement
}

// transaction is what one has done so far.
type transaction struct {
	locks  []held
	enums  map[string]string // value added: type
	worked bool              // work-under-lock was reported
	many   bool              // many-locks was reported
}

// held is a lock on a busy table.
type held struct {
	table, mode string
	line        int
}

// migration lints one, or only learns from it.
func (l *linter) migration(m migrations.Migration) {
	l.m, l.found, l.anchors = m, nil, nil
	l.linted = l.Include == nil || l.Include(m)
	if m.Up.Language == "sql" {
		l.script(m.Up)
	}
	if !l.linted {
		return
	}
	l.Linted++
	if m.Up.Language == "sql" && len(m.Up.Statements) == 0 {
		l.line = 0
		l.report("no-statement", 1, "", "the migration holds comments only, and will do nothing")
	}
	if m.Down == nil && !m.Repeatable {
		line := 1
		if len(m.Up.Statements) > 0 {
			line = m.Up.Statements[0].Line
		}
		l.line = 0
		l.report("missing-down", line, "", "the migration has no way back")
	}
	l.silence()
}

func (l *linter) script(s migrations.Script) {
	l.tx = newTransaction()
	for _, st := range s.Statements {
		l.line = st.Line
		if s.NoTransaction || l.Dialect == migrations.MySQL {
			l.tx = newTransaction()
		}
		c := newCursor(l.Dialect, st)
		if !c.done() {
			l.enumUse(c)
			l.statement(c)
		}
	}
}

func newTransaction() *transaction { return &transaction{enums: map[string]string{}} }

// busy reports whether a table may have rows and users: this file has not made it.
func (l *linter) busy(table string) bool {
	r := l.cat.table(table)
	return r == nil || !r.temporary && r.file != l.m.Up.File
}

// free reports whether what old code can't live with may be done here.
func (l *linter) free() bool {
	return l.m.Phase == migrations.Contract || l.m.Phase == migrations.Cutover
}

// report notes a finding of a rule that this dialect has.
func (l *linter) report(id string, line int, table, format string, args ...any) *Finding {
	r := ruleOf(id)
	if !l.linted || !r.has(l.Dialect) {
		return &Finding{}
	}
	f := Finding{
		Rule: id, Severity: r.Severity, File: l.m.Up.File, Line: line, Version: l.m.Version, Table: table, Message: fmt.Sprintf(format, args...),
		Lock: r.Lock, Blocks: r.Blocks, Rewrites: r.Rewrites, Safe: r.Safe, Doc: r.Doc(),
	}
	if l.Dialect != migrations.Postgres {
		f.Lock, f.Rewrites = "", false
		if l.Dialect == migrations.MySQL && r.Lock == accessExclusive {
			f.Blocks = "everything on the table, for as long as the metadata lock is waited for and held"
		}
	}
	l.found = append(l.found, f)
	l.anchors = append(l.anchors, l.line)
	return &l.found[len(l.found)-1]
}

func ruleOf(id string) Rule {
	r, ok := table().byID[id]
	if !ok {
		panic("lint: no rule " + id)
	}
	return r
}

// lock notes a lock, and warns of the second table that nobody can use until this transaction ends.
func (l *linter) lock(table, mode string, line int) {
	if table == "" || !l.busy(table) || l.Dialect != migrations.Postgres {
		return
	}
	if mode == accessExclusive && !l.m.Up.NoTransaction && !l.tx.many {
		for _, h := range l.tx.locks {
			if h.mode == accessExclusive && h.table != table {
				l.tx.many = true
				l.report("many-locks", line, table, "locks %s while it already holds %s (line %d) until the end of the transaction", table, h.table, h.line)
				break
			}
		}
	}
	l.tx.locks = append(l.tx.locks, held{table, mode, line})
}

// work warns of what takes as long as the table is large, while a lock of this transaction keeps others out: one on that table
// rather than another, as it is what people will wait for.
func (l *linter) work(line int, table, what string) {
	if l.m.Up.NoTransaction || l.tx.worked || l.Dialect != migrations.Postgres {
		return
	}
	var worst *held
	for i, h := range l.tx.locks {
		if heavy(h.mode) && (worst == nil || h.table == table && worst.table != table) {
			worst = &l.tx.locks[i]
		}
	}
	if worst == nil {
		return
	}
	l.tx.worked = true
	f := l.report("work-under-lock", line, worst.table, "%s while the transaction holds a lock on %s (line %d)", what, worst.table, worst.line)
	f.Lock, f.Blocks = worst.mode, blocksWrites
	if worst.mode == accessExclusive {
		f.Blocks = blocksAll
	}
}

// silence sorts out the findings with a lint-ignore.
func (l *linter) silence() {
	ignores := l.m.Up.Ignores
	used := make([]bool, len(ignores))
	for i, ig := range ignores {
		if _, ok := table().byID[ig.Rule]; !ok {
			remedy := "docs/lint.md lists them"
			if n := nearest(ig.Rule); n != "" {
				remedy = fmt.Sprintf("did you mean %q?", n)
			}
			l.problems = append(l.problems, &migrations.Problem{File: l.m.Up.File, Line: ig.Line, Msg: fmt.Sprintf("lint-ignore: there is no rule %q", ig.Rule), Remedy: remedy})
			used[i] = true
		}
	}
	var open []Finding
	for n, f := range l.found {
		i := slices.IndexFunc(ignores, func(ig migrations.Ignore) bool {
			return ig.Rule == f.Rule && (ig.Statement == 0 || ig.Statement == l.anchors[n])
		})
		if i < 0 {
			open = append(open, f)
			continue
		}
		used[i] = true
		f.Reason = ignores[i].Reason
		l.Silenced = append(l.Silenced, f)
	}
	l.found, l.anchors = open, nil
	for i, ig := range ignores {
		if !used[i] {
			l.report("unused-ignore", ig.Line, "", "nothing here breaks %s", ig.Rule)
		}
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	l.Findings = append(l.Findings, l.found...)
}
