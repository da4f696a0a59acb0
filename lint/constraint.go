package lint

// The kinds of constraint.
const (
	checkConstraint = "check"
	uniqueKey       = "unique"
	primaryKey      = "primary key"
	foreignKey      = "foreign key"
	exclusion       = "exclude"
)

// constraint is one of a table or a column.
type constraint struct {
	kind       string
	name       string
	columns    []string
	target     string // of a foreign key
	expr       *cursor
	valid      bool
	notValid   bool
	usingIndex bool
}

// isConstraint reports whether a table constraint starts here.
func isConstraint(c *cursor) bool {
	switch c.at(0).word {
	case "constraint", "check", "exclude", "foreign":
		return true
	case "primary":
		return c.is("primary", "key")
	case "unique":
		return c.is("unique", "(") || c.is("unique", "using") || c.is("unique", "nulls") || c.is("unique", "index") || c.is("unique", "key")
	}
	return false
}

// readConstraint reads [CONSTRAINT name] and what follows; of a column constraint, up to where the next may start.
func readConstraint(c *cursor) (k constraint) {
	if c.take("constraint") {
		k.name = c.name()
	}
	switch {
	case c.take("check"):
		k.kind, k.expr = checkConstraint, c.group()
	case c.take("unique"):
		k.kind = uniqueKey
		_ = c.take("nulls", "not", "distinct") || c.take("nulls", "distinct")
		k.keyColumns(c)
	case c.take("primary", "key"):
		k.kind = primaryKey
		k.keyColumns(c)
	case c.take("foreign", "key"):
		k.kind = foreignKey
		k.keyColumns(c)
		if c.take("references") {
			k.target = c.name()
			c.group()
		}
	case c.take("references"):
		k.kind, k.target = foreignKey, c.name()
		c.group()
	case c.take("exclude"):
		k.kind = exclusion
	}
	k.notValid = c.has("not", "valid")
	return k
}

func (k *constraint) keyColumns(c *cursor) {
	if c.take("using", "index") {
		k.usingIndex = true
		c.name()
		return
	}
	if list := c.group(); list != nil {
		for _, part := range list.split(",") {
			k.columns = append(k.columns, part.name())
		}
	}
}
