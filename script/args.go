package script

import (
	"fmt"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// args reads the options of one call. The prelude has sorted out the names that the driver does not know.
type args struct {
	m *machine
	o *goja.Object // nil: no options
}

func (m *machine) args(v goja.Value) args {
	o, _ := v.(*goja.Object)
	return args{m, o}
}

func (a args) value(name string) (goja.Value, bool) {
	if a.o == nil {
		return nil, false
	}
	v := a.o.Get(name)
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil, false
	}
	return v, true
}

func (a args) flag(name string) (value, ok bool) {
	v, ok := a.value(name)
	return ok && v.ToBoolean(), ok
}

func (a args) integer(name string) (int64, bool) {
	v, ok := a.value(name)
	if !ok || !goja.IsNumber(v) {
		return 0, false
	}
	return v.ToInteger(), true
}

func (a args) text(name string) (string, bool) {
	v, ok := a.value(name)
	if !ok || !goja.IsString(v) {
		return "", false
	}
	return v.String(), true
}

func (a args) object(name string) (args, bool) {
	v, ok := a.value(name)
	if !ok {
		return args{}, false
	}
	o, ok := v.(*goja.Object)
	return args{a.m, o}, ok
}

// document reads a document; an array of pairs or a Map keeps its order.
func (a args) document(name string) (bson.Raw, bool, error) {
	v, ok := a.value(name)
	if !ok {
		return nil, false, nil
	}
	raw, err := a.m.document(v)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return raw, true, nil
}

// hint is an index's name or its keys.
func (a args) hint() (any, bool, error) {
	if s, ok := a.text("hint"); ok {
		return s, true, nil
	}
	raw, ok, err := a.document("hint")
	return raw, ok, err
}

// any reads a value of any type, such as a comment.
func (a args) any(name string) (any, bool, error) {
	v, ok := a.value(name)
	if !ok {
		return nil, false, nil
	}
	raw, err := a.m.rawValue(v)
	return raw, err == nil, err
}

// maxTime is the script's own bound on the call, 0 for none.
func (a args) maxTime() time.Duration {
	for _, name := range []string{"maxTimeMS", "timeoutMS"} {
		if ms, ok := a.integer(name); ok && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

func (a args) collation() (*options.Collation, bool) {
	c, ok := a.object("collation")
	if !ok {
		return nil, false
	}
	out := &options.Collation{}
	out.Locale, _ = c.text("locale")
	out.CaseLevel, _ = c.flag("caseLevel")
	out.CaseFirst, _ = c.text("caseFirst")
	strength, _ := c.integer("strength")
	out.Strength = int(strength)
	out.NumericOrdering, _ = c.flag("numericOrdering")
	out.Alternate, _ = c.text("alternate")
	out.MaxVariable, _ = c.text("maxVariable")
	out.Normalization, _ = c.flag("normalization")
	out.Backwards, _ = c.flag("backwards")
	return out, true
}

func (a args) arrayFilters() (*options.ArrayFilters, bool, error) {
	v, ok := a.value("arrayFilters")
	if !ok {
		return nil, false, nil
	}
	docs, err := a.m.documents(v)
	if err != nil {
		return nil, false, fmt.Errorf("arrayFilters: %w", err)
	}
	f := &options.ArrayFilters{}
	for _, d := range docs {
		f.Filters = append(f.Filters, d)
	}
	return f, true, nil
}

// shape is how documents are to be turned into JavaScript.
func (a args) shape() shape {
	s := shape{promoteLongs: true, promoteValues: true}
	if v, ok := a.flag("promoteLongs"); ok {
		s.promoteLongs = v
	}
	if v, ok := a.flag("promoteValues"); ok {
		s.promoteValues = v
	}
	s.promoteBuffers, _ = a.flag("promoteBuffers")
	s.bigInts, _ = a.flag("useBigInt64")
	s.bsonRegExp, _ = a.flag("bsonRegExp")
	return s
}
