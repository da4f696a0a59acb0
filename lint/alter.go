package lint

import (
	"slices"

	"github.com/schemagate/schemagate/migrations"
)

// alteration is one ALTER TABLE and the action of it that is being read.
type alteration struct {
	*linter
	table string
	busy  bool
	rel   *relation
	// mode is the lock that the action takes on the table.
	mode string
	line int
}

func (l *linter) alterTable(c *cursor) {
	if c.is("all", "in") {
		return
	}
	c.ifExists()
	table, _ := c.relation()
	if table == "" {
		return
	}
	first, strongest := len(l.found), ""
	for _, action := range c.split(",") {
		if action.done() {
			continue
		}
		a := alteration{linter: l, table: table, busy: l.busy(table), mode: accessExclusive, line: action.line()}
		a.rel = l.cat.ensure(table)
		a.action(action)
		if a.mode != "" {
			l.lock(a.table, a.mode, a.line)
		}
		if a.mode == accessExclusive {
			strongest = a.mode
		}
	}
	// PostgreSQL takes the strongest lock of all actions at once.
	for i := first; strongest != "" && i < len(l.found); i++ {
		if f := &l.found[i]; f.Rule == "foreign-key-without-not-valid" && f.Table == table && l.Dialect == migrations.Postgres {
			f.Lock, f.Blocks = strongest, blocksAll
		}
	}
}

// report leaves out what concerns a table that nobody uses yet.
func (a *alteration) report(id, format string, args ...any) {
	if a.busy {
		a.linter.report(id, a.line, a.table, format, args...)
	}
}

func (a *alteration) action(c *cursor) {
	switch {
	case a.Dialect == migrations.MySQL && a.mysql(c):
	case c.take("add"):
		a.add(c)
	case c.take("alter", "constraint"):
	case c.take("alter"):
		c.take("column")
		a.alterColumn(c)
	case c.take("drop"):
		a.drop(c)
	case c.take("rename"):
		a.rename(c)
	case c.take("validate", "constraint"):
		a.mode = shareUpdateExclusive
		a.validate(c.name())
	case c.take("attach", "partition"):
		a.attach(c)
	case c.take("detach", "partition"):
		if c.has("concurrently") || c.has("finalize") {
			a.mode = shareUpdateExclusive
			break
		}
		a.report("detach-without-concurrently", "DETACH PARTITION from %s without CONCURRENTLY", a.table)
	case c.take("set"):
		a.set(c)
	case c.take("cluster"), c.take("reset"):
		a.mode = shareUpdateExclusive
	case c.takeAny("enable", "disable") && c.takeAny("trigger", "always", "replica"):
		a.mode = shareRowExclusive
	}
}

func (a *alteration) add(c *cursor) {
	if isConstraint(c) {
		a.addConstraint(c)
		return
	}
	c.take("column")
	c.ifExists()
	d := readColumn(c)
	if d.name == "" {
		return
	}
	a.rel.columns[d.name] = &column{typ: d.typ, notNull: d.notNull}
	for i := range d.constraints {
		d.constraints[i].valid = true
		a.rel.learn(d.constraints[i])
	}
	call := a.volatileCall(d.defaultExpr)
	switch {
	case d.typ.serial() || d.identity:
		a.report("add-serial-column", "adds %s, which numbers every row of %s", d.name, a.table)
	case d.stored:
		a.report("add-generated-column", "adds %s, which is computed for every row of %s", d.name, a.table)
	case a.cat.domains[d.typ.base]:
		a.report("add-domain-column", "adds %s of the type %s, a domain with a constraint", d.name, d.typ.base)
	case d.hasDefault && call != "":
		a.report("volatile-default", "adds %s with a default that calls %s, which is, or may be, volatile", d.name, call)
	case d.notNull && !d.hasDefault && !slices.ContainsFunc(d.constraints, func(k constraint) bool { return k.kind == primaryKey }):
		a.report("add-not-null-column", "adds %s as NOT NULL without a default", d.name)
	}
	for _, k := range d.constraints {
		switch {
		case k.kind == uniqueKey || k.kind == primaryKey:
			a.report("unique-without-index", "adds %s with an index that is built under the lock", d.name)
		case k.kind == checkConstraint:
			a.report("check-without-not-valid", "adds %s with a CHECK that reads every row", d.name)
		case k.kind == foreignKey:
			if d.hasDefault {
				a.report("foreign-key-without-not-valid", "adds %s with a default and a foreign key, for which every row is looked up", d.name)
				a.override(accessExclusive, blocksAll)
			}
			a.lock(k.target, shareRowExclusive, a.line)
		}
	}
}

// override gives the last finding another lock than its rule says.
func (a *alteration) override(mode, blocks string) {
	if n := len(a.found); a.busy && a.linted && n > 0 {
		a.found[n-1].Lock, a.found[n-1].Blocks = mode, blocks
	}
}

func (a *alteration) addConstraint(c *cursor) {
	k := readConstraint(c)
	k.valid = !k.notValid
	switch {
	case k.usingIndex:
	case k.kind == uniqueKey || k.kind == primaryKey:
		a.report("unique-without-index", "adds a %s constraint whose index is built under the lock", k.kind)
	case k.kind == exclusion:
		a.report("exclusion-constraint", "adds an exclusion constraint")
	case k.kind == checkConstraint && !k.notValid:
		a.report("check-without-not-valid", "adds a CHECK that reads every row of %s", a.table)
	case k.kind == foreignKey:
		a.mode = shareRowExclusive
		if !k.notValid {
			a.report("foreign-key-without-not-valid", "adds a foreign key to %s, for which every row of %s is looked up", k.target, a.table)
		}
		if k.target != a.table {
			a.lock(k.target, shareRowExclusive, a.line)
		}
	}
	a.rel.learn(k)
}

func (a *alteration) validate(name string) {
	if a.busy {
		a.work(a.line, a.table, "reads every row of "+a.table)
	}
	if k := a.rel.checks[name]; k != nil {
		k.valid = true
	}
}

func (a *alteration) alterColumn(c *cursor) {
	name := c.name()
	col := a.rel.columns[name]
	switch {
	case c.take("set", "not", "null"):
		if !a.rel.provesNotNull(name) {
			a.report("set-not-null", "SET NOT NULL on %s without a valid CHECK (%s IS NOT NULL)", name, name)
		}
		if col == nil {
			col = &column{}
			a.rel.columns[name] = col
		}
		col.notNull = true
	case c.take("drop", "not", "null"):
		if col != nil {
			col.notNull = false
		}
	case c.take("set", "statistics"):
		a.mode = shareUpdateExclusive
	case c.take("set", "data", "type"), c.take("type"):
		a.columnType(c, name, col)
	}
}

func (a *alteration) columnType(c *cursor, name string, col *column) {
	to, from := readType(c), sqlType{}
	if col != nil {
		from = col.typ
	} else {
		col = &column{}
		a.rel.columns[name] = col
	}
	col.typ = to
	if i := c.index("using"); i >= 0 {
		c.i = i + 1
		e := c.rest().unwrapped()
		if e.name() != name || e.take(":", ":") && readType(e).String() != to.String() || !e.done() {
			from = sqlType{}
		}
	}
	if rewrites(from, to) {
		was := ""
		if from.base != "" {
			was = " from " + from.String()
		}
		a.report("column-type", "changes the type of %s%s to %s", name, was, to)
		return
	}
	for _, k := range a.rel.checks {
		if k.valid && k.names[name] && a.busy {
			f := a.linter.report("column-type", a.line, a.table, "changes the type of %s, for which a CHECK reads every row again", name)
			f.Rewrites = false
			return
		}
	}
}

func (a *alteration) drop(c *cursor) {
	if c.take("constraint") {
		c.ifExists()
		delete(a.rel.checks, c.name())
		return
	}
	if a.Dialect == migrations.MySQL && (c.is("index") || c.is("key") || c.is("primary") || c.is("foreign") || c.is("check") || c.is("partition")) {
		return
	}
	c.take("column")
	c.ifExists()
	name := c.name()
	if name == "" {
		return
	}
	delete(a.rel.columns, name)
	if !a.free() {
		a.report("drop-column", "drops %s.%s, which the running release may still use", a.table, name)
	}
}

func (a *alteration) rename(c *cursor) {
	switch {
	case c.take("constraint"):
		if k, from := a.rel.checks[c.at(0).name], c.name(); k != nil && c.take("to") {
			delete(a.rel.checks, from)
			a.rel.checks[c.name()] = k
		}
	case c.takeAny("to", "as"), a.Dialect == migrations.MySQL && !c.is("column") && !c.is("index") && !c.is("key"):
		to := c.name()
		a.lock(a.table, a.mode, a.line)
		a.mode = ""
		a.renamed(a.table, to, a.line)
	case c.is("index"), c.is("key"):
	default:
		c.take("column")
		from := c.name()
		c.take("to")
		to := c.name()
		if col := a.rel.columns[from]; col != nil {
			delete(a.rel.columns, from)
			a.rel.columns[to] = col
		}
		for _, k := range a.rel.checks {
			for _, names := range []map[string]bool{k.notNull, k.names} {
				if names[from] {
					delete(names, from)
					names[to] = true
				}
			}
		}
		if !a.free() {
			a.report("rename-column", "renames %s.%s to %s, which the running release does not know", a.table, from, to)
		}
	}
}

func (a *alteration) attach(c *cursor) {
	a.mode = shareUpdateExclusive
	child := c.name()
	r := a.cat.table(child)
	if a.linter.busy(child) && (r == nil || !r.hasValidCheck()) {
		a.linter.report("attach-partition-scan", a.line, child, "attaches %s without a CHECK that proves its bounds", child)
	}
	a.lock(child, accessExclusive, a.line)
}

func (a *alteration) set(c *cursor) {
	switch {
	case c.is("logged"), c.is("unlogged"), c.is("tablespace"), c.is("access", "method"):
		a.report("table-rewrite", "SET %s copies %s", c.at(0).text, a.table)
	case c.take("schema"):
		to := c.name() + "." + a.table
		if !a.free() {
			a.report("rename-table", "moves %s to %s, where the running release may not find it", a.table, to)
		}
		a.lock(a.table, a.mode, a.line)
		a.mode = ""
		a.cat.drop(a.table)
		a.cat.tables[to] = a.rel
	case c.is("("):
		a.mode = shareUpdateExclusive
	}
}
