package migrations

import (
	"io/fs"
	"path"
	"strings"
)

// ReadBeside reads a fixture or a check of the set in the root of fsys. A script is JavaScript where the database is MongoDB, else SQL.
func ReadBeside(fsys fs.FS, d Dialect, name string) (Script, error) {
	problem := func(msg, remedy string) (Script, error) {
		return Script{}, &Problem{File: name, Msg: msg, Remedy: remedy}
	}
	js := path.Ext(name) == ".js"
	if js != (d == MongoDB) {
		return problem("is of another language than the database's", "write it in SQL for an SQL database, in JavaScript for MongoDB")
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return problem("can't be read ("+plainCause(err)+")", "check its permissions and the mount")
	}
	if strings.TrimSpace(string(text)) == "" {
		return problem("is empty", "write it, or delete the file")
	}
	if js {
		script, _, problems := parseScript(name, normalise(string(text)))
		return script, joinProblems(problems)
	}
	script, _, problems := sqlText{dialect: d, file: name, line: 1, text: normalise(string(text))}.parse()
	if len(problems) == 0 && len(script.Statements) == 0 {
		return problem("holds no statement", "write one, or delete the file")
	}
	return script, joinProblems(problems)
}
