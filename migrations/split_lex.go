package migrations

import "strings"

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isWordStart includes digits: where a number ends does not matter here, and MySQL's names may start with one.
func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c >= 0x80
}

// word reads a name, keyword or number.
func (s *splitter) word() *Problem {
	end := s.i + 1
	number := isDigit(s.text[s.i])
	for end < len(s.text) {
		c := s.text[end]
		if !isWordStart(c) && (c != '$' || number && s.dialect == Postgres || strings.HasPrefix(s.ender, "$") && strings.HasPrefix(s.text[end:], s.ender)) {
			break
		}
		end++
	}
	raw := s.text[s.i:end]
	if s.dialect == Postgres && len(raw) == 1 && (raw == "e" || raw == "E") && end < len(s.text) && s.text[end] == '\'' {
		return s.escapeString(end)
	}
	if s.dialect == MySQL && s.began == 0 {
		if done, p := s.clientCommand(raw); done || p != nil {
			return p
		}
	}
	// Only what the grammar may look at is worth a lower-case copy: not the words of a million inserted rows.
	if len(s.tokens) < headLen || s.watching {
		raw = strings.ToLower(raw)
	} else {
		raw = "w"
	}
	s.token(raw)
	s.i = end
	return nil
}

// quotes reports whether c opens something quoted in this dialect.
func (s *splitter) quotes(c byte) bool {
	return c == '\'' || c == '"' || c == '`' && s.dialect != Postgres || c == '[' && s.dialect == SQLite
}

// quoted reads a string or a quoted name. A doubled quote goes on; MySQL's strings know backslashes too.
func (s *splitter) quoted(quote byte) *Problem {
	what := "string"
	if quote == '`' || quote == '[' || quote == '"' && s.dialect != MySQL {
		what = "quoted name"
	}
	escapes := s.dialect == MySQL && quote != '`' || s.dialect == Postgres && quote == '\'' && s.escapesAlways
	closing := quote
	if quote == '[' {
		closing = ']'
	}
	end := closeQuote(s.text, s.i+1, closing, escapes, quote != '[')
	if end < 0 {
		return s.errorf(s.line, "close it with "+string(closing), "%s is never closed", what)
	}
	s.token(s.text[s.i : s.i+1])
	s.skip(end)
	return nil
}

// closeQuote returns the index behind the closing quote, or -1.
func closeQuote(text string, i int, quote byte, escapes, doubles bool) int {
	stop := string(quote)
	if escapes {
		stop += `\`
	}
	for {
		n := strings.IndexAny(text[i:], stop)
		if n < 0 {
			return -1
		}
		i += n
		switch {
		case text[i] == '\\' && quote != '\\':
			i += 2
		case doubles && i+1 < len(text) && text[i+1] == quote:
			i += 2
		default:
			return i + 1
		}
		if i > len(text) {
			return -1
		}
	}
}

// escapeString reads E'...'. After a line break it may go on with '...', which is still an escape string.
func (s *splitter) escapeString(quote int) *Problem {
	end := quote
	for more := true; more; {
		if end = closeQuote(s.text, end+1, '\'', true, true); end < 0 {
			return s.errorf(s.line, "close it with '; a quote after a backslash doesn't", "string is never closed")
		}
		next, broken := end, false
	gap:
		for next < len(s.text) {
			switch c := s.text[next]; {
			case c == '\n' || c == '\r':
				broken = true
				next++
			case isSpace(c):
				next++
			case broken && strings.HasPrefix(s.text[next:], "--"):
				next += lineEnd(s.text[next:])
			default:
				break gap
			}
		}
		more = broken && next < len(s.text) && s.text[next] == '\''
		if more {
			end = next
		}
	}
	s.token("'")
	s.skip(end)
	return nil
}

// lineEnd is the index of the first line break in text, or its length. PostgreSQL takes a lone CR for one.
func lineEnd(text string) int {
	if n := strings.IndexAny(text, "\r\n"); n >= 0 {
		return n
	}
	return len(text)
}

// dollar reads $tag$...$tag$, or a parameter like $1.
func (s *splitter) dollar() *Problem {
	end := s.i + 1
	for end < len(s.text) && isWordStart(s.text[end]) {
		if end == s.i+1 && isDigit(s.text[end]) {
			break
		}
		end++
	}
	if end == len(s.text) || s.text[end] != '$' {
		s.token("$")
		s.i++
		for s.i < len(s.text) && isDigit(s.text[s.i]) {
			s.i++
		}
		return nil
	}
	tag := s.text[s.i : end+1]
	n := strings.Index(s.text[end+1:], tag)
	if n < 0 {
		return s.errorf(s.line, "close it with "+tag, "dollar-quoted string is never closed")
	}
	s.token("$")
	s.skip(end + 1 + n + len(tag))
	return nil
}

// comment reads a comment if one starts at i.
func (s *splitter) comment(c byte) (bool, *Problem) {
	rest := s.text[s.i:]
	switch {
	case c == '-' && strings.HasPrefix(rest, "--") && (s.dialect != MySQL || len(rest) == 2 || rest[2] <= ' '):
		s.lineComment(2)
	case c == '-' && strings.HasPrefix(rest, "--schemagate:"):
		return true, s.errorf(s.line, "write -- schemagate: with a blank", "--schemagate: is no comment to MySQL")
	case c == '#' && s.dialect == MySQL:
		s.lineComment(1)
	case c == '/' && strings.HasPrefix(rest, "/*"):
		return true, s.blockComment()
	case c == '*' && s.exec > 0 && strings.HasPrefix(rest, "*/"):
		s.exec--
		s.semi = 0
		s.i += 2
	default:
		return false, nil
	}
	return true, nil
}

func (s *splitter) lineComment(marker int) {
	rest := s.text[s.i:]
	end := strings.IndexByte(rest, '\n')
	if s.dialect == Postgres {
		end = lineEnd(rest)
	} else if end < 0 {
		end = len(rest)
	}
	s.remember(comment{line: s.line, text: rest[marker:end]})
	s.i += end
}

func (s *splitter) blockComment() *Problem {
	if s.dialect == MySQL && s.executable() {
		return nil
	}
	// A star before open belongs to a /* and closes nothing.
	end, open := s.i+2, s.i+2
	for depth := 1; depth > 0; {
		n := strings.IndexByte(s.text[end:], '/')
		if n < 0 {
			return s.errorf(s.line, "close it with */", "comment is never closed")
		}
		end += n + 1
		switch {
		case s.text[end-2] == '*' && end-2 >= open:
			depth--
		case s.dialect == Postgres && end < len(s.text) && s.text[end] == '*':
			depth++
			end++
			open = end
		}
	}
	for i, text := range strings.Split(s.text[s.i+2:end-2], "\n") {
		s.remember(comment{line: s.line + i, text: text})
	}
	s.skip(end)
	return nil
}

// executable opens a comment that MySQL executes: /*! or /*!40101, MariaDB's /*M!100100.
func (s *splitter) executable() bool {
	rest := s.text[s.i+2:]
	n := 1
	if strings.HasPrefix(rest, "M!") {
		n = 2
	} else if !strings.HasPrefix(rest, "!") {
		return false
	}
	version := 0
	for ; n < len(rest) && isDigit(rest[n]) && version < 999999; n++ {
		version = version*10 + int(rest[n]-'0')
	}
	// A version that never comes is how mariadb-dump hides its first line from servers.
	if version >= 999999 {
		return false
	}
	if s.exec == 0 {
		s.execAt = s.line
	}
	if s.began == 0 {
		s.first, s.began = s.i, s.line
	}
	s.exec++
	s.i += 2 + n
	return true
}

// remember keeps a comment where it could hold a directive.
func (s *splitter) remember(c comment) {
	c.statement = len(s.statements)
	if len(s.statements) == 0 && s.began == 0 {
		s.head = append(s.head, c)
	} else if _, ok := c.directive(); ok {
		s.late = append(s.late, c)
	}
}

// skip goes on at end, counting the lines between.
func (s *splitter) skip(end int) {
	s.line += strings.Count(s.text[s.i:end], "\n")
	s.i = end
}

func (s *splitter) atLineStart() bool { return s.i == 0 || s.text[s.i-1] == '\n' }

// lineWord is the command that starts at i: a mark and a word, or another mark.
func (s *splitter) lineWord() string {
	end := s.i + 1
	for end < len(s.text) && isWordStart(s.text[end]) {
		end++
	}
	if end == s.i+1 && end < len(s.text) && !isSpace(s.text[end]) {
		end++
	}
	return s.text[s.i:end]
}

// backslash handles what stands outside of any quote: a command of the server's own shell.
func (s *splitter) backslash() *Problem {
	command := s.lineWord()
	switch {
	case s.dialect == SQLite, s.dialect == MySQL && command == `\N`:
		s.token(`\`)
		s.i++
		return nil
	case s.dialect == MySQL:
		return s.errorf(s.line, "remove it; end statements with a semicolon", "%s is a command of the mysql client, not SQL", command)
	case s.began == 0 && (command == `\restrict` || command == `\unrestrict`):
		// pg_dump brackets its output with these for psql's sake.
		s.i += strings.IndexByte(s.text[s.i:]+"\n", '\n')
		s.reset()
		return nil
	case command == `\.`:
		return s.errorf(s.line, "put the data behind a COPY ... FROM stdin; or remove it", `\. closes the data of a COPY ... FROM stdin, and there is none`)
	}
	return s.errorf(s.line, "remove it; a migration holds SQL only", "%s is a command of psql, not SQL", command)
}
