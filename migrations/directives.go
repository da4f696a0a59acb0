package migrations

import (
	"fmt"
	"strings"
	"time"

	"github.com/schemagate/schemagate/internal/spell"
)

// directiveNames are what may follow "schemagate:" in a comment at the head of a script.
var directiveNames = []string{"no-transaction", "idempotent", "phase", "after", "lock_timeout", "statement_timeout", "verify", "backfill", "lint-ignore"}

// directives is what the head of a script says about how to run it.
type directives struct {
	script    Script // the fields that a directive sets
	phase     Phase
	phaseLine int
	after     string
	afterLine int
	said      bool // it holds a comment that is no directive, or a query to verify
}

// comment is one line of a comment, without its markers.
type comment struct {
	line int
	text string
	// statement is the index of the statement that it stands before or in.
	statement int
}

const directivePrefix = "schemagate:"

// directive returns what follows "schemagate:" in a comment.
func (c comment) directive() (string, bool) {
	text := strings.TrimLeft(c.text, " \t*!")
	if len(text) < len(directivePrefix) || !strings.EqualFold(text[:len(directivePrefix)], directivePrefix) {
		return "", false
	}
	return text[len(directivePrefix):], true
}

// parseDirectives reads the directives among the comments at the head of a script.
func parseDirectives(file string, head []comment) (directives, []*Problem) {
	p := directiveParser{file: file}
	for _, c := range head {
		if text, ok := c.directive(); ok {
			p.line = c.line
			p.parse(text)
		} else if strings.Trim(c.text, " \t-*!") != "" {
			p.said = true
		}
	}
	p.said = p.said || p.script.Verify != ""
	d := &p.directives
	if d.after != "" && d.phase != Contract {
		p.line = d.afterLine
		p.problem("after= without phase=contract", "only a contract migration waits for another version; add phase=contract or remove after=")
	}
	return p.directives, p.problems
}

type directiveParser struct {
	directives
	file     string
	line     int
	seen     []string
	given    map[string]bool // the pairs of backfill
	problems []*Problem
}

func (p *directiveParser) problem(msg, remedy string) {
	p.problems = append(p.problems, &Problem{File: p.file, Line: p.line, Msg: msg, Remedy: remedy})
}

// parse reads one line's directives. backfill, lint-ignore and verify= take the rest of their line, since they hold spaces.
func (p *directiveParser) parse(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		p.problem("a schemagate: comment without a directive", "known are "+strings.Join(directiveNames, ", "))
	}
	for text != "" {
		word, rest, _ := cutSpace(text)
		name, value, hasValue := strings.Cut(word, "=")
		switch name {
		case "backfill":
			p.backfill(rest, hasValue)
			return
		case "lint-ignore":
			p.lintIgnore(rest, hasValue)
			return
		case "verify":
			_, value, _ = strings.Cut(text, "=")
			p.verify(strings.TrimSpace(value))
			return
		}
		p.one(name, value, hasValue)
		text = rest
	}
}

func (p *directiveParser) one(name, value string, hasValue bool) {
	flag := name == "no-transaction" || name == "idempotent"
	known := false
	for _, n := range directiveNames {
		known = known || n == name
	}
	switch {
	case !known:
		remedy := "known are " + strings.Join(directiveNames, ", ")
		if n := spell.Nearest(strings.ToLower(name), directiveNames); n != "" {
			remedy = fmt.Sprintf("did you mean %q?", n)
		}
		p.problem(fmt.Sprintf("unknown directive %q", name), remedy)
		return
	case flag && hasValue:
		p.problem(fmt.Sprintf("directive %s takes no value", name), fmt.Sprintf("write %s, or remove it", name))
		return
	case !flag && value == "":
		p.problem(fmt.Sprintf("directive %s needs a value", name), fmt.Sprintf("write %s=VALUE without spaces", name))
		return
	case !p.once(name):
		return
	}
	switch name {
	case "no-transaction":
		p.script.NoTransaction = true
	case "idempotent":
		p.script.Idempotent = true
	case "phase":
		p.phase, p.phaseLine = Phase(value), p.line
		if p.phase != Expand && p.phase != Contract && p.phase != Cutover {
			p.problem(fmt.Sprintf("unknown phase %q", value), "write expand, contract or cutover")
		}
	case "after":
		p.after, p.afterLine = value, p.line
	case "lock_timeout":
		p.script.LockTimeout = p.duration(name, value)
	case "statement_timeout":
		p.script.StatementTimeout = p.duration(name, value)
	}
}

// once refuses a directive that was there before: which of two values holds would be a guess.
func (p *directiveParser) once(name string) bool {
	for _, n := range p.seen {
		if n == name {
			p.problem(fmt.Sprintf("directive %s is there twice", name), "keep one")
			return false
		}
	}
	p.seen = append(p.seen, name)
	return true
}

func (p *directiveParser) duration(name, value string) *time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		p.problem(fmt.Sprintf("%s=%s is not a duration", name, value), "write it like 2s, 500ms or 0")
		return nil
	}
	return &d
}

func (p *directiveParser) verify(value string) {
	if value == "" {
		p.problem("directive verify needs a value", "write verify=QUERY; it takes the rest of the line")
		return
	}
	if p.once("verify") {
		p.script.Verify, p.script.VerifyLine = value, p.line
	}
}

// cutValue takes a bare or quoted value off the front of text.
func cutValue(text string) (value, rest string, ok bool) {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		value, rest, _ = cutSpace(text)
		return value, rest, true
	}
	quote := text[:1]
	var b strings.Builder
	for text = text[1:]; ; {
		part, after, found := strings.Cut(text, quote)
		b.WriteString(part)
		if !found {
			return "", "", false
		}
		if !strings.HasPrefix(after, quote) {
			return b.String(), after, after == "" || after[0] == ' ' || after[0] == '\t'
		}
		b.WriteString(quote)
		text = after[1:]
	}
}

// cutSpace is strings.Cut around the first run of blanks.
func cutSpace(text string) (before, after string, found bool) {
	i := strings.IndexAny(text, " \t")
	if i < 0 {
		return text, "", false
	}
	return text[:i], strings.TrimLeft(text[i:], " \t"), true
}
