package migrations

import (
	"fmt"
	"strings"
)

// parseDbmate reads -- migrate:up and -- migrate:down, each with its options. Only comments may stand before them.
func parseDbmate(l *loader, f source) {
	version, name := l.plainName(f)
	upAt, downAt := -1, len(f.text)
	lines(f.text, func(line string, number, at int) bool {
		text, _ := lineComment(line)
		switch {
		case isMark(text, "migrate:up"):
			if upAt >= 0 {
				l.problem(f.path, number, "a second -- migrate:up", "put each pair into a file of its own")
				return false
			}
			upAt = at
		case isMark(text, "migrate:down"):
			if upAt < 0 {
				l.problem(f.path, number, "-- migrate:down before -- migrate:up", "put the way up first")
				return false
			}
			if downAt < len(f.text) {
				l.problem(f.path, number, "a second -- migrate:down", "keep one")
				return false
			}
			downAt = at
		case upAt < 0 && strings.TrimSpace(line) != "" && !strings.HasPrefix(strings.TrimSpace(line), "--"):
			l.problem(f.path, number, "text before -- migrate:up", "put -- migrate:up before the first statement")
			return false
		}
		return true
	})
	if l.hasProblem(f.path) {
		return
	}
	forward, problems := dbmateText(l.Dialect, f.path, 1, f.text[:downAt])
	l.problems = append(l.problems, problems...)
	back, problems := dbmateText(l.Dialect, f.path, 1+strings.Count(f.text[:downAt], "\n"), f.text[downAt:])
	l.problems = append(l.problems, problems...)
	l.addBoth(f, Migration{Version: version, Name: name, Format: dbmate}, forward, back)
}

func dbmateDown(d Dialect, file, text string) (Script, []*Problem) {
	t, problems := dbmateText(d, file, 1, text)
	script, more := t.parseDown()
	return script, append(problems, more...)
}

// dbmateText reads the options behind the mark of a direction.
func dbmateText(d Dialect, file string, first int, text string) (t sqlText, problems []*Problem) {
	t = sqlText{dialect: d, file: file, line: first, text: text}
	lines(text, func(line string, number, at int) bool {
		comment, _ := lineComment(line)
		options, ok := hasWords(comment, "migrate:up")
		if !ok {
			options, ok = hasWords(comment, "migrate:down")
		}
		if !ok {
			return true
		}
		t.leaveOut(line, number, at)
		for _, option := range strings.Fields(options) {
			switch option {
			case "transaction:false":
				t.noTransaction = true
			case "transaction:true":
			default:
				problems = append(problems, &Problem{File: file, Line: first + number - 1, Msg: fmt.Sprintf("unknown dbmate option %q", option), Remedy: "known is transaction:false"})
			}
		}
		return false
	})
	return t, problems
}
