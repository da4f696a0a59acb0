package lint

import (
	"strconv"
	"strings"
)

// catalogue is what the migrations so far have made, as far as their text tells.
type catalogue struct {
	tables  map[string]*relation
	indexes map[string]string // index: table
	domains map[string]bool   // those with a constraint
	calm    map[string]bool   // functions declared STABLE or IMMUTABLE
}

// relation is a table or a materialized view.
type relation struct {
	file        string // that made it
	temporary   bool
	partitioned bool
	columns     map[string]*column
	checks      map[string]*check
}

type column struct {
	typ     sqlType
	notNull bool
}

// check is a CHECK constraint.
type check struct {
	notNull map[string]bool // the columns that it keeps from being NULL
	names   map[string]bool // what it speaks of
	valid   bool
}

func newCatalogue() *catalogue {
	return &catalogue{tables: map[string]*relation{}, indexes: map[string]string{}, domains: map[string]bool{}, calm: map[string]bool{}}
}

// table finds a relation by its name, or by its last part where only one of the two is qualified; nil where it is not known.
func (c *catalogue) table(name string) *relation {
	if r := c.tables[name]; r != nil {
		return r
	}
	if _, base, ok := strings.Cut(name, "."); ok {
		return c.tables[base]
	}
	var found *relation
	for full, r := range c.tables {
		if strings.HasSuffix(full, "."+name) {
			if found != nil { // in two schemas: which is meant would be a guess
				return nil
			}
			found = r
		}
	}
	return found
}

// ensure is table for one that is about to be changed.
func (c *catalogue) ensure(name string) *relation {
	r := c.table(name)
	if r == nil {
		r = newRelation("")
		c.tables[name] = r
	}
	return r
}

func newRelation(file string) *relation {
	return &relation{file: file, columns: map[string]*column{}, checks: map[string]*check{}}
}

func (c *catalogue) rename(from, to string) {
	if r := c.table(from); r != nil {
		c.drop(from)
		if schema, _, ok := strings.Cut(from, "."); ok {
			to = schema + "." + to
		}
		c.tables[to] = r
		for index, table := range c.indexes {
			if table == from {
				c.indexes[index] = to
			}
		}
	}
}

func (c *catalogue) drop(name string) {
	r := c.table(name)
	for full, other := range c.tables {
		if r != nil && other == r {
			delete(c.tables, full)
		}
	}
}

// provesNotNull reports whether a valid check, or the column itself, keeps NULL out.
func (r *relation) provesNotNull(name string) bool {
	if col := r.columns[name]; col != nil && col.notNull {
		return true
	}
	for _, k := range r.checks {
		if k.valid && k.notNull[name] {
			return true
		}
	}
	return false
}

// hasValidCheck reports whether any check holds for all rows.
func (r *relation) hasValidCheck() bool {
	for _, k := range r.checks {
		if k.valid {
			return true
		}
	}
	return false
}

// define reads the columns and constraints of a CREATE TABLE; it returns the tables that it refers to.
func (r *relation) define(body *cursor) (referred []string) {
	for _, item := range body.split(",") {
		if item.at(0).word == "like" {
			continue
		}
		if isConstraint(item) {
			k := readConstraint(item)
			k.valid = true
			r.learn(k)
			if k.kind == foreignKey {
				referred = append(referred, k.target)
			}
			continue
		}
		col := readColumn(item)
		if col.name == "" {
			continue
		}
		r.columns[col.name] = &column{typ: col.typ, notNull: col.notNull}
		for _, k := range col.constraints {
			k.valid = true
			r.learn(k)
			if k.kind == foreignKey {
				referred = append(referred, k.target)
			}
		}
	}
	return referred
}

// learn notes a constraint.
func (r *relation) learn(k constraint) {
	switch k.kind {
	case checkConstraint:
		if k.expr == nil {
			return
		}
		name := k.name
		if name == "" {
			name = "unnamed " + strconv.Itoa(len(r.checks))
		}
		r.checks[name] = &check{notNull: notNulls(k.expr), names: map[string]bool{}, valid: k.valid}
		for _, t := range k.expr.toks {
			r.checks[name].names[t.name] = true
		}
	case primaryKey:
		for _, name := range k.columns {
			if r.columns[name] == nil {
				r.columns[name] = &column{}
			}
			r.columns[name].notNull = true
		}
	}
}

// notNulls are the columns that an expression keeps from being NULL: those of its conjuncts that read x IS NOT NULL.
func notNulls(expr *cursor) map[string]bool {
	found := map[string]bool{}
	expr = expr.unwrapped()
	if expr.index("or") >= 0 {
		return found
	}
	for _, part := range expr.split("and") {
		part = part.unwrapped()
		if name := part.name(); name != "" && part.take("is", "not", "null") && part.done() {
			found[name] = true
		}
	}
	return found
}
