package script

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// withoutSourceMaps keeps what a script passes to eval from naming a file to read.
var withoutSourceMaps = parser.WithDisableSourceMaps

// host is what the prelude is built on. Nothing of it is visible to a script.
func (m *machine) host() (*goja.Object, error) {
	m.sym = symbols{kind: goja.NewSymbol("bsontype"), value: goja.NewSymbol("value"), cause: goja.NewSymbol("cause")}
	o := m.vm.NewObject()
	for name, v := range map[string]any{
		"kind": m.sym.kind, "value": m.sym.value,
		"call": m.call, "startSession": m.hostStartSession, "startTransaction": m.hostStartTransaction,
		"log": m.hostLog, "env": m.hostEnv, "setTimer": m.hostSetTimer, "clearTimer": m.hostClearTimer, "setImmediate": m.hostSetImmediate,
		"now":         func() float64 { return float64(time.Since(m.started)) / float64(time.Millisecond) },
		"newObjectId": func() string { return primitive.NewObjectID().Hex() },
		"decimal128":  m.hostDecimal128,
		"encodeText":  m.hostEncodeText, "decodeText": m.hostDecodeText,
		"randomBytes": m.hostRandomBytes, "hash": m.hostHash,
		"ejsonParse": m.hostEJSONParse, "ejsonStringify": m.hostEJSONStringify,
	} {
		if err := o.Set(name, v); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// throw raises a JavaScript error out of a function of the host.
func (m *machine) throw(err error) {
	var ex *goja.Exception
	if errors.As(err, &ex) {
		panic(ex.Value())
	}
	panic(m.vm.NewTypeError(err.Error()))
}

func (m *machine) hostLog(level, message string) { m.options.log(level, "%s", message) }

// hostEnv returns a variable; not in the list is an error, empty is undefined.
func (m *machine) hostEnv(fc goja.FunctionCall) goja.Value {
	name := fc.Argument(0).String()
	v, ok := m.options.Env[name]
	if !ok {
		m.throw(fmt.Errorf("process.env.%s is not passed to scripts: allow it by name, or write the value into the script", name))
	}
	if v == "" {
		return goja.Undefined()
	}
	return m.vm.ToValue(v)
}

// timerTask calls a function of the script from the loop.
func (m *machine) timerTask(f goja.Value, rest []goja.Value) func() error {
	call, ok := goja.AssertFunction(f)
	if !ok {
		m.throw(errors.New("the callback of a timer must be a function"))
	}
	return func() error {
		_, err := call(goja.Undefined(), rest...)
		return err
	}
}

func from(values []goja.Value, n int) []goja.Value {
	if len(values) <= n {
		return nil
	}
	return append([]goja.Value(nil), values[n:]...)
}

// hostSetTimer takes (function, delay in ms, repeat, ...arguments) and returns the timer's id.
func (m *machine) hostSetTimer(fc goja.FunctionCall) goja.Value {
	delay := time.Duration(fc.Argument(1).ToInteger()) * time.Millisecond
	return m.vm.ToValue(m.addTimer(delay, fc.Argument(2).ToBoolean(), m.timerTask(fc.Argument(0), from(fc.Arguments, 3))))
}

func (m *machine) hostClearTimer(id int64) { m.clearTimer(id) }

func (m *machine) hostSetImmediate(fc goja.FunctionCall) goja.Value {
	m.queue(m.timerTask(fc.Argument(0), from(fc.Arguments, 1)))
	return goja.Undefined()
}

func (m *machine) hostDecimal128(s string) string {
	d, err := primitive.ParseDecimal128(s)
	if err != nil {
		m.throw(fmt.Errorf("%q is not a Decimal128", s))
	}
	return d.String()
}

// hostEncodeText takes (text, encoding) and returns an ArrayBuffer.
func (m *machine) hostEncodeText(s, encoding string) goja.Value {
	var b []byte
	var err error
	switch encoding {
	case "utf8":
		b = []byte(s)
	case "hex":
		b, err = hex.DecodeString(s)
	case "base64":
		// Both alphabets, with or without padding, as Node takes them.
		s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(s), "=")
		b, err = base64.RawStdEncoding.DecodeString(s)
	case "latin1":
		for _, r := range s {
			b = append(b, byte(r))
		}
	default:
		err = fmt.Errorf("the encoding %s is not supported by schemagate", encoding)
	}
	if err != nil {
		m.throw(err)
	}
	return m.vm.ToValue(m.vm.NewArrayBuffer(b))
}

// hostDecodeText takes (bytes, encoding) and returns text.
func (m *machine) hostDecodeText(fc goja.FunctionCall) goja.Value {
	b, ok := bytesOf(fc.Argument(0))
	if !ok {
		m.throw(errors.New("expected a Uint8Array"))
	}
	switch encoding := fc.Argument(1).String(); encoding {
	case "utf8":
		return m.vm.ToValue(strings.ToValidUTF8(string(b), "\ufffd"))
	case "hex":
		return m.vm.ToValue(hex.EncodeToString(b))
	case "base64":
		return m.vm.ToValue(base64.StdEncoding.EncodeToString(b))
	case "base64url":
		return m.vm.ToValue(base64.RawURLEncoding.EncodeToString(b))
	case "latin1":
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		return m.vm.ToValue(string(r))
	default:
		m.throw(fmt.Errorf("the encoding %s is not supported by schemagate", encoding))
		return nil
	}
}

// maxRandomBytes is Node's own limit for getRandomValues.
const maxRandomBytes = 65536

func (m *machine) hostRandomBytes(n int) goja.Value {
	if n < 0 || n > maxRandomBytes {
		m.throw(fmt.Errorf("randomBytes of %d: at most %d", n, maxRandomBytes))
	}
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return m.vm.ToValue(m.vm.NewArrayBuffer(b))
}

func (m *machine) hostHash(fc goja.FunctionCall) goja.Value {
	var h hash.Hash
	switch name := strings.ToLower(fc.Argument(0).String()); name {
	case "md5":
		h = md5.New()
	case "sha1":
		h = sha1.New()
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	default:
		m.throw(fmt.Errorf("the hash %s is not supported by schemagate: md5, sha1, sha256 or sha512", name))
	}
	b, ok := bytesOf(fc.Argument(1))
	if !ok {
		m.throw(errors.New("expected a Uint8Array"))
	}
	h.Write(b)
	return m.vm.ToValue(m.vm.NewArrayBuffer(h.Sum(nil)))
}

func (m *machine) hostEJSONParse(text string) goja.Value {
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+text+`}`), false, &d); err != nil {
		m.throw(fmt.Errorf("EJSON: %w", err))
	}
	v, err := m.object(d, nodeShape)
	if err != nil {
		m.throw(err)
	}
	return v.ToObject(m.vm).Get("v")
}

// hostEJSONStringify takes (value, canonical).
func (m *machine) hostEJSONStringify(fc goja.FunctionCall) goja.Value {
	raw, err := m.rawValue(fc.Argument(0))
	if err != nil {
		m.throw(err)
	}
	out, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: raw}}, fc.Argument(1).ToBoolean(), false)
	if err != nil {
		m.throw(err)
	}
	return m.vm.ToValue(strings.TrimSuffix(strings.TrimPrefix(string(out), `{"v":`), "}"))
}

func (m *machine) hostStartSession(fc goja.FunctionCall) goja.Value {
	v, err := m.startSession(m.args(fc.Argument(0)))
	if err != nil {
		m.throw(err)
	}
	return v
}

// hostStartTransaction takes (session, options); it sends nothing.
func (m *machine) hostStartTransaction(fc goja.FunctionCall) goja.Value {
	v, err := m.transaction(m.ctx, "startTransaction", fc.Argument(0).ToInteger(), m.args(fc.Argument(1)))
	if err != nil {
		m.throw(err)
	}
	return v
}
