package script

import (
	"slices"

	"go.mongodb.org/mongo-driver/bson"
)

// parseClass is a document of _SCHEMA: a key for each field with its type, and _metadata with class_permissions, fields_options and indexes.
type parseClass struct {
	fields   map[string]string
	metadata bson.D
}

func readParseClass(doc bson.D) parseClass {
	c := parseClass{fields: map[string]string{}}
	for _, e := range doc {
		switch v := e.Value.(type) {
		case string:
			if e.Key != "_id" {
				c.fields[e.Key] = v
			}
		case bson.D:
			if e.Key == "_metadata" {
				c.metadata = v
			}
		}
	}
	return c
}

// known tells whether an index may name the field; Parse takes _p_ before a pointer's name, too.
func (c *parseClass) known(field string) bool {
	if slices.Contains([]string{"_id", "objectId", "createdAt", "updatedAt", "_created_at", "_updated_at", "_rperm", "_wperm"}, field) {
		return true
	}
	if len(field) > 3 && field[:3] == "_p_" {
		field = field[3:]
	}
	_, ok := c.fields[field]
	return ok
}

func (c *parseClass) add(f parseField) {
	c.fields[f.name] = f.stored()
	if len(f.options) > 0 {
		c.put("fields_options", put(c.section("fields_options"), f.name, f.options))
	}
}

func (c *parseClass) rename(from, to string) {
	c.fields[to] = c.fields[from]
	delete(c.fields, from)
	if options := c.section("fields_options"); options != nil {
		c.put("fields_options", renameKey(options, from, to))
	}
	// Left behind, a protected field would show under its new name.
	if permissions := c.section("class_permissions"); permissions != nil {
		c.put("class_permissions", renamePermissions(permissions, from, to))
	}
}

func (c *parseClass) remove(name string) {
	delete(c.fields, name)
	if options := c.section("fields_options"); options != nil {
		c.put("fields_options", drop(options, name))
	}
	if permissions := c.section("class_permissions"); permissions != nil {
		c.put("class_permissions", renamePermissions(permissions, name, ""))
	}
}

func (c *parseClass) addIndex(name string, keys bson.D) {
	indexes := c.section("indexes")
	if len(indexes) == 0 {
		indexes = bson.D{{Key: "_id_", Value: bson.D{{Key: "_id", Value: int32(1)}}}}
	}
	c.put("indexes", put(indexes, name, keys))
}

func (c *parseClass) dropIndex(name string) bool {
	indexes := c.section("indexes")
	rest := drop(indexes, name)
	c.put("indexes", rest)
	return len(rest) != len(indexes)
}

func (c *parseClass) section(name string) bson.D {
	d, _ := lookup(c.metadata, name).(bson.D)
	return d
}

func lookup(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

func (c *parseClass) put(section string, d bson.D) {
	if len(d) == 0 {
		c.metadata = drop(c.metadata, section)
		return
	}
	c.metadata = put(c.metadata, section, d)
}

func put(d bson.D, key string, v any) bson.D {
	out := slices.Clone(d)
	for i := range out {
		if out[i].Key == key {
			out[i].Value = v
			return out
		}
	}
	return append(out, bson.E{Key: key, Value: v})
}

func drop(d bson.D, key string) bson.D {
	return slices.DeleteFunc(slices.Clone(d), func(e bson.E) bool { return e.Key == key })
}

func renameKey(d bson.D, from, to string) bson.D {
	out := slices.Clone(d)
	for i := range out {
		if out[i].Key == from {
			out[i].Key = to
		}
	}
	return out
}

// renamePermissions follows a field through class_permissions: protectedFields and its userField keys, readUserFields, writeUserFields and pointerFields.
// An empty new name takes it out.
func renamePermissions(permissions bson.D, from, to string) bson.D {
	out := make(bson.D, 0, len(permissions))
	for _, e := range permissions {
		switch v := e.Value.(type) {
		case bson.A: // readUserFields, writeUserFields
			e.Value = renameItem(v, from, to)
		case bson.D:
			inner := make(bson.D, 0, len(v))
			for _, p := range v {
				if list, ok := p.Value.(bson.A); ok { // protectedFields.*, *.pointerFields
					p.Value = renameItem(list, from, to)
				}
				if p.Key == "userField:"+from {
					if to == "" {
						continue
					}
					p.Key = "userField:" + to
				}
				inner = append(inner, p)
			}
			e.Value = inner
		}
		out = append(out, e)
	}
	return out
}

func renameItem(list bson.A, from, to string) bson.A {
	out := make(bson.A, 0, len(list))
	for _, v := range list {
		switch {
		case v != from:
			out = append(out, v)
		case to != "":
			out = append(out, to)
		}
	}
	return out
}
