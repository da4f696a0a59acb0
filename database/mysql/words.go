package mysql

import "strings"

// token is a word, a name in quotes, a text, or a single other character.
type token struct {
	text   string // a word as written, a quoted name or text without its quotes
	quoted byte   // 0, ', " or `
}

func (t token) is(words ...string) bool {
	for _, w := range words {
		if t.quoted == 0 && strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

// lexer reads a statement's tokens. What stands in an executable comment is part of the statement.
type lexer struct{ rest string }

func (l *lexer) skip() {
	for {
		s := strings.TrimLeft(l.rest, " \t\r\n\f\v;")
		switch {
		case strings.HasPrefix(s, "--") && (len(s) == 2 || s[2] <= ' '), strings.HasPrefix(s, "#"):
			_, s, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*!"), strings.HasPrefix(s, "/*M!"):
			_, s, _ = strings.Cut(s, "!")
			s = strings.TrimLeft(s, "0123456789")
		case strings.HasPrefix(s, "*/"):
			s = s[2:]
		case strings.HasPrefix(s, "/*"):
			if _, after, ok := strings.Cut(s[2:], "*/"); ok {
				s = after
			} else {
				s = ""
			}
		default:
			l.rest = s
			return
		}
		l.rest = s
	}
}

func (l *lexer) next() (token, bool) {
	l.skip()
	s := l.rest
	if s == "" {
		return token{}, false
	}
	switch q := s[0]; {
	case q == '\'' || q == '"' || q == '`':
		var b strings.Builder
		i := 1
		for ; i < len(s); i++ {
			if s[i] == '\\' && q != '`' && i+1 < len(s) {
				i++
			} else if s[i] == q {
				if i+1 < len(s) && s[i+1] == q {
					i++
				} else {
					break
				}
			}
			b.WriteByte(s[i])
		}
		l.rest = s[min(i+1, len(s)):]
		return token{b.String(), q}, true
	case wordByte(q):
		n := 1
		for n < len(s) && wordByte(s[n]) {
			n++
		}
		l.rest = s[n:]
		return token{text: s[:n]}, true
	}
	l.rest = s[1:]
	return token{text: s[:1]}, true
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// head returns the first n tokens at most.
func head(sql string, n int) (out []token) {
	l := lexer{sql}
	for len(out) < n {
		t, ok := l.next()
		if !ok {
			break
		}
		out = append(out, t)
	}
	return out
}

// above is the number of lines before a statement's first token.
func above(sql string) int {
	l := lexer{sql}
	l.skip()
	return strings.Count(strings.TrimSuffix(sql, l.rest), "\n")
}

// isData: the statement can share a transaction with its progress. Everything else may commit by itself: DDL, and what may hold
// DDL (CALL, EXECUTE).
func isData(sql string) bool {
	h := head(sql, 5)
	if len(h) == 0 {
		return true
	}
	switch t := h[0]; {
	case t.is("insert", "update", "delete", "replace", "select", "with", "values", "do", "use", "show", "describe", "desc", "explain",
		"savepoint", "release", "rollback", "prepare", "deallocate", "signal", "handler", "table", "("):
		return true
	case t.is("set"):
		// SET PASSWORD and SET DEFAULT ROLE write the privilege tables; SET STATEMENT ... FOR runs anything.
		return len(h) < 2 || !h[1].is("password", "default", "statement")
	case t.is("load"):
		return len(h) > 1 && h[1].is("data", "xml")
	case t.is("create", "drop"):
		for _, x := range h[1:min(4, len(h))] {
			if x.is("temporary") {
				return true
			}
		}
	}
	return false
}

// plain statements can't end a transaction.
func plain(sql string) bool {
	h := head(sql, 1)
	return len(h) == 1 && h[0].is("insert", "update", "delete", "replace", "select", "with", "use")
}

// setsSession: what comes after it in the file may rely on it.
func setsSession(sql string) bool {
	h := head(sql, 2)
	return len(h) > 0 && isData(sql) && h[0].is("set", "use", "prepare")
}
