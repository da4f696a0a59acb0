package script

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"
)

func TestRunCommands(t *testing.T) {
	db, w := watchedDatabase(t, options.Client().SetTimeout(0))
	const file = `
	[
	  {"create": "books"},
	  {"createIndexes": "books", "indexes": [{"key": {"isbn": 1, "at": -1}, "name": "isbn_at", "unique": true}]},
	  {"insert": "books", "documents": [
	    {"_id": {"$oid": "65a0b0c0d0e0f00102030405"}, "n": {"$numberLong": "9007199254740993"}, "at": {"$date": "2024-01-02T03:04:05Z"}, "i": 5, "d": 5.5, "b": {"$binary": {"base64": "AQI=", "subType": "00"}}}
	  ]},
	  {"update": "books", "updates": [{"q": {}, "u": {"$set": {"seen": true}}, "multi": true}]}
	]`
	calls := 0
	o := Options{Before: func(context.Context) error { calls++; return nil }}
	if err := RunCommands(t.Context(), db, "0003_books.json", []byte(file), o); err != nil {
		t.Fatal(err)
	}
	want := `{"_id":{"$oid":"65a0b0c0d0e0f00102030405"},"n":{"$numberLong":"9007199254740993"},"at":{"$date":{"$numberLong":"1704164645000"}},"i":{"$numberInt":"5"},"d":{"$numberDouble":"5.5"},"b":{"$binary":{"base64":"AQI=","subType":"00"}},"seen":true}`
	if got := all(t, db, "books"); len(got) != 1 || got[0] != want {
		t.Errorf("got %v", got)
	}
	if calls != 4 {
		t.Errorf("Before was called %d times for 4 commands", calls)
	}
	for _, cmd := range w.sent()[:4] {
		if _, err := cmd.LookupErr("$db"); err != nil {
			t.Errorf("%s went to no database", cmd)
		}
	}

	fenced := errors.New("fenced")
	o.Before = func(context.Context) error { return fenced }
	err := RunCommands(t.Context(), db, "0004.json", []byte(`{"ping": 1}`), o)
	if !errors.Is(err, fenced) || err.Error() != "0004.json:1: stopped at command 1 of 1 (ping): fenced" {
		t.Errorf("got %v", err)
	}
}

func TestCommandErrors(t *testing.T) {
	db := database(t)
	insert(t, db, "c", bson.D{{Key: "_id", Value: 1}})
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "a.json:1: no command"},
		{"spaces", " \n ", "a.json:1: no command"},
		{"no commands", "[]", "a.json:1: no command: the array is empty"},
		{"nothing in it", "[{\"ping\": 1},\n{}]", "a.json:2: command 2: an empty document names no command"},
		{"no document", "[\n5]", "a.json:2: command 1: expected a document"},
		{"a number", "5", "a.json:1: command 1: expected a document"},
		{"text", `"ping"`, "a.json:1: command 1: expected a document"},
		{"not JSON", "[{\"ping\": 1},\n{ping: 1}]", "a.json:2: not JSON"},
		{"cut off", "[{\"ping\": 1},", "a.json:1: the file ends in the middle"},
		{"cut off inside", "{\"ping\":\n 1", "a.json:2: the file ends in the middle"},
		{"two", "{\"ping\": 1}\n{\"ping\": 1}", "a.json:2: more text after the end: several commands go into one array"},
		{"rest", "[{\"ping\": 1}]\n]", "a.json:2: more text after the end"},
		{"bad extended JSON", "[\n{\"insert\": \"c\", \"documents\": [{\"d\": {\"$date\": \"yesterday\"}}]}]", "a.json:2: command 1: not Extended JSON"},
		{"unknown command", "[{\"ping\": 1},\n\n{\"nope\": 1}]", "a.json:3: command 2 of 2 (nope): (CommandNotFound) no such command: 'nope' (code 59)"},
		{"refused", "{\"collMod\": \"c\", \"validator\": {}}", "a.json:1: command 1 of 1 (collMod): "},
		{"write error", `{"insert": "c", "documents": [{"_id": 1}]}`, "a.json:1: command 1 of 1 (insert): write exception"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := RunCommands(t.Context(), db, "a.json", []byte(c.file), Options{})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	// Nothing of a file that does not parse is run.
	if err := RunCommands(t.Context(), db, "a.json", []byte(`[{"create": "made"}, {}]`), Options{}); err == nil {
		t.Error("no error")
	}
	names, err := db.ListCollectionNames(t.Context(), bson.D{{Key: "name", Value: "made"}})
	if err != nil || len(names) > 0 {
		t.Errorf("%v was made, %v", names, err)
	}
}

func FuzzParseCommands(f *testing.F) {
	for _, s := range []string{`{"ping": 1}`, `[{"a": {"$date": "x"}}]`, `[{"parseSchema": {"class": "A", "add": {"b": {"type": "String"}}}}]`, "[", `[{},{}]`, "\ufeff[]", `{"a":{"$numberLong":"x"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		commands, err := ParseCommands("f.json", data)
		if (err == nil) != (len(commands) > 0) {
			t.Fatalf("%d commands and %v", len(commands), err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1) {
			t.Fatalf("no line: %v", err)
		}
		for _, c := range commands {
			if c.Document.Validate() != nil || c.Line < 1 {
				t.Fatalf("broken: %v", c)
			}
		}
	})
}

// FuzzCompile: whatever is thrown at it is a program or an *Error, and a program runs within its bounds.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"module.exports = {}", "export const up = async () => {}", "#!x\n", "exports.up = function* () {}", "for await (const x of y) {}", "class A { #x; static {} }", "`${", "/\\p{L}/u", "import('x')", "a?.b ?? c", "let x = 5n ** 2n", "with (x) {}", "0b12", "<!-- x", "exports.up = () => { throw { get message() { return this } } }"} {
		f.Add(s)
	}
	for _, name := range []string{"20240101000008-syntax.js", "20240101000003-results.js"} {
		source, err := os.ReadFile("testdata/compare/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Compile("f.js", source)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", source, err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), loadTimeout)
		defer cancel()
		if _, err := p.Load(ctx, Options{MaxMemory: 64 << 20}); err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", source, err)
		}
	})
}

// FuzzDocument: what comes out of BSON goes back into the same bytes, apart from the numbers that JavaScript has no types for.
func FuzzDocument(f *testing.F) {
	for _, d := range []bson.D{{}, {{Key: "a", Value: int64(1) << 60}}, {{Key: "$ref", Value: "c"}, {Key: "$id", Value: 1}}, {{Key: "__proto__", Value: bson.D{}}, {Key: "1", Value: "x"}}} {
		raw, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(raw))
	}
	m := bareMachine(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		raw := bson.Raw(data)
		v, err := m.object(raw, nodeShape)
		if err != nil {
			return
		}
		first, err := m.document(v)
		if err != nil {
			return
		}
		if first.Validate() != nil {
			t.Fatalf("%x became the broken %x", data, first)
		}
		again, err := m.object(first, nodeShape)
		if err != nil {
			t.Fatal(err)
		}
		second, err := m.document(again)
		if err != nil || string(second) != string(first) {
			t.Fatalf("%s became %s, then %s, %v", raw, first, second, err)
		}
	})
}
