package script

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

// symbols are the prelude's keys on objects of its own.
type symbols struct{ kind, value, cause *goja.Symbol }

// makers are the constructors and prototypes that decoding needs at hand.
type makers struct {
	date, uint8Array  *goja.Object
	objectID, decimal *goja.Object // prototypes
	regExp            goja.Callable
	typed             goja.Callable
	dbRef             goja.Callable
}

// learn picks up from the prelude what decoding needs.
func (m *machine) learn() {
	global := m.vm.GlobalObject()
	m.make.date = global.Get("Date").ToObject(m.vm)
	m.make.uint8Array = global.Get("Uint8Array").ToObject(m.vm)
	m.make.objectID = m.lib.Get("ObjectId").ToObject(m.vm).Get("prototype").ToObject(m.vm)
	m.make.decimal = m.lib.Get("Decimal128").ToObject(m.vm).Get("prototype").ToObject(m.vm)
	m.make.regExp, _ = goja.AssertFunction(m.lib.Get("regExp"))
	m.make.typed, _ = goja.AssertFunction(m.lib.Get("typed"))
	m.make.dbRef, _ = goja.AssertFunction(m.lib.Get("dbRef"))
}

// shape is how BSON becomes JavaScript: the Node driver's options, by their names there.
type shape struct {
	promoteLongs, promoteValues, promoteBuffers, bigInts, bsonRegExp bool
}

// nodeShape is the Node driver's default.
var nodeShape = shape{promoteLongs: true, promoteValues: true}

// object turns a document into an object.
func (m *machine) object(doc bson.Raw, s shape) (v goja.Value, err error) {
	defer func() {
		// The library's readers panic where a length inside a value is wrong; its Validate passes some of those.
		if r := recover(); r != nil {
			short, ok := r.(bsoncore.InsufficientBytesError)
			if !ok {
				panic(r)
			}
			v, err = nil, fmt.Errorf("a malformed document came from the server: %w", short)
		}
	}()
	return m.readObject(doc, s)
}

func (m *machine) readObject(doc bson.Raw, s shape) (goja.Value, error) {
	o := m.vm.NewObject()
	reference := false
	err := eachElement(bsoncore.Document(doc), func(i int, e bsoncore.Element) error {
		key := e.Key()
		v, err := m.value(e.Value(), s)
		if err != nil {
			return at(key, err)
		}
		reference = reference || i == 0 && key == "$ref"
		if key == "__proto__" {
			return o.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
		}
		return o.Set(key, v)
	})
	if err != nil {
		return nil, err
	}
	if reference {
		return m.make.dbRef(goja.Undefined(), o)
	}
	return o, nil
}

func (m *machine) array(doc bsoncore.Document, s shape) (goja.Value, error) {
	var items []any
	err := eachElement(doc, func(_ int, e bsoncore.Element) error {
		v, err := m.value(e.Value(), s)
		items = append(items, v)
		return err
	})
	return m.vm.NewArray(items...), err
}

func eachElement(doc bsoncore.Document, f func(int, bsoncore.Element) error) error {
	length, rem, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) > len(doc) || length < 5 {
		return errors.New("a malformed document came from the server")
	}
	rem = rem[:length-5]
	for i := 0; len(rem) > 0; i++ {
		var e bsoncore.Element
		if e, rem, ok = bsoncore.ReadElement(rem); !ok || e.Validate() != nil {
			return errors.New("a malformed document came from the server")
		}
		if err := f(i, e); err != nil {
			return err
		}
	}
	return nil
}

// value turns one BSON value into JavaScript. No int64 passes through a float on its way.
func (m *machine) value(v bsoncore.Value, s shape) (goja.Value, error) {
	switch v.Type {
	case bson.TypeString:
		return m.vm.ToValue(v.StringValue()), nil
	case bson.TypeBoolean:
		return m.vm.ToValue(v.Boolean()), nil
	case bson.TypeNull:
		return goja.Null(), nil
	case bson.TypeUndefined:
		return goja.Undefined(), nil
	case bson.TypeInt32:
		return m.number("Int32", m.vm.ToValue(int64(v.Int32())), s)
	case bson.TypeDouble:
		return m.number("Double", m.vm.ToValue(v.Double()), s)
	case bson.TypeInt64:
		return m.long(v.Int64(), s)
	case bson.TypeEmbeddedDocument:
		return m.readObject(bson.Raw(v.Data), s)
	case bson.TypeArray:
		return m.array(v.Data, s)
	case bson.TypeDateTime:
		return m.vm.New(m.make.date, m.vm.ToValue(v.DateTime()))
	case bson.TypeObjectID:
		return m.branded(m.make.objectID, v.ObjectID().Hex())
	case bson.TypeDecimal128:
		return m.branded(m.make.decimal, v.Decimal128().String())
	case bson.TypeRegex:
		pattern, flags := v.Regex()
		return m.make.regExp(goja.Undefined(), m.vm.ToValue(pattern), m.vm.ToValue(flags), m.vm.ToValue(s.bsonRegExp))
	case bson.TypeBinary:
		subtype, data := v.Binary()
		b, err := m.bytes(data)
		if err != nil || s.promoteBuffers && s.promoteValues {
			return b, err
		}
		return m.typedValue("Binary", b, m.vm.ToValue(subtype))
	case bson.TypeTimestamp:
		t, i := v.Timestamp()
		return m.typedValue("Timestamp", m.vm.ToValue(t), m.vm.ToValue(i))
	case bson.TypeMinKey:
		return m.typedValue("MinKey")
	case bson.TypeMaxKey:
		return m.typedValue("MaxKey")
	case bson.TypeJavaScript:
		return m.typedValue("Code", m.vm.ToValue(v.JavaScript()))
	case bson.TypeCodeWithScope:
		code, scope := v.CodeWithScope()
		o, err := m.readObject(bson.Raw(scope), s)
		if err != nil {
			return nil, err
		}
		return m.typedValue("Code", m.vm.ToValue(code), o)
	case bson.TypeSymbol:
		if s.promoteValues {
			return m.vm.ToValue(v.Symbol()), nil
		}
		return m.typedValue("BSONSymbol", m.vm.ToValue(v.Symbol()))
	case bson.TypeDBPointer:
		ns, id := v.DBPointer()
		oid, err := m.branded(m.make.objectID, id.Hex())
		if err != nil {
			return nil, err
		}
		return m.typedValue("DBRef", m.vm.ToValue(ns), oid)
	default:
		return nil, fmt.Errorf("BSON type %s is not known", v.Type)
	}
}

func (m *machine) number(kind string, n goja.Value, s shape) (goja.Value, error) {
	if s.promoteValues {
		return n, nil
	}
	return m.typedValue(kind, n)
}

// maxSafe is the largest integer that a JavaScript number holds exactly.
const maxSafe = 1<<53 - 1

func (m *machine) long(n int64, s shape) (goja.Value, error) {
	switch {
	case s.bigInts:
		return m.vm.ToValue(big.NewInt(n)), nil
	case s.promoteLongs && s.promoteValues && n <= maxSafe+1 && n >= -maxSafe-1:
		return m.vm.ToValue(float64(n)), nil
	default:
		return m.typedValue("Long", m.vm.ToValue(big.NewInt(n)))
	}
}

func (m *machine) branded(proto *goja.Object, payload string) (goja.Value, error) {
	o := m.vm.CreateObject(proto)
	return o, o.SetSymbol(m.sym.value, payload)
}

func (m *machine) typedValue(kind string, values ...goja.Value) (goja.Value, error) {
	return m.make.typed(goja.Undefined(), append([]goja.Value{m.vm.ToValue(kind)}, values...)...)
}

// bytes copies data into a Buffer of the script.
func (m *machine) bytes(data []byte) (goja.Value, error) {
	return m.libCall("buffer", m.vm.ToValue(m.vm.NewArrayBuffer(append([]byte(nil), data...))))
}

// fromGo turns a caller's argument into JavaScript.
func (m *machine) fromGo(a any) (goja.Value, error) {
	switch x := a.(type) {
	case nil:
		return goja.Undefined(), nil
	case bson.Raw:
		return m.object(x, nodeShape)
	case []bson.Raw:
		items := make([]any, len(x))
		for i, d := range x {
			v, err := m.object(d, nodeShape)
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return m.vm.NewArray(items...), nil
	}
	kind, data, err := bson.MarshalValue(a)
	if err != nil {
		return nil, err
	}
	return m.value(bsoncore.Value{Type: kind, Data: data}, nodeShape)
}

// toGo turns a result into Go; what BSON cannot hold, such as a function, is nothing.
func (m *machine) toGo(v goja.Value) any {
	if v == nil || goja.IsUndefined(v) {
		return nil
	}
	raw, err := m.rawValue(v)
	if err != nil {
		return nil
	}
	var out any
	if err := raw.Unmarshal(&out); err != nil {
		return nil
	}
	return out
}
