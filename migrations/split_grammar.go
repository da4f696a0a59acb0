package migrations

// grammar is what a dialect needs to remember of a statement to tell which semicolons stand in a body.
type grammar struct {
	kind     byte
	watching bool // every word is wanted, not only the head
	copies   bool // PostgreSQL: COPY ... FROM stdin
	blocks   []block
	mysqlBody
}

// block is an opened BEGIN, CASE, IF, LOOP, ...
type block struct {
	word string
	line int
}

// The kinds of statement that a grammar tells apart; 0 is not yet known.
const (
	plain   byte = 1 + iota
	copying      // PostgreSQL
	routine      // a function or procedure
	trigger
	event // MySQL
	// The rest are SQLite's states inside a trigger.
	triggerSemicolon // after a semicolon
	triggerEnd       // after "; END"
)

func (s *splitter) follow(t string) {
	switch s.dialect {
	case Postgres:
		s.followPostgres(t)
	case MySQL:
		s.followMySQL(t)
	case SQLite:
		s.followSQLite(t)
	}
}

// inside reports whether a semicolon at this point belongs to the statement.
func (s *splitter) inside() bool {
	switch s.dialect {
	case Postgres:
		return s.depth > 0 || len(s.blocks) > 0
	case MySQL:
		return s.exec > 0 || len(s.blocks) > 0
	}
	return s.kind == trigger || s.kind == triggerSemicolon
}

// unclosed is the problem of a text that ends inside a body.
func (s *splitter) unclosed() *Problem {
	if len(s.blocks) > 0 {
		b := s.blocks[len(s.blocks)-1]
		remedy := "close it"
		if s.dialect == MySQL {
			remedy = "close it, or put the statement between DELIMITER lines"
		}
		return s.errorf(b.line, remedy, "%s has no END", b.word)
	}
	if s.dialect == SQLite && s.inside() {
		return s.errorf(s.began, "close its body with ; END;", "trigger is never closed")
	}
	if s.dialect == Postgres && s.depth > 0 {
		return s.errorf(s.opened, "close it with )", "parenthesis is never closed")
	}
	return nil
}

func (s *splitter) push(word string) { s.blocks = append(s.blocks, block{word, s.line}) }

func (s *splitter) pop() { s.blocks = s.blocks[:len(s.blocks)-1] }

// top is the word of the innermost block.
func (s *splitter) top() string {
	if len(s.blocks) == 0 {
		return ""
	}
	return s.blocks[len(s.blocks)-1].word
}

// followPostgres looks for BEGIN ATOMIC ... END in functions, and for COPY ... FROM stdin.
func (s *splitter) followPostgres(t string) {
	if s.kind == 0 {
		s.kind = postgresKind(s.tokens)
		s.watching = s.kind == copying || s.kind == routine
		return
	}
	if !s.watching || s.depth > 0 {
		return
	}
	switch {
	case s.kind == copying:
		s.copies = s.copies || t == "stdin" && s.prev == "from"
	case t == "atomic" && s.prev == "begin" && len(s.blocks) == 0:
		s.push("BEGIN ATOMIC")
	case len(s.blocks) == 0 || s.prev == "." || s.prev == "as":
		// a name or a label
	case t == "case":
		s.push("CASE")
	case t == "end":
		s.pop()
	}
}

// postgresKind is 0 while the head does not tell yet.
func postgresKind(head []string) byte {
	if head[0] == "copy" {
		return copying
	}
	if head[0] != "create" {
		return plain
	}
	i := 1
	if len(head) > 1 && head[1] == "or" {
		i = 3
	}
	if len(head) <= i {
		return 0
	}
	if head[i] == "function" || head[i] == "procedure" {
		return routine
	}
	return plain
}

// followSQLite is the rule of SQLite's own shell: a trigger ends at "; END ;" and nowhere else.
func (s *splitter) followSQLite(t string) {
	switch s.kind {
	case 0:
		s.kind = sqliteKind(s.tokens)
		s.watching = s.kind == trigger
	case trigger, triggerSemicolon, triggerEnd:
		switch {
		case t == ";":
			s.kind = triggerSemicolon
		case t == "end" && s.kind == triggerSemicolon:
			s.kind = triggerEnd
		default:
			s.kind = trigger
		}
	}
}

func sqliteKind(head []string) byte {
	if head[0] != "create" {
		return plain
	}
	i := 1
	if len(head) > 1 && (head[1] == "temp" || head[1] == "temporary") {
		i = 2
	}
	if len(head) <= i {
		return 0
	}
	if head[i] == "trigger" {
		return trigger
	}
	return plain
}
