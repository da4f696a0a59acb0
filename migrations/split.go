package migrations

import (
	"fmt"
	"strings"
)

// Statements splits text into its statements by the dialect's rules. Comments before a statement belong to it; those after the
// last one belong to none. Transaction control is not looked at: Load and ParseDown do that.
func Statements(d Dialect, file, text string) ([]Statement, error) {
	s := splitter{dialect: d, file: file, text: normalise(text), line: 1}
	if err := s.run(); err != nil {
		return nil, err
	}
	return s.statements, nil
}

// headLen is how many tokens of a statement are kept for telling what it is. "SET SESSION x = 1, autocommit = 0" needs ten.
const headLen = 12

// splitter cuts one text into statements, in one pass from left to right. Nothing behind i is ever read again but a
// statement's own text, when it is cut off.
type splitter struct {
	dialect Dialect
	file    string
	text    string
	i       int
	line    int // the line at i
	// ender is what else than a semicolon ends a statement (MySQL's DELIMITER, Liquibase's endDelimiter); "" is none. With
	// onlyEnder a semicolon ends nothing.
	ender     string
	onlyEnder bool
	// whole takes the text as one statement (goose's StatementBegin, Liquibase's splitStatements:false).
	whole bool
	// escapesAlways: PostgreSQL's standard_conforming_strings is off.
	escapesAlways bool

	seen       bool // next read a token
	statements []Statement
	controls   []control
	alone      []control // statements that can't run in a transaction
	head       []comment // the comments before the first statement
	late       []comment // the directives after it
	statement
}

// statement is the state of the statement being read.
type statement struct {
	start  int // where its text starts, comments included
	first  int // where its first token starts; meaningful where began > 0
	began  int // the line of its first token; 0 before it
	semi   int // where its last token starts if that is a semicolon, else 0
	tokens []string
	prev   string // the token before this one; prev2 the one before that
	prev2  string
	depth  int // open parentheses
	opened int // the line of the outermost
	exec   int // MySQL: open /*! comments
	execAt int // the line of the outermost
	grammar
}

func (s *splitter) errorf(line int, remedy, format string, args ...any) *Problem {
	return &Problem{File: s.file, Line: line, Msg: fmt.Sprintf(format, args...), Remedy: remedy}
}

func (s *splitter) run() error {
	switch s.dialect {
	case Postgres, MySQL, SQLite:
	default:
		return s.errorf(0, "its migrations are .js or .json files", "dialect %q has no SQL to split", s.dialect)
	}
	s.tokens = make([]string, 0, headLen)
	for s.i < len(s.text) {
		if p := s.next(); p != nil {
			return p
		}
	}
	if p := s.finish(); p != nil {
		return p
	}
	return nil
}

// next reads one token, comment, blank or terminator.
func (s *splitter) next() *Problem {
	c := s.text[s.i]
	switch {
	case c == '\n':
		s.line++
		s.i++
		return nil
	case isSpace(c):
		s.i++
		return nil
	}
	if s.ender != "" && s.exec == 0 && s.atEnder() {
		s.cut(s.i, s.i+len(s.ender))
		return nil
	}
	if done, p := s.comment(c); done || p != nil {
		return p
	}
	switch {
	case c == ';':
		return s.semicolon()
	case isWordStart(c):
		return s.word()
	case s.quotes(c):
		return s.quoted(c)
	case c == '$' && s.dialect == Postgres:
		return s.dollar()
	case c == '\\':
		return s.backslash()
	case c == '.' && s.dialect == SQLite && s.began == 0 && s.atLineStart():
		return s.errorf(s.line, "remove it; a migration holds SQL only", "%s is a command of the sqlite3 shell, not SQL", s.lineWord())
	}
	s.token(s.text[s.i : s.i+1])
	s.i++
	return nil
}

// token notes a token at i for the grammar, which gets words in lower case and anything quoted as its quote.
func (s *splitter) token(t string) {
	if s.began == 0 {
		s.first, s.began = s.i, s.line
	}
	s.semi, s.seen = 0, true
	if len(s.tokens) < headLen {
		s.tokens = append(s.tokens, t)
	}
	switch t {
	case "(":
		if s.depth == 0 {
			s.opened = s.line
		}
		s.depth++
	case ")":
		s.depth = max(s.depth-1, 0)
	}
	if !s.whole && !s.onlyEnder {
		s.follow(t)
	}
	s.prev2, s.prev = s.prev, t
}

// semicolon ends the statement, unless it stands in a body.
func (s *splitter) semicolon() *Problem {
	at := s.i
	if s.whole || s.onlyEnder || s.inside() {
		s.token(";")
		s.semi = at
		s.i++
		return nil
	}
	copies := s.copies
	s.cut(at, at+1)
	if copies {
		return s.copyData()
	}
	return nil
}

// cut ends the statement before end, and goes on at next.
func (s *splitter) cut(end, next int) {
	if s.began > 0 {
		// A semicolon before another terminator is one too many for most servers.
		if s.semi > 0 {
			end = s.semi
		}
		// Not TrimSpace: to a server, blanks beyond ASCII are parts of names.
		if sql := strings.Trim(s.text[s.start:end], " \t\n\v\f\r"); s.first < end {
			s.statements = append(s.statements, Statement{SQL: sql, Line: s.began})
			s.noteControl()
			s.noteSetting()
		}
	}
	s.i = next
	s.reset()
}

// noteSetting follows SET standard_conforming_strings, which pg_dump writes, and which changes what a backslash means.
func (s *splitter) noteSetting() {
	if s.dialect != Postgres || len(s.tokens) < 4 || s.tokens[0] != "set" {
		return
	}
	for i, t := range s.tokens[1 : len(s.tokens)-2] {
		if t == "standard_conforming_strings" {
			s.escapesAlways = s.tokens[i+3] == "off"
		}
	}
}

// reset starts a statement at i.
func (s *splitter) reset() {
	s.statement = statement{start: s.i, tokens: s.tokens[:0]}
}

// finish takes what the text ends with as a statement, and refuses what is still open.
func (s *splitter) finish() *Problem {
	if s.exec > 0 {
		return s.errorf(s.execAt, "close it with */", "comment is never closed")
	}
	if s.began == 0 {
		return nil
	}
	if s.copies {
		return s.errorf(s.began, `end the statement with a semicolon and the data with a line \.`, "COPY ... FROM stdin without its data")
	}
	if !s.whole && !s.onlyEnder {
		if p := s.unclosed(); p != nil {
			return p
		}
	}
	s.cut(len(s.text), len(s.text))
	return nil
}

// copyData reads the lines after COPY ... FROM stdin; into the statement, up to the line \. that closes them.
func (s *splitter) copyData() *Problem {
	statement := &s.statements[len(s.statements)-1]
	eol := strings.IndexByte(s.text[s.i:], '\n')
	if eol >= 0 && strings.TrimSpace(s.text[s.i:s.i+eol]) != "" {
		return s.errorf(s.line, "start the data on the next line", "text after COPY ... FROM stdin;")
	}
	for at := s.i + eol + 1; eol >= 0 && at < len(s.text); {
		end := strings.IndexByte(s.text[at:], '\n')
		next := at + end + 1
		if end < 0 {
			end, next = len(s.text)-at, len(s.text)
		}
		if s.text[at:at+end] == `\.` {
			data := s.text[s.i+eol+1 : at]
			statement.Copy = []byte(data)
			s.line += strings.Count(s.text[s.i:next], "\n")
			s.i = next
			s.reset()
			return nil
		}
		at = next
	}
	return s.errorf(statement.Line, `close it with a line that holds only \.`, "the data of COPY ... FROM stdin is never closed")
}
