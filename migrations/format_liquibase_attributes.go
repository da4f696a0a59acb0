package migrations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/schemagate/schemagate/internal/spell"
)

// attributes are what a changeset's line says behind author:id.
type attributes struct {
	runOnChange       bool
	noTransaction     bool
	oneStatement      bool // splitStatements:false
	oneRollback       bool
	endDelimiter      string
	rollbackDelimiter string
	logicalPath       string
	ignored           bool
	dbms              []string
}

// The attributes that make no difference here: comments are always sent, and no object names are made up.
var idleAttributes = [...]string{"stripComments", "rollbackStripComments", "objectQuotingStrategy", "created"}

// The attributes that are known but refused.
var refusedAttributes = [...]struct{ name, remedy string }{
	{"context", "ship the changeset in the releases that need it"},
	{"contextFilter", "ship the changeset in the releases that need it"},
	{"labels", "ship the changeset in the releases that need it"},
	{"runAlways", "call it from SCHEMAGATE_AFTER"},
	{"runOrder", "put it where it is to run"},
	{"runWith", "write it in SQL"},
	{"runWithSpoolFile", "write it in SQL"},
}

var attributeNames = []string{"runOnChange", "runInTransaction", "splitStatements", "endDelimiter", "rollbackSplitStatements", "rollbackEndDelimiter",
	"stripComments", "logicalFilePath", "dbms", "failOnError", "ignore", "context", "contextFilter", "labels", "runAlways"}

// parseAttributes reads name:value pairs; a value that holds blanks stands in double quotes.
func parseAttributes(file string, line int, text string) (a attributes, problems []*Problem) {
	problem := func(msg, remedy string) {
		problems = append(problems, &Problem{File: file, Line: line, Msg: msg, Remedy: remedy})
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, ok := strings.Cut(text, ":")
		if !ok || strings.ContainsAny(name, " \t") {
			word, after, _ := cutSpace(text)
			problem(fmt.Sprintf("%q is no attribute of a changeset", word), "write name:value")
			text = after
			continue
		}
		var value string
		if value, text, ok = cutName(rest, ' '); !ok && strings.HasPrefix(rest, `"`) {
			problem("the quoted value of "+name+" is not closed", "close the quote on the same line")
		}
		if msg, remedy := a.set(name, value); msg != "" {
			problem(msg, remedy)
		}
	}
	return a, problems
}

// set takes one attribute, or returns what is wrong with it.
func (a *attributes) set(name, value string) (msg, remedy string) {
	is := func(other string) bool { return strings.EqualFold(name, other) }
	yes, isBool := strings.EqualFold(value, "true"), strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	if slices.ContainsFunc(idleAttributes[:], is) {
		return "", ""
	}
	for _, r := range refusedAttributes {
		// runAlways:false is what holds anyway.
		if is(r.name) && (!isBool || yes) {
			return fmt.Sprintf("Liquibase %s is not supported", r.name), r.remedy
		} else if is(r.name) {
			return "", ""
		}
	}
	switch {
	case is("endDelimiter"), is("rollbackEndDelimiter"):
		value = strings.TrimPrefix(value, `\n`)
		if value == "" || strings.ContainsAny(value, `\'"`+"`") {
			return fmt.Sprintf("%s:%s is not supported", name, value), "use a delimiter without quotes, backslashes and patterns, like //"
		}
		if is("endDelimiter") {
			a.endDelimiter = value
		} else {
			a.rollbackDelimiter = value
		}
		return "", ""
	case is("logicalFilePath"):
		a.logicalPath = value
		return "", ""
	case is("dbms"):
		a.dbms = strings.Split(strings.ToLower(value), ",")
		return "", ""
	}
	target, want := (*bool)(nil), true
	switch {
	case is("runOnChange"):
		target = &a.runOnChange
	case is("runInTransaction"):
		target, want = &a.noTransaction, false
	case is("splitStatements"):
		target, want = &a.oneStatement, false
	case is("rollbackSplitStatements"):
		target, want = &a.oneRollback, false
	case is("ignore"):
		target = &a.ignored
	case is("failOnError"):
		if isBool && !yes {
			return "Liquibase failOnError:false is not supported", "make the statement harmless where it has nothing to do (IF NOT EXISTS)"
		}
	default:
		remedy = "known are " + strings.Join(attributeNames, ", ")
		if n := spell.Nearest(name, attributeNames); n != "" {
			remedy = fmt.Sprintf("did you mean %q?", n)
		}
		return fmt.Sprintf("unknown attribute %q of a changeset", name), remedy
	}
	if !isBool {
		return fmt.Sprintf("%s:%s is neither true nor false", name, value), "write true or false"
	}
	if target != nil {
		*target = yes == want
	}
	return "", ""
}

// applies reports whether the changeset is for this database. MariaDB speaks MySQL's dialect, so either name fits it.
func (a *attributes) applies(d Dialect) bool {
	if a.ignored {
		return false
	}
	var names []string
	switch d {
	case Postgres:
		names = []string{"postgresql"}
	case MySQL:
		names = []string{"mysql", "mariadb"}
	default:
		names = []string{string(d)}
	}
	listed := false
	for _, dbms := range a.dbms {
		dbms = strings.TrimSpace(dbms)
		if other, not := strings.CutPrefix(dbms, "!"); not {
			if slices.Contains(names, other) {
				return false
			}
			continue
		}
		listed = true
		if dbms == "all" || slices.Contains(names, dbms) {
			return true
		}
	}
	return !listed
}
