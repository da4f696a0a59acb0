package lint

import "slices"

// mysql reads what ALTER TABLE has in MySQL only, and reports whether it was that.
func (a *alteration) mysql(c *cursor) bool {
	switch {
	case c.take("modify"):
		c.take("column")
		c.ifExists()
		a.redefine(c, c.at(0).name)
	case c.take("change"):
		c.take("column")
		c.ifExists()
		from := c.name()
		if to := c.at(0).name; to != from {
			if !a.free() {
				a.report("rename-column", "renames %s.%s to %s, which the running release does not know", a.table, from, to)
			}
			if col := a.rel.columns[from]; col != nil {
				delete(a.rel.columns, from)
				a.rel.columns[to] = col
			}
		}
		a.redefine(c, c.at(0).name)
	case c.take("convert", "to"):
		a.report("mysql-convert-charset", "converts %s to another character set", a.table)
	case c.take("add"):
		return a.mysqlAdd(c)
	case c.take("order"), c.take("force"), c.is("engine"):
	default:
		return false
	}
	return true
}

// redefine is MODIFY, or CHANGE behind the old name.
func (a *alteration) redefine(c *cursor, name string) {
	d := readColumn(c)
	old := a.rel.columns[name]
	a.rel.columns[name] = &column{typ: d.typ, notNull: d.notNull}
	if old == nil || !mysqlInPlace(old.typ, d.typ) {
		a.report("mysql-column-type", "changes the type of %s to %s", name, d.typ)
	}
}

// mysqlInPlace: only a VARCHAR may grow without a copy, and only while its length still takes as many bytes (of utf8mb4: up to 63
// characters take one).
func mysqlInPlace(from, to sqlType) bool {
	if from.base == to.base && slices.Equal(from.args, to.args) {
		return true
	}
	if from.base != "varchar" || to.base != "varchar" || len(from.args) != 1 || len(to.args) != 1 {
		return false
	}
	const oneByte = 63
	return from.args[0] <= to.args[0] && (from.args[0] <= oneByte) == (to.args[0] <= oneByte)
}

// mysqlAdd reads ADD, back to where it stood if it is nothing special.
func (a *alteration) mysqlAdd(c *cursor) bool {
	switch {
	case c.is("index"), c.is("key"), c.is("unique"), c.is("partition"), c.is("primary"), c.is("constraint") && c.at(2).word == "unique",
		c.is("constraint") && c.at(2).word == "primary", c.is("check"), c.is("constraint") && c.at(2).word == "check":
	case c.is("fulltext"), c.is("spatial"):
		a.report("mysql-fulltext-index", "adds a %s index", c.at(0).word)
	case c.is("foreign"), c.is("constraint"):
		a.report("mysql-foreign-key", "adds a foreign key with its checks on")
	default:
		c.i--
		return false
	}
	return true
}
