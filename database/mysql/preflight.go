package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// granted is one line of SHOW GRANTS.
type granted struct {
	privileges []string // in capitals; ALL PRIVILEGES is one
	schema     string   // a pattern; empty: everywhere
	table      string   // empty: all of them
}

// rights are what a user may do.
type rights struct {
	lines []granted
	// unsure: there are roles, whose rights are not listed.
	unsure bool
}

// own are the privileges that our tables ask for.
var own = []struct{ table, privileges string }{
	{"fence", "SELECT INSERT UPDATE"}, {"history", "SELECT INSERT"}, {"lease", "SELECT INSERT UPDATE"},
	{"sessions", "SELECT INSERT UPDATE DELETE"}, {"replicas", "SELECT INSERT UPDATE DELETE"},
}

// Preflight reads SHOW GRANTS, and the heads of the statements.
func (d *DB) Preflight(ctx context.Context, changes []database.Change) (missing []database.Missing, err error) {
	c, err := d.control(ctx, true)
	if err != nil {
		return nil, err
	}
	r, user, err := d.rights(ctx, c)
	if err != nil || r.unsure {
		return nil, err
	}
	ask := func(what, schema, table string, privileges ...string) {
		var lacks []string
		for _, p := range privileges {
			if !r.has(p, schema, table) {
				lacks = append(lacks, p)
			}
		}
		scope := ident(schema) + ".*"
		if table != "" {
			scope = ident(schema) + "." + ident(table)
		}
		m := database.Missing{What: what, Grant: fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(lacks, ", "), scope, user)}
		if len(lacks) > 0 && !slices.ContainsFunc(missing, func(o database.Missing) bool { return o.Grant == m.Grant }) {
			missing = append(missing, m)
		}
	}
	there, err := c.rows(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+lit(d.schema)+" AND TABLE_NAME LIKE 'schemagate\\_%'")
	if err != nil {
		return nil, classify(err)
	}
	for _, t := range own {
		name := "schemagate_" + t.table
		if slices.ContainsFunc(there, func(row []string) bool { return row[0] == name }) {
			ask("use schemagate's own tables", d.schema, name, strings.Fields(t.privileges)...)
		} else {
			ask("make and use schemagate's own tables", d.schema, "", "CREATE", "SELECT", "INSERT", "UPDATE", "DELETE")
		}
	}
	for _, ch := range changes {
		if !d.needs(ch, ask) {
			break
		}
	}
	if len(there) > 0 && r.has("SELECT", d.schema, "schemagate_lease") && !slices.ContainsFunc([]string{"CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER"}, func(p string) bool { return r.has(p, "", "") }) {
		rows, err := c.rows(ctx, "SELECT 1 FROM "+d.table("lease")+d.mine()+" AND owner NOT IN ('', substring_index(current_user(), '@', 1))")
		if err == nil && len(rows) > 0 {
			missing = append(missing, database.Missing{What: "end the connections of a leader that another user was",
				Grant: "GRANT CONNECTION ADMIN ON *.* TO " + user + " (on MySQL CONNECTION_ADMIN)", Advice: true})
		}
	}
	return missing, nil
}

// rights reads what the session's user may do.
func (d *DB) rights(ctx context.Context, c *conn) (r rights, user string, err error) {
	rows, err := c.rows(ctx, "SELECT current_user()")
	if err != nil {
		return r, "", classify(err)
	}
	name, host := rows[0][0], ""
	if i := strings.LastIndex(name, "@"); i >= 0 {
		name, host = name[:i], name[i+1:]
	}
	user = fmt.Sprintf("'%s'@'%s'", name, host)
	if rows, err = c.rows(ctx, "SHOW GRANTS"); err != nil {
		return r, "", classify(err)
	}
	for _, row := range rows {
		r.add(row[0])
	}
	return r, user, nil
}

// add reads GRANT a, b (x, y) ON scope TO ..., or GRANT role TO ...
func (r *rights) add(line string) {
	l := lexer{line}
	if t, ok := l.next(); !ok || !t.is("grant") {
		return
	}
	g, word, depth := granted{}, "", 0
	for t, ok := l.next(); ok; t, ok = l.next() {
		switch {
		case t.quoted != 0 && depth == 0, t.is("proxy"), t.is("to"): // a role, or what is none of ours
			r.unsure = r.unsure || t.quoted != 0
			return
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case depth > 0:
		case t.text == ",":
			g.privileges, word = append(g.privileges, word), ""
		case t.is("on"):
			g.privileges = append(g.privileges, word)
			if g.scope(&l) {
				r.lines = append(r.lines, g)
			}
			return
		default:
			word = strings.TrimSpace(word + " " + strings.ToUpper(t.text))
		}
	}
}

// scope reads *.*, `schema`.* or `schema`.`table`.
func (g *granted) scope(l *lexer) bool {
	schema, _ := l.next()
	if schema.is("procedure", "function", "package") {
		return false
	}
	l.next() // the dot
	table, ok := l.next()
	if schema.quoted != 0 {
		g.schema = schema.text
	}
	if table.quoted != 0 {
		g.table = table.text
	}
	return ok
}

// has tells whether the user has a privilege in the schema; without a table, one on some table will do.
func (r *rights) has(privilege, schema, table string) bool {
	return slices.ContainsFunc(r.lines, func(g granted) bool {
		if !slices.Contains(g.privileges, privilege) && !slices.Contains(g.privileges, "ALL PRIVILEGES") {
			return false
		}
		switch {
		case g.schema == "":
			return true
		case schema == "":
			return false
		case g.table != "":
			return g.schema == schema && (table == "" && privilege != "CREATE" || g.table == table)
		}
		return like(g.schema, schema)
	})
}

// like matches a pattern of GRANT: _ is any character, % any text, and a backslash takes that away.
func like(pattern, s string) bool {
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			for j := range len(s) + 1 {
				if like(pattern[i+1:], s[j:]) {
					return true
				}
			}
			return false
		case s == "":
			return false
		case c == '_':
			s = s[1:]
			continue
		case c == '\\' && i+1 < len(pattern):
			i++
			fallthrough
		default:
			if pattern[i] != s[0] {
				return false
			}
			s = s[1:]
		}
	}
	return s == ""
}

// needs reads the heads of a change's statements; behind one that gives rights there is no going on.
func (d *DB) needs(ch database.Change, ask func(what, schema, table string, privileges ...string)) (goOn bool) {
	for _, st := range ch.Statements[min(ch.From, len(ch.Statements)):] {
		h := head(st.SQL, 16)
		if len(h) < 2 {
			continue
		}
		if h[0].is("use") {
			return true
		}
		if h[0].is("grant") || h[0].is("set") && h[1].is("role") {
			return false
		}
		if privilege := privilegeFor(h); privilege != "" {
			ask(fmt.Sprintf("%s (%s:%d)", strings.ToLower(h[0].text), ch.File, st.Line), d.name, "", privilege)
		}
	}
	return true
}

// privilegeFor is what a statement needs in the schema that it is in.
func privilegeFor(h []token) string {
	first := h[0]
	switch {
	case first.is("insert", "update", "delete"):
		return strings.ToUpper(first.text)
	case first.is("replace"):
		return "DELETE"
	case first.is("truncate"):
		return "DROP"
	case first.is("alter") && h[1].is("table"):
		return "ALTER"
	case first.is("create", "drop"):
	default:
		return ""
	}
	for i, t := range h[1:] {
		before := h[i]
		switch {
		case before.text == "=" || before.text == "@": // DEFINER = view@host
		case t.is("temporary"):
			return ""
		case t.is("table", "sequence") || t.is("view") && first.is("drop"):
			return strings.ToUpper(first.text)
		case t.is("index"):
			return "INDEX"
		case t.is("view"):
			return "CREATE VIEW"
		case t.is("trigger", "event"):
			return strings.ToUpper(t.text)
		case t.is("procedure", "function") && first.is("create"):
			return "CREATE ROUTINE"
		case t.is("procedure", "function", "database", "schema", "user", "role", "server"):
			return ""
		}
	}
	return ""
}

var _ database.Preflighter = (*DB)(nil)
