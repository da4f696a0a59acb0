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

// formatNamed returns the format with that name, or nil.
func formatNamed(name string) *format {
	switch name {
	case "native":
		return &format{"native", parseNative, plainDown}
	}
	return nil
}

// recognise tells a file's format, and notes a problem where that is none or more than one.
func (l *loader) recognise(f source) *format {
	names := recogniseSQL(f)
	switch len(names) {
	case 0:
		l.problem(f.path, 0, "is not named like a migration of any known format", "name it like 0001_name.up.sql, or move it out of the folder")
		return nil
	case 1:
		return formatNamed(names[0])
	}
	l.problem(f.path, 0, "looks like "+strings.Join(names, " and like "), "keep the marks of one format")
	return nil
}

func recogniseSQL(f source) []string {
	if _, ok := nativeName(f.base()); ok {
		return []string{"native"}
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
	if len(problems) == 0 && script.Language == "sql" && len(script.Statements) == 0 {
		problems = append(problems, &Problem{File: file, Msg: "holds no statement to roll back with", Remedy: "roll it back by hand"})
	}
	if len(problems) > 0 {
		return Script{}, joinProblems(problems)
	}
	return script, nil
}

// plainDown reads a way back that is SQL and directives only.
func plainDown(d Dialect, file, text string) (Script, []*Problem) {
	script, _, problems := sqlText{dialect: d, file: file, line: 1, text: text}.parse()
	return script, problems
}

// carry returns the script with a text that says no-transaction itself, where it was said elsewhere: the history keeps the text
// of a way back and nothing else.
func carry(s Script) Script {
	s.Text = "-- schemagate: no-transaction\n" + s.Text
	return s
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
