package postgres

import "strings"

// name is an index's name as the file spells it, perhaps with its schema.
type name struct{ text string }

// String is fit for to_regclass and for SQL, both of which fold and unquote by the server's own rules.
func (n name) String() string { return n.text }

// concurrentIndex recognises CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name. An index without a name is none that
// could be asked about.
func concurrentIndex(sql string) (name, bool) {
	w := newWords(sql)
	if !w.take("create") {
		return name{}, false
	}
	w.take("unique")
	if !w.take("index") || !w.take("concurrently") {
		return name{}, false
	}
	if w.take("if") {
		w.take("not")
		w.take("exists")
	}
	n := w.name()
	if n == "" || strings.EqualFold(n, "on") {
		return name{}, false
	}
	// An index lies in its table's schema.
	if !strings.Contains(n, ".") && w.take("on") {
		w.take("only")
		if schema, _, ok := cutLast(w.name()); ok {
			n = schema + "." + n
		}
	}
	return name{n}, true
}

// concurrentDrop recognises DROP INDEX CONCURRENTLY [IF EXISTS] name.
func concurrentDrop(sql string) (name, bool) {
	w := newWords(sql)
	if !w.take("drop") || !w.take("index") || !w.take("concurrently") {
		return name{}, false
	}
	if w.take("if") {
		w.take("exists")
	}
	n := w.name()
	return name{n}, n != ""
}

// repeatable statements do no harm when they are run again.
func repeatable(sql string) bool {
	w := newWords(sql)
	first := strings.ToLower(w.next())
	switch first {
	case "vacuum", "analyze", "reindex", "cluster", "checkpoint":
		return true
	case "create", "drop":
		for i := 0; i < 6; i++ {
			if w.take("if") {
				w.take("not")
				return w.take("exists")
			}
			w.next()
		}
	}
	return false
}

// words reads the head of a statement token by token; it knows comments, quoted identifiers and dots.
type words struct{ rest string }

func newWords(sql string) *words { return &words{sql} }

func (w *words) skip() {
	for {
		w.rest = strings.TrimLeft(w.rest, " \t\r\n\f")
		switch {
		case strings.HasPrefix(w.rest, "--"):
			_, w.rest, _ = strings.Cut(w.rest, "\n")
		case strings.HasPrefix(w.rest, "/*"):
			w.rest = skipComment(w.rest)
		default:
			return
		}
	}
}

func skipComment(s string) string {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return s[i+1:]
			}
		}
	}
	return ""
}

// next takes one word, quoted identifier or single other character.
func (w *words) next() string {
	w.skip()
	s := w.rest
	if s == "" {
		return ""
	}
	n := 1
	if s[0] == '"' {
		for n < len(s) && (s[n] != '"' || n+1 < len(s) && s[n+1] == '"') {
			if s[n] == '"' {
				n++
			}
			n++
		}
		n = min(n+1, len(s))
	} else if wordByte(s[0]) {
		for n < len(s) && wordByte(s[n]) {
			n++
		}
	}
	w.rest = s[n:]
	return s[:n]
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func (w *words) take(word string) bool {
	before := w.rest
	if strings.EqualFold(w.next(), word) {
		return true
	}
	w.rest = before
	return false
}

// name takes an identifier with its dotted parts.
func (w *words) name() string {
	n := w.next()
	for w.take(".") {
		n += "." + w.next()
	}
	return n
}

// cutLast splits a dotted name before its last part.
func cutLast(n string) (schema, last string, ok bool) {
	w := newWords(n)
	parts := []string{w.next()}
	for w.take(".") {
		parts = append(parts, w.next())
	}
	if len(parts) < 2 {
		return "", n, false
	}
	return strings.Join(parts[:len(parts)-1], "."), parts[len(parts)-1], true
}
