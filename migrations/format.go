package migrations

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// format is one way to write migrations.
type format struct {
	name string
	// parse adds what a file holds to the set.
	parse func(*loader, source)
	// parseDown reads the text of a way back that some release stored.
	parseDown func(d Dialect, file, text string) (Script, []*Problem)
}

// The formats' names, as they are recorded.
const (
	native       = "native"
	goose        = "goose"
	dbmate       = "dbmate"
	tern         = "tern"
	flyway       = "flyway"
	liquibase    = "liquibase"
	upDown       = "up-down comments"
	migrateMongo = "migrate-mongo"
)

// formatNamed returns the format with that name, or nil.
func formatNamed(name string) *format {
	switch name {
	case native:
		return &format{native, parseNative, nativeDown}
	case goose:
		return &format{goose, parseGoose, gooseDown}
	case dbmate:
		return &format{dbmate, parseDbmate, dbmateDown}
	case tern:
		return &format{tern, parseTern, plainDown}
	case flyway:
		return &format{flyway, parseFlyway, plainDown}
	case liquibase:
		return &format{liquibase, parseLiquibase, liquibaseDown}
	case upDown:
		return &format{upDown, parseUpDown, upDownDown}
	case migrateMongo:
		return &format{migrateMongo, parseMigrateMongo, scriptDown}
	}
	return nil
}

// ParseDown reads the text of a way back that some release stored in the history, with its directives, so that a release that
// does not ship the migration can roll it back. Lines count within text.
func ParseDown(formatName string, d Dialect, file, text string) (Script, error) {
	f := formatNamed(formatName)
	if f == nil {
		return Script{}, &Problem{File: file, Msg: fmt.Sprintf("its format %q is unknown", formatName), Remedy: "roll it back with the release that applied it, or a newer one"}
	}
	script, problems := f.parseDown(d, file, normalise(text))
	if len(problems) > 0 {
		return Script{}, joinProblems(problems)
	}
	return script, nil
}

// plainDown reads a way back that is SQL and directives only.
func plainDown(d Dialect, file, text string) (Script, []*Problem) {
	return sqlText{dialect: d, file: file, line: 1, text: text}.parseDown()
}

// parseDown is parse for a way back that must not be empty.
func (t sqlText) parseDown() (Script, []*Problem) {
	script, _, problems := t.parse()
	if len(problems) == 0 && len(script.Statements) == 0 {
		problems = append(problems, &Problem{File: t.file, Msg: "holds no statement to roll back with", Remedy: "roll it back by hand"})
	}
	return script, problems
}

// leaveOut keeps a line with a mark out of what is split: written without a blank it is no comment to MySQL.
func (t *sqlText) leaveOut(line string, number, at int) {
	t.chunks = []chunk{{line: t.line, text: t.text[:at]}, {line: t.line + number, text: t.text[at+len(line):]}}
}

// addBoth takes a migration whose two directions stand in one file. A way back without a statement is none.
func (l *loader) addBoth(f source, m Migration, forward, back sqlText) {
	script, d, problems := forward.parse()
	l.problems = append(l.problems, problems...)
	// Blank lines between the directions are no part of the change: a way back added later must not change the checksum.
	script.Text = strings.TrimRight(script.Text, " \t\n")
	m.Up = script
	if back.text != "" {
		script, backD, problems := back.parse()
		l.problems = append(l.problems, problems...)
		l.checkDown(f.path, backD)
		if len(script.Statements) > 0 {
			l.carry(m.Format, &script)
			m.Down = &script
		}
	}
	l.addUp(up{Migration: m, source: f}, d)
}

// carry has the text of a way back say no-transaction itself where only its file said so: the history keeps nothing else.
func (l *loader) carry(format string, s *Script) {
	if !s.NoTransaction {
		return
	}
	if again, _ := formatNamed(format).parseDown(l.Dialect, s.File, s.Text); !again.NoTransaction {
		s.Text = "-- schemagate: no-transaction\n" + s.Text
	}
}

// plainName reads the version and the name off a file that gives no direction: 0001_name.sql.
func (l *loader) plainName(f source) (version, name string) {
	base := strings.TrimSuffix(f.base(), ".sql")
	version, name = cutDigits(base)
	if version == "" {
		l.problem(f.path, 0, "has no version", "start its name with a number, like 0001_name.sql")
	}
	return version, strings.TrimLeft(name, "_-.")
}

// lines calls yield with each line, its number and where it starts, until yield returns false. A line ends with its break.
func lines(text string, yield func(line string, number, at int) bool) {
	for at, number := 0, 1; at < len(text); number++ {
		end := len(text)
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if !yield(text[at:end], number, at) {
			return
		}
		at = end
	}
}

// lineComment returns what follows the dashes of a line that is a comment, without blanks around it.
func lineComment(line string) (string, bool) {
	line = strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(line, "--") {
		return "", false
	}
	return strings.TrimSpace(line[2:]), true
}

// hasWords reports whether text starts with these words in any case, with blanks between them or around their colons, and
// returns what follows.
func hasWords(text string, words ...string) (rest string, ok bool) {
	for i, word := range words {
		if i > 0 {
			trimmed := strings.TrimLeft(text, " \t")
			if trimmed == text {
				return "", false
			}
			text = trimmed
		}
		if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
			return "", false
		}
		text = text[len(word):]
	}
	return text, text == "" || strings.IndexByte(" \t\r\n", text[0]) >= 0
}

// checksum is SHA-256 over a normalised text.
func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// cutDigits splits the digits off the front of a name.
func cutDigits(name string) (digits, rest string) {
	i := 0
	for i < len(name) && isDigit(name[i]) {
		i++
	}
	return name[:i], name[i:]
}
