package lint

import "slices"

// change reads UPDATE, DELETE and INSERT ... SELECT, behind a WITH too.
func (l *linter) change(c *cursor) {
	if c.is("with") {
		i := c.index("update", "delete", "insert", "select")
		if i < 0 {
			return
		}
		c.i = i
	}
	switch {
	case c.take("update"):
		c.take("low_priority")
		c.take("ignore")
		t, _ := c.relation()
		l.whole(c, "unbatched-update", "updates", t)
	case c.take("delete"):
		if i := c.index("from"); i >= 0 {
			c.i = i + 1
		}
		t, _ := c.relation()
		l.whole(c, "unbatched-delete", "deletes", t)
	case c.take("insert"):
		if i := c.index("select"); i >= 0 {
			c.i = i
			if c.index("from") >= 0 {
				l.work(l.line, "", "copies rows")
			}
		}
	}
}

func (l *linter) whole(c *cursor, rule, does, t string) {
	if l.m.Up.Backfill != nil || t == "" || !l.busy(t) || bounded(c) {
		return
	}
	l.report(rule, l.line, t, "%s every row of %s in one go", does, t)
	l.work(l.line, t, does+" every row of "+t)
}

// bounded reports whether a WHERE narrows the rows by a value. Joins and tests for NULL, which are how a backfill is written, do
// not.
func bounded(c *cursor) bool {
	if c.index("limit") >= 0 {
		return true
	}
	i := c.index("where")
	if i < 0 {
		return false
	}
	where := c.part(i+1, len(c.toks))
	if end := where.index("returning", "order"); end >= 0 {
		where = where.part(0, end)
	}
	for _, and := range where.unwrapped().split("and") {
		and = and.unwrapped()
		if narrows(and) {
			return true
		}
	}
	return false
}

// narrows reports whether one condition compares with a value.
func narrows(c *cursor) bool {
	if len(c.toks) == 3 && c.toks[0].text == c.toks[2].text { // 1 = 1
		return false
	}
	different := false
	for i, t := range c.toks {
		different = different || t.text == "<" && i+1 < len(c.toks) && c.toks[i+1].text == ">" || t.text == "!" || t.word == "distinct"
	}
	if different {
		return false
	}
	return slices.ContainsFunc(c.toks, func(t tok) bool {
		_, literal := t.literal()
		return literal || t.text == "$" || t.text == "?" || slices.Contains([]string{"exists", "in", "any", "between", "like", "ilike", "current"}, t.word)
	})
}
