package lint

import "strings"

// statement reads one statement: what is to be warned of, and what it makes of the catalogue.
func (l *linter) statement(c *cursor) {
	switch {
	case c.take("create"):
		l.create(c)
	case c.take("alter", "table"), c.take("alter", "online", "table"), c.take("alter", "ignore", "table"), c.take("alter", "foreign", "table"):
		l.alterTable(c)
	case c.take("alter", "type"):
		l.alterType(c)
	case c.take("alter", "materialized", "view"), c.take("alter", "view"):
		l.alterView(c)
	case c.take("alter", "index"):
		c.ifExists()
		from := c.name()
		if t, known := l.cat.indexes[from]; known && c.take("rename", "to") {
			delete(l.cat.indexes, from)
			l.cat.indexes[c.name()] = t
		}
	case c.take("alter", "domain"):
		if name := c.name(); c.is("add") {
			l.cat.domains[name] = true
		}
	case c.take("drop"):
		l.drop(c)
	case c.take("rename", "table"):
		l.renameTables(c)
	case c.take("truncate"):
		c.take("table")
		for _, t := range c.relations() {
			if l.busy(t) {
				l.report("truncate", l.line, t, "TRUNCATE %s", t)
			}
			l.lock(t, accessExclusive, l.line)
		}
	case c.take("cluster"):
		l.cluster(c)
	case c.take("vacuum"):
		l.vacuum(c)
	case c.take("reindex"):
		l.reindex(c)
	case c.take("refresh", "materialized", "view"):
		l.refresh(c)
	case c.take("lock"):
		l.lockTable(c)
	case c.is("update"), c.is("delete"), c.is("insert"), c.is("with"):
		l.change(c)
	}
}

func (l *linter) create(c *cursor) {
	c.take("or", "replace")
	unique := c.takeAny("unique", "fulltext", "spatial")
	_ = c.takeAny("global", "local")
	temporary := c.takeAny("temporary", "temp")
	c.take("unlogged")
	switch {
	case c.take("index"):
		l.createIndex(c)
	case unique:
	case c.take("table"):
		l.createTable(c, temporary)
	case c.take("materialized", "view"):
		c.ifExists()
		l.cat.tables[c.name()] = newRelation(l.m.Up.File)
	case c.take("domain"):
		name := c.name()
		l.cat.domains[name] = c.has("check") || c.has("not", "null")
	case c.take("function"):
		if name := c.name(); c.has("immutable") || c.has("stable") {
			l.cat.calm[name] = true
		}
	case c.take("trigger"), c.take("constraint", "trigger"):
		if i := c.index("on"); i >= 0 {
			c.i = i + 1
			l.lock(c.name(), shareRowExclusive, l.line)
		}
	case c.take("policy"):
		l.lockBehind(c, "on")
	case c.take("rule"):
		l.lockBehind(c, "to")
	}
}

// lockBehind notes the lock that a policy or a rule takes on the table behind a word; on a view it is nobody's business.
func (l *linter) lockBehind(c *cursor, word string) {
	if i := c.index(word); i >= 0 {
		c.i = i + 1
		if t := c.name(); l.cat.table(t) != nil {
			l.lock(t, accessExclusive, l.line)
		}
	}
}

func (l *linter) createTable(c *cursor, temporary bool) {
	c.ifExists()
	name := c.name()
	r := newRelation(l.m.Up.File)
	r.temporary = temporary
	if c.take("partition", "of") {
		parent := c.name()
		l.lock(parent, accessExclusive, l.line)
		if p := l.cat.table(parent); p != nil {
			r.columns, r.checks = p.columns, p.checks
		}
	}
	if body := c.group(); body != nil {
		for _, t := range r.define(body) {
			if t != name {
				l.lock(t, shareRowExclusive, l.line)
			}
		}
	}
	r.partitioned = c.has("partition", "by")
	l.cat.tables[name] = r
	if c.index("as") >= 0 && c.index("select") >= 0 {
		l.work(l.line, "", "copies rows")
	}
}

func (l *linter) createIndex(c *cursor) {
	concurrently := c.take("concurrently")
	c.ifExists()
	name := ""
	if !c.is("on") {
		name = c.name()
	}
	if i := c.index("on"); i >= 0 {
		c.i = i + 1
	}
	t, only := c.relation()
	if name != "" {
		l.cat.indexes[name] = t
	}
	r := l.cat.table(t)
	switch partitioned := r != nil && r.partitioned; {
	case !l.busy(t):
	case concurrently && partitioned:
		l.report("concurrently-on-partitioned", l.line, t, "CREATE INDEX CONCURRENTLY on %s, which is partitioned", t)
	case concurrently, only && partitioned:
	default:
		l.report("index-without-concurrently", l.line, t, "CREATE INDEX on %s without CONCURRENTLY", t)
		l.lock(t, share, l.line)
	}
}

func (l *linter) alterType(c *cursor) {
	name := c.name()
	if c.take("add", "value") {
		c.ifExists()
		if value, ok := c.at(0).literal(); ok && !l.m.Up.NoTransaction {
			l.tx.enums[value] = name
		}
	}
}

// enumUse warns of a value that its own transaction may not use yet.
func (l *linter) enumUse(c *cursor) {
	if len(l.tx.enums) == 0 || c.is("alter", "type") || c.is("comment") {
		return
	}
	for _, t := range c.toks {
		value, ok := t.literal()
		if name := l.tx.enums[value]; ok && name != "" && value != "" {
			l.report("enum-value-in-transaction", t.line, "", "uses '%s' in the transaction that adds it to %s", value, name)
			delete(l.tx.enums, value)
		}
	}
}

func (l *linter) alterView(c *cursor) {
	c.ifExists()
	name := c.name()
	if c.take("rename", "to") {
		to := c.name()
		if !l.free() && l.busy(name) {
			l.report("rename-table", l.line, name, "renames %s to %s, which the running release does not know", name, to)
		}
		l.lock(name, accessExclusive, l.line)
		l.cat.rename(name, to)
	}
}

func (l *linter) drop(c *cursor) {
	switch {
	case c.take("temporary", "table"):
	case c.take("table"):
		c.ifExists()
		for _, t := range c.relations() {
			if !l.free() && l.busy(t) {
				l.report("drop-table", l.line, t, "drops %s, which the running release may still use", t)
			}
			l.lock(t, accessExclusive, l.line)
			l.cat.drop(t)
		}
	case c.take("index"):
		concurrently := c.take("concurrently")
		c.ifExists()
		for _, index := range c.relations() {
			t, known := l.cat.indexes[index]
			if !concurrently && (!known || l.busy(t)) {
				l.report("drop-index-without-concurrently", l.line, t, "DROP INDEX %s without CONCURRENTLY", index)
				l.lock(t, accessExclusive, l.line)
			}
			delete(l.cat.indexes, index)
		}
	case c.take("materialized", "view"):
		c.ifExists()
		for _, v := range c.relations() {
			l.lock(v, accessExclusive, l.line)
			l.cat.drop(v)
		}
	}
}

// renameTables reads MySQL's RENAME TABLE a TO b, ...
func (l *linter) renameTables(c *cursor) {
	c.ifExists()
	for _, pair := range c.split(",") {
		from := pair.name()
		if pair.take("to") && from != "" {
			l.renamed(from, pair.name(), l.line)
		}
	}
}

func (l *linter) renamed(from, to string, line int) {
	if !l.free() && l.busy(from) {
		l.report("rename-table", line, from, "renames %s to %s, which the running release does not know", from, to)
	}
	l.cat.rename(from, to)
}

func (l *linter) cluster(c *cursor) {
	c.group()
	c.take("verbose")
	t := c.name()
	if l.busy(t) || t == "" {
		l.report("cluster", l.line, t, "CLUSTER %s", t)
	}
	l.lock(t, accessExclusive, l.line)
}

func (l *linter) vacuum(c *cursor) {
	full := false
	if options := c.group(); options != nil {
		for _, o := range options.split(",") {
			full = full || o.take("full") && !o.takeAny("false", "off", "0")
		}
	} else {
		full = c.take("full")
		for c.takeAny("freeze", "verbose", "analyze") {
		}
	}
	if full {
		tables := c.relations()
		if len(tables) == 0 {
			tables = []string{""}
		}
		for _, t := range tables {
			l.report("vacuum-full", l.line, t, "VACUUM FULL %s", t)
		}
	}
}

func (l *linter) reindex(c *cursor) {
	concurrently := false
	if options := c.group(); options != nil {
		for _, o := range options.split(",") {
			concurrently = concurrently || o.take("concurrently") && !o.takeAny("false", "off", "0")
		}
	}
	what := c.at(0).word
	c.i++
	concurrently = c.take("concurrently") || concurrently
	name := c.name()
	t := name
	if what == "index" {
		t = l.cat.indexes[name]
	}
	if !concurrently && (what != "table" && t == "" || l.busy(t)) {
		if what != "index" && what != "table" {
			t = ""
		}
		l.report("reindex-without-concurrently", l.line, t, "REINDEX %s %s without CONCURRENTLY", strings.ToUpper(what), name)
	}
}

func (l *linter) refresh(c *cursor) {
	concurrently := c.take("concurrently")
	view := c.name()
	if !concurrently && l.busy(view) && !c.has("with", "no", "data") {
		l.report("refresh-without-concurrently", l.line, view, "REFRESH MATERIALIZED VIEW %s without CONCURRENTLY", view)
	}
	l.work(l.line, view, "refreshes "+view)
}

func (l *linter) lockTable(c *cursor) {
	c.take("table")
	if c.is("tables") {
		return
	}
	tables := c.relations()
	mode := accessExclusive
	if c.take("in") {
		var words []string
		for ; !c.done() && !c.is("mode"); c.i++ {
			words = append(words, strings.ToUpper(c.at(0).word))
		}
		mode = strings.Join(words, " ")
	}
	for _, t := range tables {
		if l.busy(t) && heavy(mode) {
			f := l.report("lock-table", l.line, t, "LOCK TABLE %s IN %s MODE", t, mode)
			f.Lock, f.Blocks = mode, blocksWrites
			if mode == accessExclusive {
				f.Blocks = blocksAll
			}
		}
		l.lock(t, mode, l.line)
	}
}
