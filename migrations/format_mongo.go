package migrations

import (
	"path"
	"strings"
)

// scriptName reads migrate-mongo's 20240101120000-name.js.
func scriptName(base string) (version, name string) {
	version, name = cutDigits(strings.TrimSuffix(base, path.Ext(base)))
	return version, strings.TrimLeft(name, "-_")
}

// parseMigrateMongo takes a script without running it: both directions' text is the whole file, and whether there is a way back
// is decided by the word down in its code: outside of comments and strings, in at most one pair of brackets (those of
// module.exports = {...}, export {...} or a class), and as a member of nothing but exports.
func parseMigrateMongo(l *loader, f source) {
	version, name := scriptName(f.base())
	if l.Dialect != MongoDB {
		l.problem(f.path, 0, "is a script for MongoDB in a set for "+string(l.Dialect), "move it out of the folder, or check the database URL; what an ORM migrates is run with SCHEMAGATE_COMMAND")
		return
	}
	script, d, problems := parseScript(f.path, f.text)
	l.problems = append(l.problems, problems...)
	names := scriptNames(f.text)
	switch {
	case script.Backfill != nil && !names.batch:
		l.problem(f.path, script.Backfill.Line, "a backfill has no function batch", "export async batch(docs, db)")
	case script.Backfill == nil && !names.up:
		l.problem(f.path, 0, "has no function up", "export async up(db, client)")
	}
	m := Migration{Version: version, Name: name, Format: migrateMongo, Up: script}
	if names.down {
		down := script
		down.Backfill = nil
		m.Down = &down
	}
	l.addUp(up{Migration: m, source: f}, d)
}

func scriptDown(_ Dialect, file, text string) (Script, []*Problem) {
	script, _, problems := parseScript(file, text)
	return script, problems
}

// parseScript reads the directives in the comments at the head of a script.
func parseScript(file, text string) (Script, directives, []*Problem) {
	s := scriptScanner{text: text, line: 1}
	var head, late []comment
	code := false
	for s.next() {
		switch {
		case s.token == ";" || strings.Trim(s.token, `'"`) == "use strict":
			// "use strict" has to come before everything, too
		case s.kind != scriptComment:
			code = true
		case code:
			late = append(late, s.comments()...)
		default:
			head = append(head, s.comments()...)
		}
	}
	d, problems := parseDirectives(file, head)
	for _, c := range late {
		if _, ok := c.directive(); ok {
			problems = append(problems, lateDirective(file, c.line))
		}
	}
	script := d.script
	script.File, script.Text, script.Language = file, text, "js"
	return script, d, problems
}

// exported are the functions that a script seems to have.
type exported struct{ up, down, batch bool }

func scriptNames(text string) (names exported) {
	s := scriptScanner{text: text, line: 1}
	var member, ofExports bool
	last := ""
	for s.next() {
		switch {
		case s.kind == scriptComment:
			continue
		case s.kind == scriptWord && len(s.open) < 2 && (!member || ofExports):
			names.up = names.up || s.token == "up"
			names.down = names.down || s.token == "down"
			names.batch = names.batch || s.token == "batch"
		}
		member = s.token == "."
		ofExports = member && last == "exports"
		last = s.token
	}
	return names
}

// The tokens that matter of a script.
const (
	scriptOther byte = iota
	scriptWord
	scriptComment
)

// scriptScanner finds words and comments in JavaScript and TypeScript. It knows strings and templates, but takes no care of
// regular expressions: a quote inside one hides at most the rest of its line.
type scriptScanner struct {
	text  string
	i     int
	line  int // of the token
	kind  byte
	token string
	lines int // in the token
	// open are the open brackets, as indexes of brackets, and pending how many there are of each kind.
	open    []int
	pending [len(brackets) / 2]int
}

const brackets = "([{)]}"

func (s *scriptScanner) next() bool {
	s.line += s.lines
	for s.i < len(s.text) && isSpace(s.text[s.i]) {
		if s.text[s.i] == '\n' {
			s.line++
		}
		s.i++
	}
	if s.i == len(s.text) {
		return false
	}
	rest := s.text[s.i:]
	n := 1
	s.kind = scriptOther
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "//"):
		s.kind, n = scriptComment, len(rest)
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			n = end
		}
	case strings.HasPrefix(rest, "/*"):
		s.kind, n = scriptComment, len(rest)
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			n = end + 4
		}
	case c == '\'' || c == '"':
		n = scriptString(rest, string(c)+"\n")
	case c == '`':
		n = scriptString(rest, "`")
	case c == '\\':
		n = min(2, len(rest)) // in a regular expression
	case strings.IndexByte(brackets, c) >= 0:
		s.bracket(strings.IndexByte(brackets, c))
	case isWordStart(c) || c == '$':
		s.kind = scriptWord
		for n < len(rest) && (isWordStart(rest[n]) || rest[n] == '$') {
			n++
		}
	}
	s.token = rest[:n]
	s.lines = strings.Count(s.token, "\n")
	s.i += n
	return true
}

// bracket opens a pair, or closes the last one of its kind: what is open inside of that was no bracket but a character in a
// regular expression.
func (s *scriptScanner) bracket(kind int) {
	if kind < len(s.pending) {
		s.open = append(s.open, kind)
		s.pending[kind]++
		return
	}
	kind -= len(s.pending)
	for s.pending[kind] > 0 {
		last := s.open[len(s.open)-1]
		s.open = s.open[:len(s.open)-1]
		s.pending[last]--
		if last == kind {
			return
		}
	}
}

// scriptString returns the length of a string that ends at one of the characters of stops.
func scriptString(text, stops string) int {
	for i := 1; i < len(text); {
		n := strings.IndexAny(text[i:], stops+`\`)
		if n < 0 {
			break
		}
		i += n + 1
		if text[i-1] != '\\' {
			return i
		}
		i++
	}
	return len(text)
}

// comments are the lines of a comment token.
func (s *scriptScanner) comments() []comment {
	text := s.token[2:]
	if s.token[1] == '*' {
		text = strings.TrimSuffix(text, "*/")
	}
	var cs []comment
	for i, line := range strings.Split(text, "\n") {
		cs = append(cs, comment{line: s.line + i, text: line})
	}
	return cs
}
