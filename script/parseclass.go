package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// parseChange is {"parseSchema": {"class": "Game", ...}}: what is to change in one class.
type parseChange struct {
	Class, Prefix string
	Create        bool
	Add           []parseField
	Rename        []parseRename
	Remove        []string
	Indexes       []parseIndex
}

type parseField struct {
	name, kind, target string
	options            bson.D // required, defaultValue: what Parse keeps under fields_options
	value              any    // the default as a document stores it; nil: none
}

type parseRename struct{ from, to string }

// parseIndex has no keys where it is to go.
type parseIndex struct {
	name string
	keys bson.D
}

// parseTypes is how _SCHEMA spells Parse's types.
func parseTypes(kind, target string) (string, bool) {
	switch kind {
	case "String", "Number", "Boolean", "Date", "Object", "Array", "GeoPoint", "File", "Bytes", "Polygon":
		return strings.ToLower(kind), true
	case "Pointer":
		return "*" + target, target != ""
	case "Relation":
		return "relation<" + target + ">", target != ""
	default:
		return "", false
	}
}

func (f parseField) stored() string {
	s, _ := parseTypes(f.kind, f.target)
	return s
}

func isRelation(stored string) bool { return strings.HasPrefix(stored, "relation<") }

// storedName is a field's name in the documents.
func storedName(name, stored string) string {
	switch {
	case name == "objectId":
		return "_id"
	case name == "createdAt":
		return "_created_at"
	case name == "updatedAt":
		return "_updated_at"
	case strings.HasPrefix(stored, "*"):
		return "_p_" + name
	default:
		return name
	}
}

func readParseChange(doc bson.Raw) (*parseChange, error) {
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	c := &parseChange{}
	for _, e := range elements {
		if err := c.read(e.Key(), e.Value()); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Key(), err)
		}
	}
	switch {
	case !className(c.Class):
		return nil, fmt.Errorf("class: %q is no name for a class", c.Class)
	case !c.Create && len(c.Add)+len(c.Rename)+len(c.Remove)+len(c.Indexes) == 0:
		return nil, errors.New("nothing to change: expected create, add, rename, remove or indexes")
	}
	return c, c.checkNames()
}

func (c *parseChange) read(key string, v bson.RawValue) error {
	var ok bool
	switch key {
	case "class":
		if c.Class, ok = v.StringValueOK(); !ok {
			return errors.New("expected a class's name")
		}
	case "prefix":
		if c.Prefix, ok = v.StringValueOK(); !ok {
			return errors.New("expected a collection prefix")
		}
	case "create":
		if c.Create, ok = v.BooleanOK(); !ok {
			return errors.New("expected true or false")
		}
	case "add":
		return eachField(v, func(name string, v bson.RawValue) error {
			f, err := readParseField(name, v)
			c.Add = append(c.Add, f)
			return err
		})
	case "rename":
		return eachField(v, func(name string, v bson.RawValue) error {
			to, ok := v.StringValueOK()
			c.Rename = append(c.Rename, parseRename{name, to})
			if !ok {
				return errors.New("expected the new name")
			}
			return nil
		})
	case "remove":
		if err := v.Unmarshal(&c.Remove); err != nil {
			return errors.New(`expected an array of names: ["old"]`)
		}
	case "indexes":
		return eachField(v, func(name string, v bson.RawValue) error {
			i, err := readParseIndex(name, v)
			c.Indexes = append(c.Indexes, i)
			return err
		})
	default:
		return errors.New("is not known here: class, prefix, create, add, rename, remove, indexes are")
	}
	return nil
}

func eachField(v bson.RawValue, f func(string, bson.RawValue) error) error {
	doc, ok := v.DocumentOK()
	if !ok {
		return errors.New("expected a document")
	}
	elements, err := doc.Elements()
	if err != nil {
		return err
	}
	for _, e := range elements {
		if err := f(e.Key(), e.Value()); err != nil {
			return fmt.Errorf("%s: %w", e.Key(), err)
		}
	}
	return nil
}

func readParseField(name string, v bson.RawValue) (parseField, error) {
	f := parseField{name: name}
	var given any
	err := eachField(v, func(key string, v bson.RawValue) error {
		switch key {
		case "type":
			f.kind, _ = v.StringValueOK()
			return nil
		case "targetClass":
			f.target, _ = v.StringValueOK()
			return nil
		case "required":
			required, ok := v.BooleanOK()
			if !ok {
				return errors.New("expected true or false")
			}
			f.options = append(f.options, bson.E{Key: key, Value: required})
			return nil
		case "defaultValue":
			return v.Unmarshal(&given)
		default:
			return errors.New("is not known here: type, targetClass, required, defaultValue are")
		}
	})
	if err != nil {
		return f, err
	}
	if _, ok := parseTypes(f.kind, f.target); !ok {
		return f, fmt.Errorf("%q is no type of Parse, or a Pointer or Relation without targetClass", f.kind)
	}
	if given != nil {
		return f, f.setDefault(given)
	}
	return f, nil
}

// setDefault takes the default in Parse's form, and keeps what _SCHEMA and what a document stores of it.
func (f *parseField) setDefault(given any) error {
	option, stored, ok := given, given, false
	switch x := given.(type) {
	case string:
		ok = f.kind == "String"
	case int32, int64, float64:
		ok = f.kind == "Number"
	case bool:
		ok = f.kind == "Boolean"
	case bson.A:
		ok = f.kind == "Array"
	case primitive.DateTime:
		ok = f.kind == "Date"
		option = bson.D{{Key: "__type", Value: "Date"}, {Key: "iso", Value: x.Time().UTC().Format("2006-01-02T15:04:05.000Z")}}
	case bson.D:
		ok = f.kind == "Object"
		if iso, isDate := parseDate(x); isDate && f.kind == "Date" {
			ok, stored = true, iso
		}
	}
	if !ok {
		return fmt.Errorf("a defaultValue of %T for type %s: set the documents' values in a script", given, f.kind)
	}
	f.options = append(f.options, bson.E{Key: "defaultValue", Value: option})
	f.value = stored
	return nil
}

// parseDate reads {"__type": "Date", "iso": "..."}.
func parseDate(d bson.D) (time.Time, bool) {
	iso, _ := lookup(d, "iso").(string)
	t, err := time.Parse(time.RFC3339, iso)
	return t, err == nil && lookup(d, "__type") == "Date"
}

func readParseIndex(name string, v bson.RawValue) (parseIndex, error) {
	i := parseIndex{name: name}
	if v.Type == bson.TypeNull {
		return i, nil
	}
	if err := v.Unmarshal(&i.keys); err != nil || len(i.keys) == 0 {
		return i, errors.New(`expected keys, such as {"score": 1}, or null to remove it`)
	}
	if op := lookup(i.keys, "__op"); op != nil {
		if op != "Delete" {
			return i, fmt.Errorf("__op %v: only Delete is known", op)
		}
		i.keys = nil
	}
	return i, nil
}

// checkNames refuses names that Parse would, fields that are Parse's own, and a field that is changed twice.
func (c *parseChange) checkNames() error {
	seen := map[string]bool{}
	use := func(names ...string) error {
		for _, n := range names {
			switch {
			case !fieldName(n):
				return fmt.Errorf("%q is no name for a field", n)
			case ownField(c.Class, n):
				return fmt.Errorf("the field %s belongs to Parse Server", n)
			case seen[n]:
				return fmt.Errorf("the field %s is named twice", n)
			}
			seen[n] = true
		}
		return nil
	}
	for _, f := range c.Add {
		if err := use(f.name); err != nil {
			return err
		}
	}
	for _, n := range c.Rename {
		if err := use(n.from, n.to); err != nil {
			return err
		}
	}
	return use(c.Remove...)
}

func className(s string) bool {
	switch s {
	case "_User", "_Role", "_Session", "_Installation", "_Product":
		return true
	default:
		return fieldName(s)
	}
}

// fieldName: a letter, then letters, digits and underscores.
func fieldName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}

func ownField(class, name string) bool {
	if slices.Contains([]string{"objectId", "createdAt", "updatedAt", "ACL"}, name) {
		return true
	}
	switch class {
	case "_User":
		return slices.Contains([]string{"username", "password", "email", "emailVerified", "authData"}, name)
	case "_Role":
		return slices.Contains([]string{"name", "users", "roles"}, name)
	case "_Session":
		return slices.Contains([]string{"user", "installationId", "sessionToken", "expiresAt", "createdWith", "restricted"}, name)
	case "_Installation":
		return slices.Contains([]string{"installationId", "deviceToken", "deviceType", "channels", "pushType", "GCMSenderId", "appIdentifier", "badge"}, name)
	default:
		return false
	}
}
