package lint

import (
	"slices"
	"strconv"
	"strings"
)

// sqlType is a type as written, with the spellings that mean the same folded.
type sqlType struct {
	base string // "" is unknown
	args []int
}

// columnDef is what a column's definition says.
type columnDef struct {
	name        string
	typ         sqlType
	notNull     bool
	hasDefault  bool // and not NULL
	defaultExpr *cursor
	identity    bool
	stored      bool // GENERATED ALWAYS AS (...) STORED
	constraints []constraint
}

// afterType are the words that end a column's type.
var afterType = [...]string{"collate", "constraint", "not", "null", "check", "default", "generated", "primary", "unique", "references", "using",
	"storage", "compression", "deferrable", "initially", "auto_increment", "comment", "first", "after", "options", "key", "virtual", "stored", "as"}

// readColumn reads NAME TYPE CONSTRAINT...
func readColumn(c *cursor) columnDef {
	d := columnDef{name: c.name()}
	d.typ = readType(c)
	for !c.done() {
		named := ""
		if c.take("constraint") {
			named = c.name()
		}
		switch {
		case c.take("not", "null"):
			d.notNull = true
		case c.take("null"):
		case c.take("default"):
			d.defaultExpr = c.untilConstraint()
			d.hasDefault = !d.defaultExpr.is("null")
		case c.take("generated"):
			_ = c.take("always") || c.take("by", "default")
			c.take("as")
			if c.take("identity") {
				d.identity = true
			} else {
				c.group()
				d.stored = c.take("stored")
			}
		case c.is("primary", "key"), c.is("unique"), c.is("check"), c.is("references"), c.is("foreign"):
			k := readConstraint(c)
			k.name = named
			if len(k.columns) == 0 {
				k.columns = []string{d.name}
			}
			d.constraints = append(d.constraints, k)
			d.notNull = d.notNull || k.kind == primaryKey
		default:
			c.i++
		}
	}
	return d
}

// untilConstraint reads an expression, up to the next column constraint.
func (c *cursor) untilConstraint() *cursor {
	from, depth := c.i, 0
	for ; !c.done(); c.i++ {
		switch t := c.at(0); {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case depth == 0 && c.i > from && t.word != "null" && slices.Contains(afterType[:], t.word):
			return c.part(from, c.i)
		}
	}
	return c.part(from, c.i)
}

// readType reads a type, up to what can't be part of one.
func readType(c *cursor) sqlType {
	var words []string
	var t sqlType
	for !c.done() {
		k := c.at(0)
		if k.word != "" && slices.Contains(afterType[:], k.word) {
			break
		}
		if k.text == "(" {
			for _, arg := range c.group().split(",") {
				n, err := strconv.Atoi(arg.at(0).text)
				if err != nil {
					n = -1
				}
				t.args = append(t.args, n)
			}
			continue
		}
		if k.name != "" {
			words = append(words, k.name)
		} else {
			words = append(words, k.text)
		}
		c.i++
	}
	t.base = strings.ReplaceAll(strings.Join(words, " "), " . ", ".")
	t.base = strings.TrimPrefix(strings.TrimPrefix(t.base, "pg_catalog."), "public.")
	switch t.base {
	case "character varying", "varchar":
		t.base = "varchar"
	case "decimal", "dec", "numeric":
		t.base = "numeric"
		if len(t.args) == 1 {
			t.args = append(t.args, 0)
		}
	case "int", "int4", "integer":
		t.base = "integer"
	case "int8", "bigint":
		t.base = "bigint"
	case "int2", "smallint":
		t.base = "smallint"
	case "bit varying", "varbit":
		t.base = "varbit"
	case "timestamp with time zone", "timestamptz":
		t.base = "timestamptz"
	case "timestamp without time zone", "timestamp":
		t.base = "timestamp"
	case "bool", "boolean":
		t.base = "boolean"
	}
	return t
}

func (t sqlType) String() string {
	var args []string
	for _, n := range t.args {
		args = append(args, strconv.Itoa(n))
	}
	if len(args) == 0 {
		return t.base
	}
	return t.base + "(" + strings.Join(args, ",") + ")"
}

func (t sqlType) serial() bool {
	return slices.Contains([]string{"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}, t.base)
}

// rewrites reports whether PostgreSQL writes the table anew to turn a column of one type into the other.
func rewrites(from, to sqlType) bool {
	switch {
	case from.base == "":
		return true
	case from.base == to.base && slices.Equal(from.args, to.args):
		return false
	case from.base == "varchar" && to.base == "text", from.base == "text" && to.base == "varchar" && len(to.args) == 0,
		from.base == "cidr" && to.base == "inet":
		return false
	case from.base != to.base:
		return true
	}
	switch to.base {
	case "varchar", "varbit", "timestamp", "timestamptz":
		return len(to.args) > 0 && (len(from.args) == 0 || from.args[0] > to.args[0])
	case "numeric":
		return len(to.args) > 0 && (len(from.args) != 2 || from.args[0] > to.args[0] || from.args[1] != to.args[1])
	}
	return true
}

// calmFunctions are those of PostgreSQL that people write into defaults and that are not volatile.
func calmFunctions() []string {
	return []string{"now", "transaction_timestamp", "statement_timestamp", "current_setting", "coalesce", "nullif", "greatest", "least", "lower", "upper",
		"concat", "concat_ws", "format", "md5", "to_timestamp", "to_date", "to_char", "to_number", "to_tsvector", "to_json", "to_jsonb", "make_date", "make_time",
		"make_timestamp", "make_timestamptz", "make_interval", "date_trunc", "date_part", "extract", "timezone", "age", "row", "array", "array_fill",
		"json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "hstore", "int4range", "int8range", "numrange", "tsrange", "tstzrange",
		"daterange", "decode", "encode", "convert_to", "length", "left", "right", "lpad", "rpad", "repeat", "replace", "substring", "trim", "round", "floor", "ceil",
		"abs", "power", "sqrt", "int4", "int8", "text", "uuid_nil", "current_schema", "st_point", "st_makepoint", "st_setsrid", "point", "box", "circle"}
}

// volatileCall is the first function of a default that is volatile, or not known not to be.
func (l *linter) volatileCall(expr *cursor) string {
	for i := 0; expr != nil && i+1 < len(expr.toks); i++ {
		t := expr.toks[i]
		if t.name == "" || expr.toks[i+1].text != "(" || i > 0 && (expr.toks[i-1].text == ":" || expr.toks[i-1].word == "as") {
			continue
		}
		switch {
		case slices.Contains(calmFunctions(), t.name), l.cat.calm[t.name]:
		case slices.Contains([]string{"cast", "in", "and", "or", "not", "case", "when", "then", "else", "any", "all", "varying", "precision"}, t.word):
		case i > 1 && expr.toks[i-1].text == "." && i > 2 && expr.toks[i-3].text == ":": // a type with its schema
		default:
			return t.name
		}
	}
	return ""
}
