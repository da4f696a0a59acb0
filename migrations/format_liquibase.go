package migrations

import (
	"fmt"
	"strings"
)

// isLiquibase recognises the first line of a formatted SQL changelog.
func isLiquibase(comment string) bool {
	_, ok := hasWords(comment, "liquibase", "formatted", "sql")
	return ok
}

// changeset is one changeset while it is read. Its version is Liquibase's own identity: path::id::author, where the path is the
// logicalFilePath or that inside the folder. The set's order is that of the files and of the changesets in them.
type changeset struct {
	line       int
	id, author string
	attributes
	up   []string // its lines without those of the rollback
	back []string // its lines of the rollback, as they stand
	// upSQL and backSQL are what is split: a line for each line of the file, those empty that are not of this direction.
	upSQL, backSQL []string
	noRollback     bool // the author says that nothing has to be undone
}

// parseLiquibase reads a changelog: one migration per changeset.
func parseLiquibase(l *loader, f source) {
	l.ordered = true
	p := liquibaseParser{file: f.path, path: f.path}
	lines(f.text, func(line string, number, _ int) bool {
		p.read(strings.TrimSuffix(line, "\n"), number)
		return true
	})
	p.end()
	l.problems = append(l.problems, p.problems...)
	for _, c := range p.changesets {
		if !c.applies(l.Dialect) {
			continue
		}
		logical := p.path
		if c.logicalPath != "" {
			logical = c.logicalPath
		}
		version := logical + "::" + c.id + "::" + c.author
		script, d, problems := c.upText(l.Dialect, f.path).parse()
		l.problems = append(l.problems, problems...)
		m := Migration{Version: version, Format: liquibase, Up: script, Repeatable: c.runOnChange}
		if len(c.back) > 0 {
			down, backD, problems := c.backText(l.Dialect, f.path).parse()
			l.problems = append(l.problems, problems...)
			l.checkDown(f.path, backD)
			if len(down.Statements) > 0 || c.noRollback {
				m.Down = &down
			}
		}
		if i, dup := l.seen[version]; dup {
			l.problem(f.path, c.line, fmt.Sprintf("changeset %s is also in %s:%d", version, l.ups[i].path, l.ups[i].line), "give one of them another id")
		}
		l.seen[version] = len(l.ups)
		l.addUp(up{Migration: m, source: f, line: c.line}, d)
	}
}

// liquibaseDown reads a stored way back: the changeset's line, for its attributes, and its rollback lines.
func liquibaseDown(d Dialect, file, text string) (Script, []*Problem) {
	p := liquibaseParser{file: file, path: file}
	lines(text, func(line string, number, _ int) bool {
		p.read(strings.TrimSuffix(line, "\n"), number)
		return true
	})
	p.end()
	if len(p.changesets) != 1 {
		return Script{}, append(p.problems, &Problem{File: file, Msg: fmt.Sprintf("holds %d changesets to roll back, not one", len(p.changesets)), Remedy: "roll it back by hand"})
	}
	c := p.changesets[0]
	back := c.backText(d, file)
	back.text = text
	if c.noRollback {
		script, _, problems := back.parse()
		return script, append(p.problems, problems...)
	}
	script, problems := back.parseDown()
	return script, append(p.problems, problems...)
}

// upText is the way up. A changeset's text ends with its last line that is not blank: one added behind must not change it.
func (c *changeset) upText(d Dialect, file string) sqlText {
	t := sqlText{dialect: d, file: file, line: c.line, noTransaction: c.noTransaction}
	t.text = strings.TrimRight(strings.Join(c.up, "\n"), " \t\n")
	t.chunks = []chunk{c.chunk(d, c.upSQL, c.endDelimiter, c.oneStatement)}
	return t
}

func (c *changeset) backText(d Dialect, file string) sqlText {
	t := sqlText{dialect: d, file: file, line: c.line, noTransaction: c.noTransaction}
	t.text = c.up[0] + "\n" + strings.Join(c.back, "\n") + "\n"
	t.chunks = []chunk{c.chunk(d, c.backSQL, c.rollbackDelimiter, c.oneRollback)}
	return t
}

// chunk applies the attributes for splitting. PostgreSQL's and SQLite's bodies are found without their help, so there they are
// one more terminator at most.
func (c *changeset) chunk(d Dialect, sql []string, delimiter string, whole bool) chunk {
	if delimiter == ";" {
		delimiter = ""
	}
	return chunk{line: c.line, text: strings.Join(sql, "\n") + "\n", ender: delimiter, onlyEnder: d == MySQL && delimiter != "", whole: d == MySQL && whole && delimiter == ""}
}

type liquibaseParser struct {
	file, path string
	changesets []*changeset
	current    *changeset
	inRollback int // the line of the open /* liquibase rollback
	problems   []*Problem
}

func (p *liquibaseParser) problem(line int, msg, remedy string) {
	p.problems = append(p.problems, &Problem{File: p.file, Line: line, Msg: msg, Remedy: remedy})
}

// refusedLines change what or whether a changeset runs, in ways that can't be kept here.
var refusedLines = [...]struct{ word, remedy string }{
	{"preconditions", "write the condition into the SQL, or drop it: what was applied is in the history"},
	{"precondition-", "write the condition into the SQL, or drop it: what was applied is in the history"},
	{"property ", "write the value into the SQL"},
	{"ignoreLines:", "remove the lines"},
}

// read takes one line.
func (p *liquibaseParser) read(line string, number int) {
	if p.inRollback > 0 {
		p.multiLineRollback(line)
		return
	}
	text, isComment := lineComment(line)
	switch attributes, ok := hasWords(text, "changeset"); {
	case isComment && isLiquibase(text):
		p.header(text, number)
		return
	case isComment && ok:
		p.begin(line, attributes, number)
		return
	}
	c := p.current
	refused := isComment && p.refuse(text, number)
	if c == nil {
		if strings.TrimSpace(line) != "" && !isComment {
			p.problem(number, "text outside of a changeset", "put it behind a --changeset author:id line")
		}
		return
	}
	sql, back := "", ""
	rollback, isRollback := hasWords(text, "rollback")
	switch {
	case refused:
	case isComment && isRollback:
		back = p.rollback(strings.TrimSpace(rollback), number)
		c.back = append(c.back, line)
	case isRollbackComment(line):
		p.inRollback = number
		c.back = append(c.back, line)
	case isComment:
		dashes, _, _ := strings.Cut(line, "--")
		sql = dashes + "-- " + strings.TrimPrefix(line[len(dashes)+2:], " ") // MySQL wants a blank there
		c.up = append(c.up, line)
	default:
		sql = line
		c.up = append(c.up, line)
	}
	c.upSQL, c.backSQL = append(c.upSQL, sql), append(c.backSQL, back)
}

// refuse notes a line of refusedLines.
func (p *liquibaseParser) refuse(text string, number int) bool {
	for _, r := range refusedLines {
		if len(text) >= len(r.word) && strings.EqualFold(text[:len(r.word)], r.word) {
			p.problem(number, "Liquibase "+strings.TrimRight(r.word, "-: ")+" is not supported", r.remedy)
			return true
		}
	}
	return false
}

// header reads what may stand on the first line beside the mark.
func (p *liquibaseParser) header(text string, number int) {
	rest, _ := hasWords(text, "liquibase", "formatted", "sql")
	a, problems := parseAttributes(p.file, number, rest)
	p.problems = append(p.problems, problems...)
	if a.logicalPath != "" {
		p.path = a.logicalPath
	}
}

// begin starts a changeset: author:id and its attributes.
func (p *liquibaseParser) begin(line, text string, number int) {
	p.end()
	c := &changeset{line: number, up: []string{line}, upSQL: []string{""}, backSQL: []string{""}}
	author, rest, okAuthor := cutName(strings.TrimSpace(text), ':')
	id, rest, _ := cutName(rest, ' ')
	c.author, c.id = author, id
	if !okAuthor || author == "" || strings.Trim(id, ": ") == "" {
		p.problem(number, "a changeset without author and id", "write --changeset author:id, with quotes around a name that holds blanks")
	}
	var problems []*Problem
	c.attributes, problems = parseAttributes(p.file, number, rest)
	p.problems = append(p.problems, problems...)
	p.current = c
}

// cutName takes a name, in double quotes or not, off the front of text, up to the separator.
func cutName(text string, separator byte) (name, rest string, ok bool) {
	if quoted, isQuoted := strings.CutPrefix(text, `"`); isQuoted {
		name, rest, ok = strings.Cut(quoted, `"`)
		return name, strings.TrimPrefix(rest, string(separator)), ok
	}
	if separator == ' ' {
		name, rest, ok = cutSpace(text)
		return name, rest, ok
	}
	return strings.Cut(text, string(separator))
}

// end closes the changeset being read.
func (p *liquibaseParser) end() {
	if p.inRollback > 0 {
		p.problem(p.inRollback, "/* liquibase rollback is never closed", "close it with */ at the end of a line")
		p.inRollback = 0
	}
	if p.current != nil {
		p.changesets = append(p.changesets, p.current)
	}
	p.current = nil
}

// rollback reads what follows --rollback, and returns the SQL of it.
func (p *liquibaseParser) rollback(text string, number int) string {
	switch {
	case strings.EqualFold(text, "empty"), strings.EqualFold(strings.TrimSuffix(text, ";"), "not required"):
		p.current.noRollback = true
		return ""
	case strings.Contains(strings.ToLower(text), "changesetid:"):
		p.problem(number, "a rollback that names another changeset is not supported", "write its SQL here")
		return ""
	}
	return text
}

// isRollbackComment recognises the line that opens a rollback of several lines.
func isRollbackComment(line string) bool {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "/*")
	rest, isRollback := hasWords(strings.TrimSpace(text), "liquibase", "rollback")
	return ok && isRollback && strings.TrimSpace(rest) == ""
}

func (p *liquibaseParser) multiLineRollback(line string) {
	c := p.current
	sql, closed := strings.CutSuffix(strings.TrimRight(line, " \t"), "*/")
	if closed {
		p.inRollback = 0
	}
	c.back = append(c.back, line)
	c.upSQL, c.backSQL = append(c.upSQL, ""), append(c.backSQL, sql)
}
