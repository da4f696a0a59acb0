package migrations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// fileName is what a file's name says.
type fileName struct {
	version, name string
	down          bool
	both          bool // the name gives no direction
}

// nativeName reads 0001_name.up.sql, 0001_name.down.sql and sqlx's 0001_name.sql; for MongoDB .json, where the direction must
// be given.
func nativeName(base string) (fileName, bool) {
	ext := path.Ext(base)
	version, rest := cutDigits(strings.TrimSuffix(base, ext))
	name, ok := strings.CutPrefix(rest, "_")
	if version == "" || !ok || ext != ".sql" && ext != ".json" {
		return fileName{}, false
	}
	n := fileName{version: version}
	if n.name, ok = strings.CutSuffix(name, ".up"); ok {
		return n, true
	}
	if n.name, n.down = strings.CutSuffix(name, ".down"); !n.down {
		n.both = true
	}
	return n, ext == ".sql" || n.down
}

// parseNative reads a file of golang-migrate's or sqlx's naming. A direction's text is the whole file.
func parseNative(l *loader, f source) {
	n, _ := nativeName(f.base())
	var (
		script   Script
		d        directives
		problems []*Problem
	)
	switch {
	case f.blank(): // a way back
		script = Script{File: f.path}
	case path.Ext(f.path) == ".json":
		script, problems = parseJSON(f.path, f.text)
		d.script.Backfill = script.Backfill
		if l.Dialect != MongoDB {
			l.problem(f.path, 0, "is a migration for MongoDB in a set for "+string(l.Dialect), "move it out of the folder, or check the database URL")
		}
	default:
		script, d, problems = nativeText(l.Dialect, f.path, f.text).parse()
	}
	l.problems = append(l.problems, problems...)
	if !n.down {
		l.addUp(up{Migration: Migration{Version: n.version, Name: n.name, Format: native, Up: script}, source: f}, d)
		return
	}
	l.addDownFile(n.version, script, d)
}

// nativeText honours sqlx's own way to say no-transaction, which is how a file starts.
func nativeText(d Dialect, file, text string) sqlText {
	return sqlText{dialect: d, file: file, line: 1, text: text, noTransaction: strings.HasPrefix(text, "-- no-transaction")}
}

func nativeDown(d Dialect, file, text string) (Script, []*Problem) {
	if d == MongoDB {
		return parseJSON(file, text)
	}
	return nativeText(d, file, text).parseDown()
}

// parseJSON takes a declarative MongoDB migration; what its commands are is the database's business.
func parseJSON(file, text string) (Script, []*Problem) {
	script := Script{File: file, Text: text, Language: "json"}
	decoder := json.NewDecoder(strings.NewReader(text))
	var value any
	err := decoder.Decode(&value)
	offset := decoder.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		offset = int64(len(text))
	} else if err == nil {
		rest := bytes.TrimSpace([]byte(text[offset:]))
		if len(rest) == 0 {
			return script, jsonBackfill(&script)
		}
		err = errors.New("more after its end")
	}
	line := 1 + strings.Count(text[:min(int(offset), len(text))], "\n")
	return script, []*Problem{{File: file, Line: line, Msg: fmt.Sprintf("is not valid JSON (%s)", err), Remedy: "write one JSON value: an array of commands"}}
}

// addDownFile takes a way back from a file of its own.
func (l *loader) addDownFile(version string, script Script, d directives) {
	l.checkDown(script.File, d)
	if len(script.Statements) == 0 && strings.Contains(script.Text, newDown) {
		l.problem(script.File, 0, "is as schemagate new wrote it", "write the way back, or delete the file if there is none")
	}
	l.downs = append(l.downs, down{script, version})
}
