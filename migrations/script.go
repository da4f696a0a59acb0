package migrations

import "strings"

// sqlText is the text of one direction, before it is split.
type sqlText struct {
	dialect Dialect
	file    string
	line    int // of its first line in the file
	text    string
	// chunks are split each by its own rules; nil is the text as one chunk.
	chunks        []chunk
	noTransaction bool // as its format says
}

// chunk is a part of a text with its own rules for splitting.
type chunk struct {
	line      int
	text      string
	ender     string
	onlyEnder bool
	whole     bool
}

// parse splits the text, and reads its directives.
func (t sqlText) parse() (Script, directives, []*Problem) {
	chunks := t.chunks
	if chunks == nil {
		chunks = []chunk{{line: t.line, text: t.text}}
	}
	var (
		statements []Statement
		controls   []control
		alone      []control
		head       []comment
		ignores    []Ignore
		problems   []*Problem
	)
	for _, c := range chunks {
		s := splitter{dialect: t.dialect, file: t.file, text: c.text, line: c.line, ender: c.ender, onlyEnder: c.onlyEnder, whole: c.whole}
		if err := s.run(); err != nil {
			problems = append(problems, Problems(err)...)
		}
		if len(statements) == 0 {
			head = append(head, s.head...)
		} else {
			s.late = append(s.head, s.late...)
		}
		for _, c := range s.late {
			text, ok := c.directive()
			switch {
			case ok && isIgnore(text):
				i, ps := lateIgnore(t.file, c, s.statements)
				ignores, problems = append(ignores, i), append(problems, ps...)
			case ok:
				problems = append(problems, lateDirective(t.file, c.line))
			}
		}
		for _, c := range s.controls {
			c.index += len(statements)
			controls = append(controls, c)
		}
		alone = append(alone, s.alone...)
		statements = append(statements, s.statements...)
	}
	d, ps := parseDirectives(t.file, head)
	problems = append(problems, ps...)
	script := d.script
	script.File, script.Text, script.Language = t.file, t.text, "sql"
	script.NoTransaction = script.NoTransaction || t.noTransaction
	script.Statements = statements
	script.Ignores = append(script.Ignores, ignores...)
	if !script.NoTransaction {
		script.NoTransaction, ps = outside(t.file, len(statements), alone)
		problems = append(problems, ps...)
	}
	if len(problems) == 0 {
		script.Statements, problems = unwrap(t.file, statements, controls, script.NoTransaction)
	}
	return script, d, problems
}

// normalise removes the byte order mark and folds CRLF, so that no editor changes what a file is.
func normalise(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.Contains(text, "\r\n") {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	return text
}

func lateDirective(file string, line int) *Problem {
	return &Problem{File: file, Line: line, Msg: "schemagate: directive after the first statement", Remedy: "move it to the head, before any statement"}
}
