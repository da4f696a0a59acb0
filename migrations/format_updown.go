package migrations

import "strings"

// upDownMark recognises -- UP migration and -- DOWN migration, in any case and with dashes or blanks before, and the bare -- Up
// and -- Down.
func upDownMark(comment string) (up, down bool) {
	comment = strings.TrimLeft(comment, "- \t")
	_, up = hasWords(comment, "up", "migration")
	_, down = hasWords(comment, "down", "migration")
	bare := strings.TrimRight(comment, "-: \t")
	return up || strings.EqualFold(bare, "up"), down || strings.EqualFold(bare, "down")
}

// parseUpDown reads a file in two parts, each under its comment. A file without the comments is a way up.
func parseUpDown(l *loader, f source) {
	version, name := l.plainName(f)
	upAt, downAt := -1, len(f.text)
	lines(f.text, func(line string, number, at int) bool {
		text, ok := lineComment(line)
		up, down := upDownMark(text)
		switch {
		case !ok:
			if upAt < 0 && strings.TrimSpace(line) != "" {
				upAt = at // whatever mark follows comes too late
			}
		case up && upAt >= 0:
			l.problem(f.path, number, "-- UP after the first statement", "put one -- UP migration before the way up")
			return false
		case up:
			upAt = at
		case down && upAt < 0:
			l.problem(f.path, number, "-- DOWN before -- UP", "put the way up first")
			return false
		case down && downAt < len(f.text):
			l.problem(f.path, number, "a second -- DOWN", "keep one")
			return false
		case down:
			downAt = at
		}
		return true
	})
	if l.hasProblem(f.path) {
		return
	}
	forward := upDownText(l.Dialect, f.path, 1, f.text[:downAt])
	back := upDownText(l.Dialect, f.path, 1+strings.Count(f.text[:downAt], "\n"), f.text[downAt:])
	l.addBoth(f, Migration{Version: version, Name: name, Format: upDown}, forward, back)
}

func upDownDown(d Dialect, file, text string) (Script, []*Problem) {
	return upDownText(d, file, 1, text).parseDown()
}

// upDownText leaves the mark out of what is split.
func upDownText(d Dialect, file string, first int, text string) sqlText {
	t := sqlText{dialect: d, file: file, line: first, text: text}
	lines(text, func(line string, number, at int) bool {
		comment, ok := lineComment(line)
		if up, down := upDownMark(comment); ok && (up || down) {
			t.leaveOut(line, number, at)
			return false
		}
		return true
	})
	return t
}
