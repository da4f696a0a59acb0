package migrations

import (
	"fmt"
	"strings"
)

// parseGoose reads -- +goose Up and what follows up to -- +goose Down. Comments before them belong to the way up.
func parseGoose(l *loader, f source) {
	version, name := l.plainName(f)
	var ups, downs []int // lines
	downAt := len(f.text)
	lines(f.text, func(line string, number, at int) bool {
		switch annotation, _ := gooseAnnotation(line); annotation {
		case "UP":
			ups = append(ups, number)
		case "DOWN":
			downs = append(downs, number)
			downAt = min(downAt, at)
		}
		return true
	})
	switch {
	case len(ups) == 0:
		l.problem(f.path, 0, "has no -- +goose Up", "start the way up with it")
	case len(ups) > 1:
		l.problem(f.path, ups[1], "a second -- +goose Up", "keep one")
	case len(downs) > 1:
		l.problem(f.path, downs[1], "a second -- +goose Down", "keep one")
	case len(downs) == 1 && downs[0] < ups[0]:
		l.problem(f.path, downs[0], "-- +goose Down before -- +goose Up", "put the way up first")
	}
	forward, noUp, problems := gooseText(l.Dialect, f.path, 1, f.text[:downAt], true)
	l.problems = append(l.problems, problems...)
	back, noDown, problems := gooseText(l.Dialect, f.path, 1+strings.Count(f.text[:downAt], "\n"), f.text[downAt:], false)
	l.problems = append(l.problems, problems...)
	forward.noTransaction, back.noTransaction = noUp || noDown, noUp || noDown
	l.addBoth(f, Migration{Version: version, Name: name, Format: goose}, forward, back)
}

func gooseDown(d Dialect, file, text string) (Script, []*Problem) {
	t, noTransaction, problems := gooseText(d, file, 1, text, false)
	t.noTransaction = noTransaction
	script, more := t.parseDown()
	return script, append(problems, more...)
}

// gooseText cuts a direction's text at its annotations. PostgreSQL and SQLite need no StatementBegin to find the end of a body,
// and there several statements between it and its end are several statements; MySQL takes them as one, as goose does.
func gooseText(d Dialect, file string, first int, text string, preamble bool) (t sqlText, noTransaction bool, problems []*Problem) {
	t = sqlText{dialect: d, file: file, line: first, text: text}
	from, fromLine, began := 0, first, 0
	problem := func(line int, msg, remedy string) {
		problems = append(problems, &Problem{File: file, Line: line, Msg: msg, Remedy: remedy})
	}
	lines(text, func(line string, number, at int) bool {
		number += first - 1
		annotation, ok := gooseAnnotation(line)
		if !ok {
			if trimmed := strings.TrimSpace(line); preamble && trimmed != "" && !strings.HasPrefix(trimmed, "--") {
				problem(number, "text before -- +goose Up", "put -- +goose Up before the first statement")
				preamble = false
			}
			return true
		}
		t.chunks = append(t.chunks, chunk{line: fromLine, text: text[from:at], whole: annotation == "STATEMENTEND" && d == MySQL})
		from, fromLine = at+len(line), number+1
		switch annotation {
		case "UP", "DOWN":
			preamble = false
		case "STATEMENTBEGIN":
			if began > 0 {
				problem(number, fmt.Sprintf("StatementBegin inside that of line %d", began), "end that one first")
			}
			began = number
		case "STATEMENTEND":
			if began == 0 {
				problem(number, "StatementEnd without StatementBegin", "remove it, or begin the statement")
			}
			began = 0
		case "NO TRANSACTION":
			noTransaction = true
		case "ENVSUB ON", "ENVSUB OFF":
			problem(number, "goose ENVSUB is not supported", "write the value into the migration: a set must be the same in every environment")
		default:
			problem(number, fmt.Sprintf("unknown goose annotation %q", annotation), "known are Up, Down, StatementBegin, StatementEnd and NO TRANSACTION, at the start of a line")
		}
		return true
	})
	if began > 0 {
		problem(began, "StatementBegin without StatementEnd", "end the statement with -- +goose StatementEnd")
	}
	t.chunks = append(t.chunks, chunk{line: fromLine, text: text[from:]})
	return t, noTransaction, problems
}

// gooseAnnotation returns what a line says to goose, in upper case. Indented, goose refuses it, so it is returned as unknown.
func gooseAnnotation(line string) (string, bool) {
	text, ok := lineComment(line)
	if !ok {
		return "", false
	}
	rest, ok := hasWords(text, "+goose")
	if !ok {
		return "", false
	}
	annotation := strings.ToUpper(strings.Join(strings.Fields(rest), " "))
	if !strings.HasPrefix(line, "--") {
		annotation = "INDENTED " + annotation
	}
	return annotation, true
}
