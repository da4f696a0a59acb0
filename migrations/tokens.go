package migrations

import "strings"

// Token is one token of a statement as it stands there: a word or number, something quoted with its quotes, or a single
// character. Comments are none.
type Token struct {
	Text string
	// Line is that of the file.
	Line int
}

// maxTokens bounds what is kept of a statement that inserts a million rows.
const maxTokens = 20_000

// Tokens reads a statement's tokens by the rules that it was split with, up to the first 20,000. What can't be read ends them.
func Tokens(d Dialect, st Statement) []Token {
	var tokens []Token
	s := splitter{dialect: d, text: st.SQL, line: 1, whole: true}
	s.tokens = make([]string, 0, headLen)
	for s.i < len(s.text) && len(tokens) < maxTokens {
		at, line := s.i, s.line
		s.seen = false
		if s.next() != nil {
			break
		}
		if s.seen {
			tokens = append(tokens, Token{s.text[at:s.i], line})
		}
	}
	if len(tokens) > 0 {
		first := tokens[0].Line
		for i := range tokens {
			tokens[i].Line += st.Line - first
		}
	}
	return tokens
}

// Name is the name that a token spells: an unquoted one in lower case, a quoted one without its quotes; "" for anything else.
func (t Token) Name(d Dialect) string {
	if t.Text == "" {
		return ""
	}
	c := t.Text[0]
	switch {
	case c >= 0x80 || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' && !strings.HasSuffix(t.Text, "'"):
		return strings.ToLower(t.Text)
	case c == '"' && d != MySQL, c == '`' && d != Postgres:
		q := string(c)
		return strings.ReplaceAll(strings.TrimSuffix(t.Text[1:], q), q+q, q)
	case c == '[' && d == SQLite:
		return strings.Trim(t.Text, "[]")
	}
	return ""
}
