package mysql

import "strings"

// effects are what a statement that commits by itself leaves in the catalogue.
type effects struct {
	facts []string // conditions that hold together once it ran, and not before
	again bool     // running it twice comes to the same as once
}

// reader takes a statement apart. schema is the default database.
type reader struct {
	tokens []token
	schema string
}

func effectsOf(sql, schema string) effects {
	r := &reader{head(sql, 4000), schema}
	switch {
	case r.take("create"):
		return r.create()
	case r.take("drop"):
		return r.drop()
	case r.take("rename"):
		if r.take("table", "tables") {
			return r.rename()
		}
	case r.take("alter"):
		r.take("online")
		r.take("ignore")
		if r.take("table") {
			return r.alter()
		}
	case r.take("analyze"): // with a statement behind it, it runs that
		return effects{again: r.take("table", "tables", "local", "no_write_to_binlog")}
	case r.take("optimize", "check", "repair", "flush", "lock", "unlock", "grant"):
		return effects{again: true}
	}
	return effects{}
}

func (r *reader) peek(i int) token {
	if i < len(r.tokens) {
		return r.tokens[i]
	}
	return token{}
}

func (r *reader) take(words ...string) bool {
	if len(r.tokens) > 0 && r.tokens[0].is(words...) {
		r.tokens = r.tokens[1:]
		return true
	}
	return false
}

func (r *reader) word() string {
	t := r.peek(0)
	if len(r.tokens) > 0 {
		r.tokens = r.tokens[1:]
	}
	return t.text
}

// ifExists takes IF EXISTS and IF NOT EXISTS.
func (r *reader) ifExists() bool {
	if !r.peek(0).is("if") {
		return false
	}
	r.word()
	r.take("not")
	return r.take("exists")
}

// name takes a name with its database.
func (r *reader) name() (schema, name string) {
	name = r.word()
	if r.take(".") {
		return name, r.word()
	}
	return r.schema, name
}

// exists is a condition on the catalogue. Names of tables are compared as the server does; all others know no case.
func exists(view string, pairs ...string) string {
	var b strings.Builder
	b.WriteString("EXISTS (SELECT 1 FROM information_schema." + view + " WHERE 1 = 1")
	for i := 0; i < len(pairs); i += 2 {
		column, value := pairs[i], lit(pairs[i+1])
		b.WriteString(" AND " + column + " = " + value)
		if strings.HasSuffix(column, "TABLE_NAME") || strings.HasSuffix(column, "SCHEMA") {
			b.WriteString(" AND (@@lower_case_table_names <> 0 OR BINARY " + column + " = BINARY " + value + ")")
		}
	}
	b.WriteString(")")
	return b.String()
}

func table(schema, name string) string {
	return exists("TABLES", "TABLE_SCHEMA", schema, "TABLE_NAME", name)
}

func column(schema, tab, name string) string {
	return exists("COLUMNS", "TABLE_SCHEMA", schema, "TABLE_NAME", tab, "COLUMN_NAME", name)
}

func index(schema, tab, name string) string {
	return exists("STATISTICS", "TABLE_SCHEMA", schema, "TABLE_NAME", tab, "INDEX_NAME", name)
}

func constraint(schema, tab, name string) string {
	return exists("TABLE_CONSTRAINTS", "TABLE_SCHEMA", schema, "TABLE_NAME", tab, "CONSTRAINT_NAME", name)
}

func not(conditions ...string) (out []string) {
	for _, c := range conditions {
		out = append(out, "NOT "+c)
	}
	return out
}

// object is the condition that a thing of this kind exists.
func object(kind, schema, name string) string {
	switch strings.ToLower(kind) {
	case "table", "view", "sequence":
		return table(schema, name)
	case "trigger":
		return exists("TRIGGERS", "TRIGGER_SCHEMA", schema, "TRIGGER_NAME", name)
	case "procedure", "function":
		return exists("ROUTINES", "ROUTINE_SCHEMA", schema, "ROUTINE_NAME", name, "ROUTINE_TYPE", strings.ToUpper(kind))
	case "event":
		return exists("EVENTS", "EVENT_SCHEMA", schema, "EVENT_NAME", name)
	case "database", "schema":
		return exists("SCHEMATA", "SCHEMA_NAME", name)
	}
	return ""
}

// kind takes the words up to the kind of thing: DEFINER = x@y, SQL SECURITY INVOKER, UNIQUE, AGGREGATE...
func (r *reader) kind() string {
	for i := 0; i < 20 && len(r.tokens) > 0; i++ {
		t := r.peek(0)
		if t.is("user", "role", "server", "tablespace", "logfile") {
			return ""
		}
		r.word()
		if t.is("index") || object(t.text, "", "") != "" && t.quoted == 0 {
			return strings.ToLower(t.text)
		}
	}
	return ""
}

func (r *reader) create() effects {
	if r.take("or") {
		return effects{again: r.take("replace")}
	}
	kind := r.kind()
	if r.ifExists() {
		return effects{again: true}
	}
	if kind == "index" {
		name := r.word()
		for len(r.tokens) > 0 && !r.take("on") { // USING BTREE
			r.word()
		}
		schema, tab := r.name()
		return effects{facts: []string{index(schema, tab, name)}}
	}
	if kind == "" {
		return effects{}
	}
	schema, name := r.name()
	return effects{facts: []string{object(kind, schema, name)}}
}

func (r *reader) drop() effects {
	kind := r.kind()
	if r.ifExists() {
		return effects{again: true}
	}
	switch kind {
	case "":
		return effects{}
	case "index":
		name := r.word()
		r.take("on")
		schema, tab := r.name()
		return effects{facts: not(index(schema, tab, name))}
	}
	var e effects
	for {
		schema, name := r.name()
		e.facts = append(e.facts, not(object(kind, schema, name))...)
		if !r.take(",") {
			return e
		}
	}
}

func (r *reader) rename() effects {
	type ends struct{ schema, name string }
	var from, to []ends
	r.ifExists()
	for {
		s, n := r.name()
		from = append(from, ends{s, n})
		r.take("to")
		s, n = r.name()
		to = append(to, ends{s, n})
		if !r.take(",") {
			break
		}
	}
	in := func(list []ends, x ends) bool {
		for _, y := range list {
			if x == y {
				return true
			}
		}
		return false
	}
	var e effects // of a chain, only its ends tell
	for i := range from {
		if !in(to, from[i]) {
			e.facts = append(e.facts, not(table(from[i].schema, from[i].name))...)
		}
		if !in(from, to[i]) {
			e.facts = append(e.facts, table(to[i].schema, to[i].name))
		}
	}
	return e
}

// alter takes the clauses of an ALTER TABLE, which take effect together.
func (r *reader) alter() effects {
	r.ifExists()
	schema, tab := r.name()
	if r.take("wait") {
		r.word()
	}
	r.take("nowait")
	e := effects{again: true}
	depth, from := 0, 0
	for i := 0; i <= len(r.tokens); i++ {
		t := r.peek(i)
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		if i < len(r.tokens) && (depth > 0 || !t.is(",")) {
			continue
		}
		c := &reader{r.tokens[from:i], schema}
		from = i + 1
		if c.peek(0).is("rename") && !c.peek(1).is("column", "index", "key") { // the other clauses' table has another name then
			c.word()
			c.take("to", "as")
			s, n := c.name()
			return effects{facts: append(not(table(schema, tab)), table(s, n))}
		}
		one := c.clause(schema, tab)
		e.facts = append(e.facts, one.facts...)
		e.again = e.again && one.again
	}
	return e
}

func (r *reader) clause(schema, tab string) effects {
	switch {
	case r.take("add"):
		return r.add(schema, tab)
	case r.take("drop"):
		if r.take("primary") {
			return effects{facts: not(index(schema, tab, "PRIMARY"))}
		}
		check := column
		switch {
		case r.take("index", "key"):
			check = index
		case r.take("foreign"):
			r.take("key")
			check = constraint
		case r.take("constraint", "check"):
			check = constraint
		case r.take("column"):
		case r.peek(0).is("partition", "period", "system"):
			return effects{}
		}
		again := r.ifExists()
		return effects{facts: not(check(schema, tab, r.word())), again: again}
	case r.take("rename"):
		check := column
		if r.take("index", "key") {
			check = index
		}
		r.take("column")
		again := r.ifExists()
		from := r.word()
		r.take("to")
		return effects{facts: append(not(check(schema, tab, from)), check(schema, tab, r.word())), again: again}
	case r.take("change"):
		r.take("column")
		again := r.ifExists()
		from, to := r.word(), r.word()
		if strings.EqualFold(from, to) {
			return effects{again: true}
		}
		return effects{facts: append(not(column(schema, tab, from)), column(schema, tab, to)), again: again}
	case r.take("modify"), r.peek(0).is("enable", "disable") && r.peek(1).is("keys"):
		return effects{again: true}
	case r.take("algorithm", "lock"):
		return effects{again: true}
	}
	return effects{}
}

func (r *reader) add(schema, tab string) effects {
	check, columns := index, false
	switch {
	case r.peek(0).is("partition", "period", "system", "check", "foreign"):
		return effects{}
	case r.take("primary"):
		return effects{facts: []string{index(schema, tab, "PRIMARY")}}
	case r.take("constraint"):
		again := r.ifExists()
		name := r.word()
		if r.take("primary") {
			return effects{facts: []string{index(schema, tab, "PRIMARY")}}
		}
		return effects{facts: []string{constraint(schema, tab, name)}, again: again}
	case r.take("index", "key"):
	case r.take("unique", "fulltext", "spatial"):
		r.take("index", "key")
	default:
		r.take("column")
		check, columns = column, true
	}
	again := r.ifExists()
	if r.peek(0).is("(") && !columns { // the server makes up the index's name
		return effects{}
	}
	if r.take("(") {
		var e effects
		depth, first := 0, true
		for len(r.tokens) > 0 && depth >= 0 {
			t := r.peek(0)
			if first && t.text != "" {
				e.facts = append(e.facts, column(schema, tab, t.text))
			}
			first = depth == 0 && t.is(",")
			if t.is("(") {
				depth++
			} else if t.is(")") {
				depth--
			}
			r.word()
		}
		e.again = again
		return e
	}
	return effects{facts: []string{check(schema, tab, r.word())}, again: again}
}
