package migrations

import "strings"

// mysqlBody is where in the body of a stored program the splitter stands.
type mysqlBody struct {
	body     bool // the body has begun
	position bool // the next token starts a statement of the body
	declare  bool // that statement is a DECLARE
	handler  bool // ... HANDLER
	params   bool // a routine's parameters were closed
	skip1    bool // the next token is the name after FOLLOWS or PRECEDES
	until    bool // the last END may be that of END REPEAT
}

// clientCommand handles what the mysql client reads itself, at the start of a statement: DELIMITER and source.
func (s *splitter) clientCommand(word string) (bool, *Problem) {
	switch {
	case strings.EqualFold(word, "delimiter") && s.whole:
		return true, s.errorf(s.line, "remove it; the statement is taken as a whole", "DELIMITER is a command of the mysql client, not SQL")
	case strings.EqualFold(word, "delimiter"):
		line := s.text[s.i:]
		if n := strings.IndexByte(line, '\n'); n >= 0 {
			line = line[:n]
		}
		argument := strings.Fields(line[len(word):])
		if len(argument) == 0 || strings.ContainsAny(argument[0], "\\'\"`") {
			return true, s.errorf(s.line, "write it like DELIMITER //", "DELIMITER needs a terminator, without quotes or backslashes")
		}
		s.ender, s.onlyEnder = argument[0], true
		if s.ender == ";" {
			s.ender, s.onlyEnder = "", false
		}
		s.i += len(line)
		s.reset()
		return true, nil
	case strings.EqualFold(word, "source"):
		return true, s.errorf(s.line, "put that file's statements here", "source is a command of the mysql client, not SQL")
	}
	return false, nil
}

// atEnder reports whether the other terminator stands at i. One made of letters must be a word of its own, and a slash, which
// also divides, the last on its line.
func (s *splitter) atEnder() bool {
	if !strings.HasPrefix(s.text[s.i:], s.ender) {
		return false
	}
	end := s.i + len(s.ender)
	if s.ender == "/" {
		for end < len(s.text) && s.text[end] != '\n' && isSpace(s.text[end]) {
			end++
		}
		return end == len(s.text) || s.text[end] == '\n'
	}
	return !isWordStart(s.ender[0]) || end == len(s.text) || !isWordStart(s.text[end])
}

// followMySQL tracks the blocks of a stored program. BEGIN, END, IF, LOOP, ... are no reserved words to MySQL or are functions
// as well, so they count only where a statement of the body may start; CASE is reserved, and counts anywhere.
func (s *splitter) followMySQL(t string) {
	if s.kind == 0 {
		s.kind = s.mysqlKind(t)
		s.watching = s.kind != plain
		return
	}
	if s.kind == plain {
		return
	}
	if !s.body {
		if !s.findBody(t) {
			return
		}
		s.body, s.position = true, true
	}
	position := s.position
	s.position = false
	if position {
		s.declare, s.handler = t == "declare", false
	}
	switch t {
	case ";", ":":
		s.position = true // after a statement, or a label
	case "handler":
		s.handler = s.declare
	case "begin":
		if position || s.handler && s.prev != "declare" {
			s.push("BEGIN")
			s.position = true
		}
	case "loop", "repeat":
		if s.until && t == "repeat" && s.prev == "end" {
			s.pop()
		} else if position {
			s.push(strings.ToUpper(t))
			s.position = true
		}
	case "if", "while", "for":
		if position {
			s.push(strings.ToUpper(t))
		}
	case "case":
		if position {
			s.push("CASE")
		} else if s.prev != "." && s.prev != "end" {
			s.push("CASE expression")
		}
	case "then", "else", "do":
		s.position = !position && s.top() != "CASE expression" && s.top() != ""
	case "end":
		s.end(position)
	}
	s.until = s.until && t == "end"
}

// end closes a block. As a name it stands elsewhere than at the start of a statement.
func (s *splitter) end(position bool) {
	switch {
	case s.prev == "." || len(s.blocks) == 0:
	case position, s.top() == "CASE expression" && !s.wantsOperand():
		s.pop()
	default:
		s.until = s.top() == "REPEAT"
	}
}

// wantsOperand reports whether the token before this one leaves an expression incomplete, so that END must be a column's name.
func (s *splitter) wantsOperand() bool {
	switch s.prev {
	case "case", "when", "then", "else", "and", "or", "xor", "not", "between", "like", "is", "div", "mod":
		return true
	case ")", "'", `"`, "`":
		return false
	}
	return !isWordStart(s.prev[0])
}

// mysqlKind is 0 while the head does not tell yet.
func (s *splitter) mysqlKind(t string) byte {
	head := s.tokens
	if head[0] == "begin" { // MariaDB's BEGIN NOT ATOMIC
		if len(head) == 1 {
			return 0
		}
		if t != "not" {
			return plain
		}
		s.body = true
		s.push("BEGIN")
		return routine
	}
	if head[0] != "create" && head[0] != "alter" {
		return plain
	}
	if len(head) == 1 || s.prev == "=" || s.prev == "@" || s.prev == "." || len(t) == 1 && !isWordStart(t[0]) {
		return 0
	}
	switch t {
	case "or", "replace", "aggregate", "definer", "sql", "security", "invoker", "temporary":
		return 0
	case "procedure", "function":
		return routine
	case "trigger":
		return trigger
	case "event":
		return event
	}
	return plain
}

// findBody reports whether t is the first token of the body of a stored program. Where the body can start only behind t, it
// notes that itself.
func (s *splitter) findBody(t string) bool {
	switch {
	case s.depth > 0:
	case s.skip1:
		s.skip1, s.body, s.position = false, true, true
	case s.kind == trigger:
		if s.prev != "row" || s.prev2 != "each" {
			return false
		}
		s.skip1 = t == "follows" || t == "precedes"
		return !s.skip1
	case s.kind == event:
		s.body = t == "do"
		s.position = s.body
	case t == ")":
		s.params = true
	case s.params && t == ":":
		s.body, s.position = true, true
	case s.params:
		return s.routineBody(t)
	}
	return false
}

// routineBody tells a routine's characteristics (COMMENT, DETERMINISTIC, ...) from the first word of its body.
func (s *splitter) routineBody(t string) bool {
	switch t {
	case "begin", "if", "case", "loop", "while", "repeat", "for":
		return true
	case "set":
		if s.prev != "returns" && s.prev != "character" {
			s.kind = plain
		}
	case "select", "insert", "update", "delete", "replace", "call", "return", "do", "signal", "with", "truncate", "create", "drop", "alter":
		s.kind = plain
	}
	return false
}
