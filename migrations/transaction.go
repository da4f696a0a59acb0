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
		name := strings.ToUpper(strings.Join(s.tokens[:words], " "))
		s.controls = append(s.controls, control{len(s.statements) - 1, s.began, kind, name})
	}
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
