package migrations

import "strings"

const (
	ternMark          = "---- create above / drop below ----"
	ternNoTransaction = "---- tern: disable-tx ----"
)

// parseTern reads a file whose ways up and back are divided by a magic comment. Without it, there is no way back.
func parseTern(l *loader, f source) {
	version, name := l.plainName(f)
	if at := strings.Index(f.text, "{{"); at >= 0 {
		l.problem(f.path, 1+strings.Count(f.text[:at], "\n"), "tern templates are not supported", "write what the template expands to")
		return
	}
	above, below, _ := strings.Cut(f.text, ternMark)
	noTransaction := false
	lines(f.text, func(line string, _, _ int) bool {
		noTransaction = noTransaction || strings.TrimRight(line, "\n") == ternNoTransaction
		return true
	})
	text := sqlText{dialect: l.Dialect, file: f.path, line: 1, text: above, noTransaction: noTransaction}
	back := text
	back.line, back.text = 1+strings.Count(above, "\n"), below
	l.addBoth(f, Migration{Version: version, Name: name, Format: tern}, text, back)
}
