package migrations

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// flywayFile is what the name of a Flyway migration says: V1.2__name.sql, U1.2__name.sql or R__name.sql.
type flywayFile struct {
	kind          byte // V, U, R, or B for a baseline
	version, name string
}

// flywayName reads Flyway's default naming. Underscores in a version are dots.
func flywayName(base string) (flywayFile, bool) {
	stem, ok := strings.CutSuffix(base, ".sql")
	if !ok || stem == "" || strings.IndexByte("VURB", stem[0]) < 0 {
		return flywayFile{}, false
	}
	version, name, ok := strings.Cut(stem[1:], "__")
	n := flywayFile{stem[0], strings.ReplaceAll(version, "_", "."), name}
	if !ok || (n.kind == 'R') != (version == "") || version != "" && !isNumeric(n.version) {
		return flywayFile{}, false
	}
	return n, true
}

// isFlywayCallback reports whether a file's name is that of an event, like afterMigrate or beforeEachMigrate__roles.
func isFlywayCallback(stem string) bool {
	for _, prefix := range []string{"before", "after"} {
		if rest, ok := strings.CutPrefix(stem, prefix); ok && rest != "" && 'A' <= rest[0] && rest[0] <= 'Z' {
			return true
		}
	}
	return false
}

// parseFlyway reads a versioned, undo or repeatable migration. Its text is what its placeholders expand to, so that an undo
// script in the history stands alone; the checksum of a versioned one is over the file as written, as it is in every environment.
func parseFlyway(l *loader, f source) {
	n, _ := flywayName(f.base())
	if n.kind == 'B' {
		l.problem(f.path, 0, "is a Flyway baseline migration, which is not supported", "write it as the first versioned migration; databases that have it already take it over with schemagate baseline")
		return
	}
	c := l.flywayConfig(f)
	text := f.text
	if c.placeholders {
		var problems []*Problem
		text, problems = expand(f, l.Placeholders)
		l.problems = append(l.problems, problems...)
	}
	script, d, problems := sqlText{dialect: l.Dialect, file: f.path, line: 1, text: text, noTransaction: c.noTransaction}.parse()
	l.problems = append(l.problems, problems...)
	switch n.kind {
	case 'U':
		l.carry(flyway, &script)
		l.addDownFile(n.version, script, d)
	case 'R':
		l.addUp(up{Migration: Migration{Version: "R__" + n.name, Format: flyway, Up: script, Repeatable: true}, source: f}, d)
	default:
		u := up{Migration: Migration{Version: n.version, Name: n.name, Format: flyway, Up: script}, source: f}
		u.Checksum = checksum(f.text)
		l.addUp(u, d)
	}
}

// flywayConf is what a script configuration file, V1__name.sql.conf, says.
type flywayConf struct {
	noTransaction bool
	placeholders  bool
}

func (l *loader) flywayConfig(f source) flywayConf {
	c := flywayConf{placeholders: true}
	name := f.path + ".conf"
	if _, err := fs.Stat(l.fsys, name); errors.Is(err, fs.ErrNotExist) {
		return c
	}
	conf, ok := l.readFile(name)
	if !ok {
		return c
	}
	lines(conf.text, func(line string, number, _ int) bool {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			return true
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimPrefix(strings.TrimSpace(key), "flyway."), strings.ToLower(strings.TrimSpace(value))
		switch {
		case key == "executeInTransaction" && (value == "true" || value == "false"):
			c.noTransaction = value == "false"
		case key == "placeholderReplacement" && (value == "true" || value == "false"):
			c.placeholders = value == "true"
		case key == "encoding" && value == "utf-8", key == "shouldExecute" && value == "true":
		default:
			l.problem(name, number, fmt.Sprintf("Flyway script setting %s=%s is not supported", key, value), "known are executeInTransaction, placeholderReplacement, encoding=UTF-8")
		}
		return true
	})
	return c
}

// expand replaces ${name} everywhere in the text, as Flyway does, in comments and strings too. Of Flyway's own placeholders it
// knows the file's name; the others depend on the connection or the moment, and need a value like any other.
func expand(f source, values map[string]string) (string, []*Problem) {
	var (
		b        strings.Builder
		problems []*Problem
		at       int
		line     = 1
	)
	for {
		start := strings.Index(f.text[at:], "${")
		if start < 0 {
			break
		}
		start += at
		end := strings.IndexByte(f.text[start:], '}')
		if end < 0 {
			break
		}
		b.WriteString(f.text[at:start])
		line += strings.Count(f.text[at:start], "\n")
		name := f.text[start+2 : start+end]
		value, ok := placeholder(name, f, values)
		if !ok {
			problems = append(problems, &Problem{File: f.path, Line: line, Msg: fmt.Sprintf("Flyway placeholder ${%s} has no value", name), Remedy: "give it one, or write the value into the migration"})
		}
		b.WriteString(value)
		at = start + end + 1
	}
	b.WriteString(f.text[at:])
	return b.String(), problems
}

// placeholder looks a name up in any case.
func placeholder(name string, f source, values map[string]string) (string, bool) {
	if value, ok := values[name]; ok {
		return value, true
	}
	for n, value := range values {
		if strings.EqualFold(n, name) {
			return value, true
		}
	}
	return path.Base(f.path), strings.EqualFold(name, "flyway:filename")
}
