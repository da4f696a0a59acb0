package migrations

import (
	"path"
	"slices"
	"strings"
)

// recognised is what a file looks like.
type recognised struct {
	source
	format string
	// plain: its name gives no direction and it holds no mark, so that it also fits a format whose marks may be left out.
	plain bool
}

// recognise tells a file's format, and notes a problem where that is none, more than one, or one that can't be run.
func (l *loader) recognise(f source) (recognised, bool) {
	var names []string
	switch strings.ToLower(path.Ext(f.path)) {
	case ".sql":
		names = l.recogniseSQL(f)
	case ".json":
		if _, ok := nativeName(f.base()); ok {
			names = []string{native}
		}
	case ".js", ".mjs", ".cjs", ".ts":
		if version, _ := scriptName(f.base()); version != "" {
			names = []string{migrateMongo}
		}
	}
	switch len(names) {
	case 0:
		if !l.hasProblem(f.path) {
			l.problem(f.path, 0, "is not named like a migration of any known format", "name it like 0001_name.up"+path.Ext(f.path)+", or move it out of the folder")
		}
		return recognised{}, false
	case 1:
		n, ok := nativeName(f.base())
		return recognised{f, names[0], names[0] == native && ok && n.both}, true
	}
	l.problem(f.path, 0, "looks like "+strings.Join(names, " and like "), "keep the marks of one format")
	return recognised{}, false
}

// recogniseSQL goes by a file's marks, and by its name where it has none.
func (l *loader) recogniseSQL(f source) []string {
	marks, refused := marksIn(f)
	if refused != nil {
		l.problems = append(l.problems, refused)
		return nil
	}
	n, named := nativeName(f.base())
	_, isFlyway := flywayName(f.base())
	switch {
	case isFlyway:
		return append(marks.formats, flyway)
	case named && !n.both:
		// -- UP over 0001_name.up.sql says nothing new; -- DOWN in there does.
		if marks.down && !n.down || marks.up && n.down {
			return append(marks.formats, native)
		}
		marks.formats = slices.DeleteFunc(marks.formats, func(name string) bool { return name == upDown })
		return append(marks.formats, native)
	case len(marks.formats) > 0:
		return marks.formats
	case named:
		return []string{native}
	}
	if callback := strings.TrimSuffix(f.base(), ".sql"); isFlywayCallback(callback) {
		l.problem(f.path, 0, "is a Flyway callback, which is not run", "call it from SCHEMAGATE_BEFORE or SCHEMAGATE_AFTER, and move it out of the folder")
	}
	return nil
}

// marks are the formats that a file's comments name.
type marks struct {
	formats  []string
	up, down bool // of the UP and DOWN comments
}

func (m *marks) add(format string) {
	if !slices.Contains(m.formats, format) {
		m.formats = append(m.formats, format)
	}
}

// marksIn looks at the lines of a file that are comments. Formats that are known but can't be run are refused by name: their
// files would else run both ways one after the other.
func marksIn(f source) (found marks, refused *Problem) {
	lines(f.text, func(line string, number, _ int) bool {
		text, ok := lineComment(line)
		if !ok || text == "" {
			return true
		}
		up, down := upDownMark(text)
		switch {
		case up, down:
			found.up, found.down = found.up || up, found.down || down
			found.add(upDown)
		case isMark(text, "+goose"):
			found.add(goose)
		case isMark(text, "migrate:up"), isMark(text, "migrate:down"):
			found.add(dbmate)
		case strings.Contains(line, ternMark), strings.TrimRight(line, "\n") == ternNoTransaction:
			found.add(tern)
		case isLiquibase(text):
			found.add(liquibase)
		}
		if tool := foreignMark(text); tool != "" {
			refused = &Problem{File: f.path, Line: number, Msg: "is a migration for " + tool + ", which is not known here", Remedy: "split it into 0001_name.up.sql and 0001_name.down.sql"}
		}
		return refused == nil
	})
	return found, refused
}

// foreignMark names the tool that a comment divides a file for, where that tool's files can't be run.
func foreignMark(text string) string {
	switch {
	case isMark(text, "+migrate"):
		return "sql-migrate"
	case isMark(text, "rambler"):
		return "Rambler"
	case isMark(text, "//@undo"):
		return "MyBatis Migrations"
	}
	return ""
}

// isMark reports whether a comment starts with the mark as a word of its own.
func isMark(text, mark string) bool {
	_, ok := hasWords(text, mark)
	return ok
}

// maybeMigration reports whether a file must be understood. Others, like a README or a Go file that embeds the folder, may lie
// there; so may files that no migration of this dialect can be, unless their name claims to be one.
func (l *loader) maybeMigration(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	numbered, _ := cutDigits(name)
	switch ext {
	case ".sql":
		return true
	case ".js", ".mjs", ".cjs", ".ts":
		if strings.HasSuffix(name, ".d.ts") || strings.HasPrefix(name, "sample-migration.") {
			return false
		}
		return l.Dialect == MongoDB || numbered != ""
	case ".json":
		_, ok := nativeName(name)
		return ok
	}
	return false
}

// refuse notes a file that another tool would run, and that can't be run here. It reads only files that may be such.
func (l *loader) refuse(name string) {
	ext := path.Ext(name)
	switch ext {
	case ".xml", ".yaml", ".yml", ".json":
		l.refuseText(name, "databaseChangeLog", "is a Liquibase changelog in "+ext[1:]+", which is not read", "write its changesets as formatted SQL")
	case ".go":
		if version, _ := cutDigits(name); version != "" && !strings.HasSuffix(name, "_test.go") {
			l.refuseText(name, "goose.Add", "is a goose migration in Go, which can't be run here", "write it in SQL, or run goose with SCHEMAGATE_COMMAND")
		}
	case ".java", ".kt", ".class", ".groovy", ".py", ".sh", ".ps1":
		if _, ok := flywayName(strings.TrimSuffix(name, ext) + ".sql"); ok {
			l.problem(name, 0, "is a Flyway migration in "+ext[1:]+", which can't be run here", "write it in SQL, or run Flyway with SCHEMAGATE_COMMAND")
		}
	}
}

// refuseText notes the problem at the line that holds the telling text, if one does.
func (l *loader) refuseText(name, telling, msg, remedy string) {
	f, ok := l.readFile(name)
	if !ok {
		return
	}
	if at := strings.Index(f.text, telling); at >= 0 {
		l.problem(name, 1+strings.Count(f.text[:at], "\n"), msg, remedy)
	}
}
