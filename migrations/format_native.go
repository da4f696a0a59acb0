package migrations

import (
	"strings"
	"time"
)

// fileName is what a file's name says.
type fileName struct {
	version, name string
	down          bool
	both          bool // the name gives no direction
}

// nativeName reads 0001_name.up.sql, 0001_name.down.sql and sqlx's 0001_name.sql.
func nativeName(base string) (fileName, bool) {
	stem := base[:len(base)-len(".sql")]
	version, rest := cutDigits(stem)
	name, ok := strings.CutPrefix(rest, "_")
	if version == "" || !ok {
		return fileName{}, false
	}
	n := fileName{version: version}
	if n.name, ok = strings.CutSuffix(name, ".up"); ok {
		return n, true
	}
	if n.name, n.down = strings.CutSuffix(name, ".down"); !n.down {
		n.both = true
	}
	return n, true
}

// parseNative reads a file of golang-migrate's or sqlx's naming. A direction's text is the whole file.
func parseNative(l *loader, f source) {
	n, _ := nativeName(f.base())
	script, d, problems := sqlText{dialect: l.Dialect, file: f.path, line: 1, text: f.text, noTransaction: strings.HasPrefix(f.text, "-- no-transaction")}.parse()
	l.problems = append(l.problems, problems...)
	if !n.down {
		l.addUp(up{Migration: Migration{Version: n.version, Name: n.name, Format: "native", Up: script}, source: f}, d)
		return
	}
	l.addDownFile(n.version, script, d)
}

// addDownFile takes a way back from a file of its own.
func (l *loader) addDownFile(version string, script Script, d directives) {
	l.checkDown(script.File, d)
	if script.Language == "sql" && len(script.Statements) == 0 && !l.hasProblem(script.File) {
		l.problem(script.File, 0, "holds no statement to roll back with", "delete the file if there is no way back, or write SELECT 1 if nothing is to be undone")
	}
	l.downs = append(l.downs, down{script, version})
}

// Native returns the files of a new migration, by name: a way up and a way back to be written.
func Native(name string, at time.Time) map[string]string {
	base := at.UTC().Format("20060102150405") + "_" + sanitise(name)
	return map[string]string{
		base + ".up.sql": `-- Write the change here. It runs in one transaction, with a lock timeout. Lines at the head of this file change that:
-- "schemagate: no-transaction" is for CREATE INDEX CONCURRENTLY and the like; others are phase=contract, phase=cutover,
-- lock_timeout=2s, statement_timeout=1m, idempotent.
`,
		base + ".down.sql": `-- Write the way back here, or delete this file if there is none.
`,
	}
}

// sanitise turns what a person types into a file's name.
func sanitise(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	if b.Len() == 0 {
		return "migration"
	}
	return b.String()
}
