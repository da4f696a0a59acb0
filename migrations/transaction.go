package migrations

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of transaction control.
const (
	begins     byte = 1 + iota
	commits         // ends the transaction, and nothing more
	savepoints      // works inside a transaction only
	forbidden
)

// control is a statement that controls transactions.
type control struct {
	index int // in the statements
	line  int
	kind  byte
	name  string // as shown to people
}

// noteControl records the statement just cut off if it controls transactions.
func (s *splitter) noteControl() {
	kind, words := classify(s.dialect, s.tokens)
	if kind != 0 {
		s.controls = append(s.controls, control{len(s.statements) - 1, s.began, kind, s.name(words)})
	}
	if words := standsAlone(s.dialect, s.tokens); words > 0 {
		s.alone = append(s.alone, control{len(s.statements) - 1, s.began, 0, s.name(words)})
	}
}

// name is how a statement that starts with these tokens is shown to people.
func (s *splitter) name(words int) string {
	return strings.ToUpper(strings.Join(s.tokens[:words], " "))
}

// standsAlone returns how many tokens name a statement that the server refuses inside a transaction, 0 for any other.
func standsAlone(d Dialect, head []string) int {
	if len(head) == 0 {
		return 0
	}
	at := func(i int, want ...string) bool { return i < len(head) && slices.Contains(want, head[i]) }
	if d != Postgres {
		if d == SQLite && head[0] == "vacuum" {
			return 1
		}
		return 0
	}
	switch concurrently := slices.Index(head, "concurrently"); {
	case at(0, "vacuum"):
		return 1
	case at(0, "create", "drop") && at(1, "database", "tablespace"), at(0, "alter") && at(1, "system"):
		return 2
	case at(0, "reindex") && concurrently > 0:
		return 1
	case at(0, "reindex") && at(1, "database", "system", "schema"):
		return 2
	case (at(0, "create") && (at(1, "index") || at(1, "unique") && at(2, "index")) || at(0, "drop") && at(1, "index")) && concurrently > 0 && concurrently <= 3:
		return concurrently + 1
	case at(0, "alter") && at(1, "table") && slices.Contains(head, "detach") && concurrently == len(head)-1:
		return 2
	}
	return 0
}

// classify tells what kind of transaction control a statement is (0: none), and how many tokens name it.
func classify(d Dialect, head []string) (kind byte, words int) {
	if len(head) == 0 {
		return 0, 0
	}
	at := func(i int, want ...string) bool { return i < len(head) && slices.Contains(want, head[i]) }
	switch head[0] {
	case "begin":
		if d == MySQL && at(1, "not") {
			return 0, 0
		}
		return beginKind(head), 1
	case "start":
		if at(1, "transaction") {
			return beginKind(head), 2
		}
	case "commit", "end":
		if head[0] == "end" && d == MySQL {
			return 0, 0
		}
		i := 1
		if at(i, "work", "transaction") {
			i++
		}
		if at(i, "and") && at(i+1, "no") {
			i += 3
		}
		if i < len(head) {
			return forbidden, min(len(head), i+2)
		}
		return commits, 1
	case "rollback":
		if at(1, "to") || at(2, "to") {
			return savepoints, min(len(head), 3)
		}
		return forbidden, 1
	case "savepoint", "release":
		return savepoints, 1
	case "abort":
		if d == Postgres {
			return forbidden, 1
		}
	case "prepare":
		if d == Postgres && at(1, "transaction") {
			return forbidden, 2
		}
	case "xa":
		if d == MySQL {
			return forbidden, min(len(head), 2)
		}
	case "set":
		i := slices.Index(head, "autocommit")
		if d == MySQL && i > 0 && at(i+1, "=", ":") {
			return forbidden, i + 1
		}
	}
	return 0, 0
}

// beginKind refuses a BEGIN whose options would be lost with it.
func beginKind(head []string) byte {
	for _, t := range head {
		if t == "isolation" || t == "only" || t == "deferrable" {
			return forbidden
		}
	}
	return begins
}

// outside decides about statements that can't run in a transaction: a script of nothing else runs without one, as it can't run
// in any other way; among others they are refused, before the first of those is applied.
func outside(file string, statements int, alone []control) (bool, []*Problem) {
	if len(alone) == 0 || len(alone) == statements {
		return len(alone) > 0, nil
	}
	c := alone[0]
	return false, []*Problem{{File: file, Line: c.line, Msg: c.name + " can't run in a transaction, as the script's other statements do",
		Remedy: "move it into a migration of its own, or write -- schemagate: no-transaction at the head"}}
}

// unwrap removes one BEGIN ... COMMIT around all of a script that runs in a transaction, and refuses any other control.
func unwrap(file string, statements []Statement, controls []control, noTransaction bool) ([]Statement, []*Problem) {
	if n := len(controls) - 1; !noTransaction && n > 0 && controls[0].kind == begins && controls[0].index == 0 &&
		controls[n].kind == commits && controls[n].index == len(statements)-1 {
		statements, controls = statements[1:len(statements)-1], controls[1:n]
	}
	var problems []*Problem
	for _, c := range controls {
		msg, remedy := fmt.Sprintf("%s in a migration", c.name), "remove it; schemagate opens and ends the transaction itself, and of a BEGIN it takes only one around the whole script"
		switch {
		case noTransaction:
			msg, remedy = fmt.Sprintf("%s in a script without a transaction", c.name), "remove it, or remove no-transaction"
		case c.kind == savepoints:
			continue
		case c.kind == forbidden && (strings.HasPrefix(c.name, "BEGIN") || strings.HasPrefix(c.name, "START")):
			msg, remedy = c.name+" with an isolation level or access mode", "remove it; schemagate opens the transaction itself"
		}
		problems = append(problems, &Problem{File: file, Line: c.line, Msg: msg, Remedy: remedy})
	}
	return statements, problems
}
