package script

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
)

// expressions are values as scripts write them, each serialised by js-bson and by this package.
var expressions = []string{
	`0`, `-0`, `1.5`, `NaN`, `Infinity`, `-Infinity`, `2147483648`, `-2147483649`, `1e21`, `Number.MIN_VALUE`, `5n`, `-(2n**63n)`, `2n**63n-1n`, `true`, `null`, `undefined`, `''`, `'ünï𝒞ode\n'`, `'\0'`,
	`[]`, `[1,[2,[3]]]`, `[undefined, null]`, `{}`, `{a:{b:{}}}`, `{a: undefined}`, `{'': 1}`, `{'a.b': 1, $c: 2}`, `{2:1, b:1, 1:1}`, `new Map([['b', 1], ['a', new Map()]])`, `[new Map([['a', 1]])]`,
	`new Date(0)`, `new Date(-62135596800000)`, `new Date(8640000000000000)`, `/a/`, `/a/gimsuy`, `/a\/b/i`, `new RegExp('')`, `new BSONRegExp('a', 'xi')`,
	`new ObjectId('0123456789abcdef01234567')`, `new ObjectId(Buffer.from('0123456789ab'))`, `Long.MAX_VALUE`, `Long.MIN_VALUE`, `Long.fromString('18446744073709551615', true)`, `Long.fromNumber(5)`, `new Long(1, 2)`, `Long.fromBigInt(-7n)`,
	`new Int32(5)`, `new Int32('7')`, `new Double(5)`, `new Double(-0)`, `Decimal128.fromString('0.1')`, `Decimal128.fromString('-1.50E+10')`, `Decimal128.fromString('NaN')`, `Decimal128.fromString('Infinity')`,
	`Decimal128.fromString('123456789012345678901234567890.1234')`, `new Binary(Buffer.from([1,2]))`, `new Binary(Buffer.from([1,2]), 2)`, `Buffer.from('x')`, `new Uint8Array([1])`, `new UUID('123e4567-e89b-42d3-a456-426614174000')`,
	`new Timestamp({t: 4294967295, i: 7})`, `new Timestamp(5n)`, `Timestamp.fromBits(1, 2)`, `new MinKey()`, `new MaxKey()`, `new Code('x')`, `new Code('x', {a: 1})`, `new Code(function f() { return 1 })`, `new BSONSymbol('s')`,
	`new DBRef('c', 1)`, `new DBRef('c', new ObjectId('0123456789abcdef01234567'), 'd')`, `new DBRef('c', 1, 'd', {x: 1})`, `{f() {}, s: Symbol('x'), a: 1}`, `new (class { constructor() { this.a = 1 } get b() { return 2 } })()`, `Object.create({inherited: 1})`,
	`Object.defineProperty({a: 1}, 'hidden', {value: 1})`, `{toBSON() { return {a: 1} }}`, `Object.create(null)`, `new Proxy({a: 1}, {})`, `JSON.parse('{"__proto__": 5}')`, `[1,,3]`, `'x'.repeat(1000)`, `new Error('e')`,
}

// TestBSONSameAsNode compares the bytes with those of js-bson, then reads the bytes back in both and compares what is there.
func TestBSONSameAsNode(t *testing.T) {
	dir := node(t)
	const reader = `
		const told = []
		for (const v of [doc.v]) told.push(typeof v, v === null || v === undefined ? '' : v.constructor ? v.constructor.name : '', String(JSON.stringify(typeof v === 'bigint' ? String(v) : v)), Object.is(v, -0))
	`
	source := fmt.Sprintf(`
		const b = require('mongodb')
		const { ObjectId, Long, Int32, Double, Decimal128, Binary, UUID, Timestamp, MinKey, MaxKey, Code, BSONSymbol, BSONRegExp, DBRef } = b
		const out = %s.map(e => { try {
			const bytes = b.BSON.serialize({ v: eval('(' + e + ')') }, { ignoreUndefined: false })
			const doc = b.BSON.deserialize(bytes)
			%s
			return { hex: Buffer.from(bytes).toString('hex'), told, again: Buffer.from(b.BSON.serialize(doc, { ignoreUndefined: false })).toString('hex') }
		} catch (x) { return { hex: e + ": " + x.message, told: [] } }
		})
		console.log(JSON.stringify(out))`, mustJSON(t, expressions), reader)
	file := filepath.Join(dir, "bson.js")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	var theirs []struct {
		Hex, Again string
		Told       []any
	}
	if err := json.Unmarshal(runNode(t, dir, file), &theirs); err != nil {
		t.Fatal(err)
	}
	m := bareMachine(t)
	for i, expression := range expressions {
		v := eval(t, m, "({v: "+expression+"})")
		doc, err := m.document(v)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got := hex.EncodeToString(doc); got != theirs[i].Hex {
			t.Errorf("%s: js-bson writes %s\n%s\nours          %s\n%s", expression, theirs[i].Hex, show(t, theirs[i].Hex), got, doc)
			continue
		}
		back, err := m.object(doc, nodeShape)
		if err != nil {
			t.Errorf("%s: read: %v", expression, err)
			continue
		}
		if err := m.vm.Set("doc", back); err != nil {
			t.Fatal(err)
		}
		told := eval(t, m, "(() => {"+reader+"; return JSON.stringify(told)})()").String()
		if want := mustJSON(t, theirs[i].Told); told != want {
			t.Errorf("%s is read as %s by js-bson, as %s by us", expression, want, told)
		}
		again, err := m.document(back)
		if err != nil {
			t.Errorf("%s: write again: %v", expression, err)
			continue
		}
		if got := hex.EncodeToString(again); got != theirs[i].Again {
			t.Errorf("%s comes back as %s from js-bson, as %s from us", expression, show(t, theirs[i].Again), again)
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func show(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return bson.Raw(b).String()
}

// bareMachine is an engine without a database, with the BSON classes as globals.
func bareMachine(t testing.TB) *machine {
	t.Helper()
	p, err := Compile("bare.js", "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMachine(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	types := m.lib.Get("types").ToObject(m.vm)
	for _, k := range types.Keys() {
		if err := m.vm.Set(k, types.Get(k)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func eval(t testing.TB, m *machine, source string) goja.Value {
	t.Helper()
	v, err := m.vm.RunString(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return v
}
