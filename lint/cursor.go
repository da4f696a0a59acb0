package lint

import (
	"slices"
	"strings"

	"github.com/schemagate/schemagate/migrations"
)

// tok is a token with what it means as a keyword and as a name.
type tok struct {
	text string
	line int
	word string // in lower case if unquoted, else ""
	name string // as an identifier, else ""
}

// cursor walks the tokens of a statement, or of a part of one.
type cursor struct {
	toks    []tok
	i       int
	dialect migrations.Dialect
}

func newCursor(d migrations.Dialect, st migrations.Statement) *cursor {
	c := &cursor{dialect: d}
	for _, t := range migrations.Tokens(d, st) {
		k := tok{text: t.Text, line: t.Line, name: t.Name(d)}
		if k.name != "" && t.Text[0] != '"' && t.Text[0] != '`' {
			k.word = k.name
		}
		c.toks = append(c.toks, k)
	}
	return c
}

func (c *cursor) at(n int) tok {
	if c.i+n < len(c.toks) {
		return c.toks[c.i+n]
	}
	return tok{}
}

func (c *cursor) done() bool { return c.i >= len(c.toks) }

// line is that of the current token, or of the last.
func (c *cursor) line() int {
	if len(c.toks) == 0 {
		return 0
	}
	return c.toks[min(c.i, len(c.toks)-1)].line
}

// is reports whether these words or characters come next.
func (c *cursor) is(words ...string) bool {
	for n, w := range words {
		if t := c.at(n); t.word != w && (t.word != "" || t.text != w) {
			return false
		}
	}
	return true
}

// take moves past these words if they come next.
func (c *cursor) take(words ...string) bool {
	if !c.is(words...) {
		return false
	}
	c.i += len(words)
	return true
}

// takeAny moves past one of these words.
func (c *cursor) takeAny(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return c.take(w) })
}

// ifExists moves past IF [NOT] EXISTS.
func (c *cursor) ifExists() { _ = c.take("if", "exists") || c.take("if", "not", "exists") }

// name reads a name with its qualifiers; that of the schema everyone has is left out.
func (c *cursor) name() string {
	n := c.at(0).name
	if n == "" {
		return ""
	}
	c.i++
	for c.is(".") && c.at(1).name != "" {
		n += "." + c.at(1).name
		c.i += 2
	}
	return strings.TrimPrefix(n, "public.")
}

// relation reads a table's name with ONLY before it or a star behind it.
func (c *cursor) relation() (name string, only bool) {
	only = c.take("only")
	paren := only && c.take("(")
	name = c.name()
	if paren {
		c.take(")")
	}
	c.take("*")
	return name, only
}

// relations reads a list of them.
func (c *cursor) relations() (names []string) {
	for {
		n, _ := c.relation()
		if n == "" {
			return names
		}
		names = append(names, n)
		if !c.take(",") {
			return names
		}
	}
}

// group reads what stands in parentheses, from the opening one; nil where none opens here.
func (c *cursor) group() *cursor {
	if !c.is("(") {
		return nil
	}
	from := c.i + 1
	for depth := 0; !c.done(); c.i++ {
		switch c.at(0).text {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			inner := c.part(from, c.i)
			c.i++
			return inner
		}
	}
	return c.part(from, len(c.toks))
}

func (c *cursor) part(from, to int) *cursor {
	return &cursor{toks: c.toks[from:max(from, to)], dialect: c.dialect}
}

// rest is what is left.
func (c *cursor) rest() *cursor { return c.part(min(c.i, len(c.toks)), len(c.toks)) }

// split divides what is left at the separators outside of parentheses and brackets.
func (c *cursor) split(separator string) (parts []*cursor) {
	from, depth := c.i, 0
	for i := c.i; i < len(c.toks); i++ {
		t := c.toks[i]
		switch {
		case t.text == "(" || t.text == "[":
			depth++
		case t.text == ")" || t.text == "]":
			depth--
		case depth == 0 && (t.text == separator || t.word == separator):
			parts = append(parts, c.part(from, i))
			from = i + 1
		}
	}
	return append(parts, c.part(from, len(c.toks)))
}

// index is where one of the words stands outside of parentheses from here on, or -1.
func (c *cursor) index(words ...string) int {
	depth := 0
	for i := c.i; i < len(c.toks); i++ {
		switch t := c.toks[i]; {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case depth == 0 && t.word != "" && slices.Contains(words, t.word):
			return i
		}
	}
	return -1
}

// has reports whether the words stand next to each other somewhere outside of parentheses.
func (c *cursor) has(words ...string) bool {
	at := *c
	for {
		i := at.index(words[0])
		if i < 0 {
			return false
		}
		at.i = i
		if at.is(words...) {
			return true
		}
		at.i++
	}
}

// unwrapped is the expression without parentheses around all of it.
func (c *cursor) unwrapped() *cursor {
	for {
		at := c.part(c.i, len(c.toks))
		inner := at.group()
		if inner == nil || !at.done() {
			return c
		}
		c = inner
	}
}

// literal reports whether the token is a string or a number, and gives a string's text.
func (t tok) literal() (value string, ok bool) {
	if t.text == "" || t.name != "" {
		return "", false
	}
	s := t.text
	if c := s[0]; c == 'e' || c == 'E' {
		s = s[1:]
	}
	switch c := s[0]; {
	case c == '\'' && len(s) > 1:
		return strings.ReplaceAll(strings.Trim(s, "'"), "''", "'"), true
	case c == '$' && len(s) > 1:
		tag := s[:strings.IndexByte(s[1:], '$')+2]
		return strings.TrimSuffix(s[len(tag):], tag), true
	case c == '"' && len(s) > 1: // MySQL's
		return strings.Trim(s, `"`), true
	case '0' <= c && c <= '9':
		return "", true
	}
	return "", false
}
