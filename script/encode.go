package script

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

// maxDepth is the server's own limit on nesting.
const maxDepth = 100

var (
	typeBytes  = reflect.TypeFor[[]byte]()
	typeBuffer = reflect.TypeFor[goja.ArrayBuffer]()
	typeMap    = reflect.TypeFor[[][2]any]()
)

// fieldError is a value that BSON cannot hold, with the path to it.
type fieldError struct {
	path []string
	err  error
}

func (e *fieldError) Error() string {
	if len(e.path) == 0 {
		return e.err.Error()
	}
	path := e.path
	if len(path) > maxPath {
		path = append(slices.Clone(path[:maxPath]), "...")
	}
	return fmt.Sprintf("field %s: %v", strings.Join(path, "."), e.err)
}

// maxPath is how much of a path a message shows: a circular reference has no end.
const maxPath = 8

func at(key string, err error) error {
	var f *fieldError
	if !errors.As(err, &f) {
		f = &fieldError{err: err}
	}
	return &fieldError{path: append([]string{key}, f.path...), err: f.err}
}

// document turns an object or a Map into a document, as js-bson does.
func (m *machine) document(v goja.Value) (raw bson.Raw, err error) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, fmt.Errorf("expected a document, not %s", text(v))
	}
	err = m.guarded(func() error {
		if m.kind(o) != "" || isList(o) || o.ClassName() == "Function" || o.ClassName() == "Date" || o.ClassName() == "RegExp" {
			return fmt.Errorf("expected a document, not %s", m.inspect(o))
		}
		raw, err = m.appendDocument(nil, o, 0)
		return err
	})
	return raw, err
}

// documents turns an array of objects into documents.
func (m *machine) documents(v goja.Value) (docs []bson.Raw, err error) {
	o, ok := v.(*goja.Object)
	if !ok || !isList(o) {
		return nil, fmt.Errorf("expected an array of documents, not %s", text(v))
	}
	n := int(o.Get("length").ToInteger())
	for i := range n {
		d, err := m.document(o.Get(strconv.Itoa(i)))
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// rawValue turns any value into its BSON.
func (m *machine) rawValue(v goja.Value) (out bson.RawValue, err error) {
	err = m.guarded(func() error {
		doc, err := m.appendElement(nil, "v", v, 0, true)
		if err != nil {
			return err
		}
		e, _, ok := bsoncore.ReadElement(doc)
		if !ok {
			return errors.New("expected a value")
		}
		value := e.Value()
		out = bson.RawValue{Type: value.Type, Value: value.Data}
		return nil
	})
	return out, err
}

// guarded lets a getter or toBSON of the script throw: its exception becomes the error.
func (m *machine) guarded(f func() error) (err error) {
	if ex := m.vm.Try(func() { err = f() }); ex != nil {
		return ex
	}
	return err
}

func (m *machine) appendDocument(dst []byte, o *goja.Object, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels: a circular reference?", maxDepth)
	}
	if f, ok := goja.AssertFunction(o.Get("toBSON")); ok {
		v, err := f(o)
		if err != nil {
			return nil, err
		}
		replaced, ok := v.(*goja.Object)
		if !ok {
			return nil, fmt.Errorf("toBSON returned %s, not an object", text(v))
		}
		o = replaced
	}
	start, dst := bsoncore.AppendDocumentStart(dst)
	var err error
	if o.ExportType() == typeMap {
		dst, err = m.appendMap(dst, o, depth)
	} else {
		for _, key := range o.Keys() {
			if dst, err = m.appendElement(dst, key, o.Get(key), depth, false); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return bsoncore.AppendDocumentEnd(dst, start)
}

func (m *machine) appendMap(dst []byte, o *goja.Object, depth int) ([]byte, error) {
	v, err := m.libCall("entries", o)
	if err != nil {
		return nil, err
	}
	entries := v.ToObject(m.vm)
	n := int(entries.Get("length").ToInteger())
	for i := range n {
		pair := entries.Get(strconv.Itoa(i)).ToObject(m.vm)
		if dst, err = m.appendElement(dst, pair.Get("0").String(), pair.Get("1"), depth, false); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (m *machine) appendArray(dst []byte, o *goja.Object, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels: a circular reference?", maxDepth)
	}
	start, dst := bsoncore.AppendArrayStart(dst)
	n := int(o.Get("length").ToInteger())
	var err error
	for i := range n {
		if dst, err = m.appendElement(dst, strconv.Itoa(i), o.Get(strconv.Itoa(i)), depth, true); err != nil {
			return nil, err
		}
	}
	return bsoncore.AppendArrayEnd(dst, start)
}

// appendElement appends key and value.
func (m *machine) appendElement(dst []byte, key string, v goja.Value, depth int, inArray bool) ([]byte, error) {
	if strings.IndexByte(key, 0) >= 0 {
		return nil, at(strconv.Quote(key), errors.New("a field's name must not contain a null byte"))
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return bsoncore.AppendNullElement(dst, key), nil
	}
	switch o := v.(type) {
	case *goja.Object:
		out, err := m.appendObject(dst, key, o, depth+1, inArray)
		if err != nil {
			return nil, at(key, err)
		}
		return out, nil
	case *goja.Symbol:
		return appendNothing(dst, key, inArray), nil
	}
	switch x := v.Export().(type) {
	case string:
		return bsoncore.AppendStringElement(dst, key, x), nil
	case bool:
		return bsoncore.AppendBooleanElement(dst, key, x), nil
	case int64:
		return appendNumber(dst, key, x), nil
	case float64:
		if x == math.Trunc(x) && x >= math.MinInt32 && x <= math.MaxInt32 && !(x == 0 && math.Signbit(x)) {
			return bsoncore.AppendInt32Element(dst, key, int32(x)), nil
		}
		return appendDouble(dst, key, x), nil
	case *big.Int:
		if !x.IsInt64() {
			return nil, at(key, fmt.Errorf("%s does not fit an int64", x))
		}
		return bsoncore.AppendInt64Element(dst, key, x.Int64()), nil
	default:
		return nil, at(key, fmt.Errorf("%s has no place in BSON", text(v)))
	}
}

// appendNothing stands for what BSON has no type for: nothing in a document, and null in an array, which must not shift.
func appendNothing(dst []byte, key string, inArray bool) []byte {
	if inArray {
		return bsoncore.AppendNullElement(dst, key)
	}
	return dst
}

// appendDouble writes NaN with the bits that JavaScript has for it.
func appendDouble(dst []byte, key string, x float64) []byte {
	if math.IsNaN(x) {
		x = math.Float64frombits(0x7ff8000000000000)
	}
	return bsoncore.AppendDoubleElement(dst, key, x)
}

// appendNumber follows js-bson: a whole number is an int32 where it fits, else a double.
func appendNumber(dst []byte, key string, x int64) []byte {
	if x >= math.MinInt32 && x <= math.MaxInt32 {
		return bsoncore.AppendInt32Element(dst, key, int32(x))
	}
	return bsoncore.AppendDoubleElement(dst, key, float64(x))
}

func (m *machine) appendObject(dst []byte, key string, o *goja.Object, depth int, inArray bool) ([]byte, error) {
	if kind := m.kind(o); kind != "" {
		return m.appendTyped(dst, key, kind, o, depth)
	}
	switch o.ClassName() {
	case "Array":
		return m.appendArray(bsoncore.AppendHeader(dst, bson.TypeArray, key), o, depth)
	case "Date":
		ms := o.ToFloat()
		if math.IsNaN(ms) {
			return nil, errors.New("an invalid Date")
		}
		return bsoncore.AppendDateTimeElement(dst, key, int64(ms)), nil
	case "RegExp":
		return appendRegExp(dst, key, o)
	case "Function":
		return appendNothing(dst, key, inArray), nil
	case "Number", "String", "Boolean":
		return m.appendElement(dst, key, m.vm.ToValue(o.Export()), depth, inArray)
	}
	if b, ok := bytesOf(o); ok {
		return bsoncore.AppendBinaryElement(dst, key, 0, b), nil
	}
	return m.appendDocument(bsoncore.AppendHeader(dst, bson.TypeEmbeddedDocument, key), o, depth)
}

// appendRegExp keeps js-bson's flags and their order; "global" becomes the server's s.
func appendRegExp(dst []byte, key string, o *goja.Object) ([]byte, error) {
	source := o.Get("source").String()
	if strings.IndexByte(source, 0) >= 0 {
		return nil, errors.New("a regular expression must not contain a null byte")
	}
	var flags string
	for _, f := range []struct{ property, flag string }{{"ignoreCase", "i"}, {"global", "s"}, {"multiline", "m"}} {
		if o.Get(f.property).ToBoolean() {
			flags += f.flag
		}
	}
	return bsoncore.AppendRegexElement(dst, key, source, flags), nil
}

// appendTyped appends an instance of one of the BSON classes.
func (m *machine) appendTyped(dst []byte, key, kind string, o *goja.Object, depth int) ([]byte, error) {
	payload := o.GetSymbol(m.sym.value)
	switch kind {
	case "ObjectId":
		id, err := primitive.ObjectIDFromHex(payload.String())
		return bsoncore.AppendObjectIDElement(dst, key, id), err
	case "Long":
		n, ok := payload.Export().(*big.Int)
		if !ok || !n.IsInt64() {
			return nil, errors.New("a Long outside of 64 bits")
		}
		return bsoncore.AppendInt64Element(dst, key, n.Int64()), nil
	case "Int32":
		return bsoncore.AppendInt32Element(dst, key, int32(o.Get("value").ToInteger())), nil
	case "Double":
		return appendDouble(dst, key, o.Get("value").ToFloat()), nil
	case "Decimal128":
		d, err := primitive.ParseDecimal128(payload.String())
		return bsoncore.AppendDecimal128Element(dst, key, d), err
	case "Binary":
		b, ok := bytesOf(o.Get("buffer"))
		if !ok {
			return nil, errors.New("a Binary without bytes")
		}
		return bsoncore.AppendBinaryElement(dst, key, byte(o.Get("sub_type").ToInteger()), b), nil
	case "Timestamp":
		return bsoncore.AppendTimestampElement(dst, key, uint32(o.Get("t").ToInteger()), uint32(o.Get("i").ToInteger())), nil
	case "MinKey":
		return bsoncore.AppendMinKeyElement(dst, key), nil
	case "MaxKey":
		return bsoncore.AppendMaxKeyElement(dst, key), nil
	case "BSONRegExp":
		return bsoncore.AppendRegexElement(dst, key, o.Get("pattern").String(), o.Get("options").String()), nil
	case "BSONSymbol":
		return bsoncore.AppendSymbolElement(dst, key, o.Get("value").String()), nil
	case "Code":
		return m.appendCode(dst, key, o, depth)
	default: // DBRef: the prelude spells it out as the document that it is
		v, err := m.libCall("dbRefDocument", o)
		if err != nil {
			return nil, err
		}
		return m.appendDocument(bsoncore.AppendHeader(dst, bson.TypeEmbeddedDocument, key), v.ToObject(m.vm), depth)
	}
}

func (m *machine) appendCode(dst []byte, key string, o *goja.Object, depth int) ([]byte, error) {
	code := o.Get("code").String()
	scope, ok := o.Get("scope").(*goja.Object)
	if !ok {
		return bsoncore.AppendJavaScriptElement(dst, key, code), nil
	}
	doc, err := m.appendDocument(nil, scope, depth)
	if err != nil {
		return nil, err
	}
	return bsoncore.AppendCodeWithScopeElement(dst, key, code, doc), nil
}

// kind is the name of the BSON class that an object is of, or empty.
func (m *machine) kind(o *goja.Object) string {
	if v := o.GetSymbol(m.sym.kind); v != nil && goja.IsString(v) {
		return v.String()
	}
	return ""
}

func isList(o *goja.Object) bool { return o.ClassName() == "Array" }

// bytesOf reads a Uint8Array, which a Buffer is, or an ArrayBuffer.
func bytesOf(v goja.Value) ([]byte, bool) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	switch o.ExportType() {
	case typeBytes:
		b, ok := o.Export().([]byte)
		return b, ok
	case typeBuffer:
		b, ok := o.Export().(goja.ArrayBuffer)
		return b.Bytes(), ok
	default:
		return nil, false
	}
}

// text shows a value in a message.
func text(v goja.Value) string {
	switch {
	case v == nil:
		return "undefined"
	case goja.IsString(v):
		return strconv.Quote(v.String())
	default:
		return v.String()
	}
}
