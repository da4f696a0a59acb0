package script

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/mongo"
)

// TestFailures: every failure names the file and the line, and says what to do. The body starts at line 2 of the script.
func TestFailures(t *testing.T) {
	db := database(t)
	insert(t, db, "c", map[string]any{"_id": 1})
	const at = "migrations/0001_test.js:"
	const npx = `run this migration with Node instead: set SCHEMAGATE_COMMAND, for example to "npx migrate-mongo up"`
	for _, c := range []struct {
		name, body string
		want       []string // parts of the message
	}{
		{"thrown", "\n throw new Error('boom')", []string{at + "3:", ": boom"}},
		{"thrown in a function", "const f = () => {\n throw new RangeError('deep') }\n f()", []string{at + "3:", "RangeError: deep"}},
		{"after await", "await null\n await null\n await Promise.reject(new TypeError('late'))", []string{at + "4:", "TypeError: late"}},
		{"thrown in a callback", "await db.collection('c').find().forEach(d => {\n throw new Error('each') })", []string{at + "3:", "each"}},
		{"thrown in a timer", "setTimeout(() => {\n throw new Error('tick') }, 1)\n await new Promise(() => {})", []string{at + "3:", "tick"}},
		{"a string", "await db.collection('c').findOne()\n throw 'text'", []string{at + "2:", `threw "text"`}},
		{"nothing", "throw undefined", []string{"threw undefined"}},
		{"an object", "throw {a: 1, code: 7}", []string{"threw { a: 1, code: 7 }", "(code 7)"}},
		{"a getter that throws", "throw {get name() { throw 1 }, get message() { throw 2 }, get stack() { throw 3 }, get cause() { throw 4 }}", []string{"0001_test.js"}},
		{"not defined", "\n\n nothere.x = 1", []string{at + "4:", "ReferenceError: nothere is not defined"}},
		{"null", "const x = null\n x.y", []string{at + "3:", "TypeError"}},
		{"assert", "require('assert').strictEqual(1, 2, 'unequal')", []string{at + "2:", "AssertionError: unequal"}},
		{"server error", "\n await db.collection('c').insertOne({_id: 1})", []string{at + "3:", "MongoServerError: E11000", "(code 11000)"}},
		{"later batch", "await db.collection('c').find({$nope: 1}).toArray()", []string{at + "2:", "MongoServerError"}},

		{"watch", "\n db.collection('c').watch()", []string{at + "3:", "collection.watch is not supported by schemagate: " + npx}},
		{"typo", "db.collection('c').insrtOne({})", []string{at + "2:", "collection.insrtOne is not supported"}},
		{"dropped method", "await db.collection('c').update({}, {})", []string{at + "2:", "collection.update is not supported by schemagate: the Node driver dropped it: use updateOne or updateMany"}},
		{"collection as property", "await db.users.find()", []string{at + "2:", "db.collection('users')"}},
		{"client", "client.topology", []string{"client.topology is not supported"}},
		{"stream", "db.collection('c').find().stream()", []string{"cursor.stream is not supported"}},
		{"session", "client.startSession().advanceClusterTime()", []string{"session.advanceClusterTime is not supported"}},
		{"callback", "db.collection('c').insertOne({}, () => {})", []string{at + "2:", "a callback of insertOne", "await the promise"}},
		{"option of consequence", "await db.collection('c').find({}, {explain: true}).toArray()", []string{at + "2:", "find: option explain is not supported"}},
		{"option for all calls", "db.collection('c', {promoteLongs: false})", []string{at + "2:", "collection: option promoteLongs is not supported by schemagate: give it to the methods"}},
		{"old option", "await db.collection('c').findOneAndUpdate({}, {$set: {a: 1}}, {returnOriginal: false})", []string{at + "2:", "returnDocument"}},
		{"foreign session", "await db.collection('c').insertOne({}, {session: {}})", []string{"client.startSession()"}},
		{"ended session", "const s = client.startSession(); await s.endSession()\n await db.collection('c').findOne({}, {session: s})", []string{at + "3:", "Cannot use a session that has ended"}},
		{"other connection", "const {MongoClient} = require('mongodb')\n new MongoClient('mongodb://x')", []string{at + "3:", "MongoClient is not supported", "use the db and client"}},
		{"own history", "await db.dropDatabase()", []string{at + "2:", "dropDatabase of the migrated database"}},
		{"no name", "db.collection('')", []string{"Collection names cannot be empty"}},
		{"bad name", "await db.collection('a$b').findOne()", []string{at + "2:", `"a$b" is no name for a collection`}},

		{"npm", "\n require('mongoose')", []string{at + "3:", "require('mongoose') is not supported by schemagate: npm packages are not there; " + npx}},
		{"parse", "require('parse/node')", []string{"require('parse/node')", "SCHEMAGATE_COMMAND"}},
		{"file system", "require('node:fs')", []string{"a script reaches no files, network or processes"}},
		{"processes", "require('child_process')", []string{"a script reaches no files, network or processes"}},
		{"other file", "require('./helper')", []string{"a migration is one file", "SCHEMAGATE_COMMAND"}},
		{"module of Node", "require('events')", []string{"this module of Node is not there"}},
		{"part of a module", "require('util').parseArgs()", []string{at + "2:", "util.parseArgs is not supported"}},
		{"part of the driver", "new (require('mongodb').GridFSBucket)(db)", []string{at + "2:", "mongodb.GridFSBucket is not supported"}},
		{"imported", "await import('lodash')", []string{"require('lodash')"}},
		{"environment", "console.log(process.env.HOME)", []string{at + "2:", "process.env.HOME is not passed to scripts"}},
		{"environment listed", "Object.keys(process.env)", []string{"listing process.env"}},
		{"environment changed", "process.env.X = '1'", []string{"changing process.env.X"}},
		{"exit", "process.exit(0)", []string{at + "2:", "process.exit is not supported", "throw an error"}},
		{"working directory", "process.cwd()", []string{at + "2:", "process.cwd is not supported"}},
		{"network", "await fetch('http://x')", []string{at + "2:", "fetch is not supported", "no network"}},
		{"locale", "(5).toLocaleString('de')", []string{at + "2:", "Number.toLocaleString is not supported"}},
		{"Intl", "new Intl.NumberFormat()", []string{at + "2:", "Intl.NumberFormat is not supported"}},
		{"property escape", "/\\p{L}/u.test('a')", []string{at + "2:", `\p{...} in a regular expression is not supported`}},
		{"property escape at run time", "new RegExp('[^\\\\p{Lu}]', 'u')", []string{at + "2:", `\p{...}`}},

		{"circular", "const a = {}; a.b = {a}\n await db.collection('c').insertOne(a)", []string{at + "3:", "BSONError: document: field b.a.b.a.b.a.b.a....: nested deeper than 100 levels: a circular reference?"}},
		{"invalid date", "await db.collection('c').insertOne({when: {at: new Date('x')}})", []string{at + "2:", "field when.at: an invalid Date"}},
		{"big integer", "await db.collection('c').updateOne({}, {$set: {n: 2n ** 64n}})", []string{at + "2:", "field $set.n: 18446744073709551616 does not fit an int64"}},
		{"null byte", "await db.collection('c').insertOne({'a\\0b': 1})", []string{"null byte"}},
		{"toBSON throws", "await db.collection('c').insertOne({a: {toBSON() {\n throw new Error('own') }}})", []string{at + "3:", "own"}},
		{"a number to insert", "await db.collection('c').insertOne(5)", []string{at + "2:", "must be an object"}},
		{"an array to insert", "await db.collection('c').insertOne([])", []string{at + "2:", "expected a document"}},
		{"an ObjectId as filter", "await db.collection('c').findOne(new (require('mongodb').ObjectId)())", []string{at + "2:", "expected a document"}},

		{"not awaited", "\n db.collection('c').insertOne({_id: 1})", []string{at + "3:", "E11000", "nothing awaited this promise"}},
		{"not awaited in forEach", "await db.collection('c').find().forEach(async d => {\n await db.collection('c').insertOne(d) })", []string{at + "3:", "E11000"}},
		{"never settles", "await db.collection('c').findOne()\n await new Promise(() => {})", []string{at + "2:", "up() waits for something that nothing is left to do: the promise never settles"}},
		{"recursion", "const f = () => f()\n f()", []string{at + "2:", "maximum call stack size exceeded"}},
		{"recursion through await", "const f = async () => { await f() }\n await f()", []string{at + "2:", "maximum call stack size exceeded"}},
		{"recursion through sort", "const f = () => [2, 1].sort(f)\n f()", []string{at + "2:", "maximum call stack size exceeded"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := up(t, c.body).Run(t.Context(), "up", db, Options{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, not an *Error", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, which lacks %q", err, part)
				}
			}
		})
	}
	if n := len(all(t, db, "c")); n != 1 {
		t.Errorf("%d documents were left behind", n-1)
	}
}

// TestStopped: what ends a script from outside can't be held up by it.
func TestStopped(t *testing.T) {
	db := database(t)
	boom := errors.New("lost the term")
	for _, c := range []struct{ name, body string }{
		{"loop", "for (;;) {}"},
		{"loop that catches", "for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } }"},
		{"microtasks", "const f = async () => { for (;;) await null }\n await f()"},
		{"timers", "for (;;) await new Promise(r => setTimeout(r, 1))"},
		{"interval", "await new Promise(() => setInterval(() => {}, 1))"},
		{"immediates", "const f = () => setImmediate(f)\n f()\n await new Promise(() => {})"},
		{"calls", "for (;;) { try { await db.collection('c').findOne() } catch {} }"},
		{"calls without await", "for (;;) { try { db.collection('c').findOne().catch(() => {}) } catch {} }"},
		{"getter in a document", "await db.collection('c').insertOne({get a() { for (;;) {} }})"},
		{"getter in the result", "return {get a() { for (;;) {} }}"},
		{"getter in the error", "throw {get message() { for (;;) {} }}"},
		{"thenable", "return {then() { for (;;) {} }}"},
		{"rejection handler", "await Promise.reject(1).catch(() => { for (;;) {} })"},
		{"generator", "function* g() { for (;;) yield 1 }\n for (const x of g()) {}"},
		{"proxy", "await db.collection('c').insertOne(new Proxy({}, {ownKeys() { for (;;) {} }}))"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			// The script says itself when it has begun, so nothing here depends on how fast it is.
			log := func(string, string) { cancel(boom) }
			err := up(t, "console.log('begun')\n"+c.body).Run(ctx, "up", db, Options{Log: log})
			if !errors.Is(err, boom) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), "migrations/0001_test.js") || !strings.Contains(err.Error(), "stopped: lost the term") {
				t.Errorf("got %q", err)
			}
		})
	}

	t.Run("timeout", func(t *testing.T) {
		err := up(t, "let x = 0\n for (;;) {\n x++ }").Run(t.Context(), "up", db, Options{Timeout: 50 * time.Millisecond})
		if !errors.Is(err, ErrTimeout) || !strings.HasPrefix(err.Error(), "migrations/0001_test.js:4:") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("at the top level", func(t *testing.T) {
		p := compile(t, "a.js", "for (;;) {}")
		if err := p.Run(t.Context(), "up", db, Options{Timeout: 50 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := up(t, "await db.collection('c').insertOne({})").Run(ctx, "up", db, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		for _, body := range []string{"const a = []\n for (;;) a.push(new Array(1000).fill(a.length))", "let s = 'x'\n for (;;) s += s.slice(0, 100000) + '!'"} {
			err := up(t, body).Run(t.Context(), "up", db, Options{MaxMemory: 64 << 20})
			if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "limit of 64 MiB") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("garbage is no growth", func(t *testing.T) {
		if err := up(t, "for (let i = 0; i < 4e3; i++) new Array(2000).fill(i)").Run(t.Context(), "up", db, Options{MaxMemory: 64 << 20}); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// TestDriverErrors: the caller can tell what an error came from, however the script wrapped it.
func TestDriverErrors(t *testing.T) {
	db := database(t)
	insert(t, db, "c", map[string]any{"_id": 1})
	for _, body := range []string{
		"await db.collection('c').insertOne({_id: 1})",
		"await db.collection('c').insertMany([{_id: 2}, {_id: 1}])",
		"try { await db.collection('c').insertOne({_id: 1}) } catch (e) { throw new Error('wrapped', {cause: e}) }",
	} {
		if err := up(t, body).Run(t.Context(), "up", db, Options{}); !mongo.IsDuplicateKeyError(err) {
			t.Errorf("%s: %v is no duplicate key error", body, err)
		}
	}

	e := &Error{File: "a.js", Line: 3, Name: "MongoServerError", Message: `E11000 duplicate key error collection: x.y index: email_1 dup key: { email: "bob@example.org" }`, Code: 11000}
	if s := e.Redacted(); strings.Contains(s, "bob") || !strings.Contains(s, "email_1") || !strings.Contains(s, "(code 11000)") {
		t.Errorf("got %q", s)
	}
	if !strings.Contains(e.Error(), "bob") {
		t.Errorf("got %q", e)
	}
}

func TestExports(t *testing.T) {
	db := database(t)
	for _, c := range []struct{ name, file, source, want string }{
		{"nothing", "a.js", "", "a.js: exports no function up: expected module.exports = { async up(db, client) { ... } }"},
		{"no function", "a.js", "module.exports = { up: 5 }", "exports no function up"},
		{"null", "a.js", "module.exports = null", "exports no function up"},
		{"only down", "a.js", "exports.down = async () => {}", "exports no function up"},
		{"top level throws", "a.js", "\n\nthrow new Error('top')", "a.js:3:7: top"},
		{"top level requires", "a.js", "const x = require('left-pad')", "require('left-pad') is not supported"},
		{"top level uses a database", "a.js", "db.collection('x')", "a.js:1:1: ReferenceError: db is not defined"},
		{"getter", "a.js", "module.exports = { get up() { throw new Error('got') } }", "got"},
		{"default", "a.mjs", "export default { async up(db) {} }", ""},
		{"named", "a.mjs", "export async function up(db) {}\nexport const down = null", ""},
		{"sync", "a.js", "exports.up = () => 5", ""},
		{"class instance", "a.js", "class M { async up(db) { this.x = db.databaseName } }\nmodule.exports = new M()", ""},
		{"typescript", "a.ts", "import { Db, MongoClient } from 'mongodb'\nenum E { A = 'a' }\ninterface I { x: number }\nexport async function up(db: Db, client: MongoClient): Promise<void> {\n  const v = { x: 1 } satisfies I\n  if (E.A as string !== 'a') throw new Error(`${v!.x}`)\n}", ""},
		{"hashbang", "a.js", "#!/usr/bin/env node\nexports.up = async () => {}", ""},
		{"byte order mark", "a.js", "\ufeffexports.up = async () => {}", ""},
		{"sloppy", "a.js", "exports.up = async function () { undeclared = 1; with ({a: 1}) { return a } }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := compile(t, c.file, c.source).Run(t.Context(), "up", db, Options{})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ file, source, want string }{
		{"dir/a.js", "module.exports = {\n  up(db) {\n    const = 5\n  }\n}", "dir/a.js:3:11: SyntaxError: Expected identifier but found \"=\""},
		{"a.js", "exports.up = async (db) => {", "a.js:1:29: SyntaxError: "},
		{"a.js", "await 1\nexports.up = 1", "a.js:1:1: SyntaxError: "},
		{"a.js", "import x from 'y'\nawait x()\nexport const up = 1", "a.js:2:1: SyntaxError: Top-level await is currently not supported"},
		{"a.ts", "const x: = 1", "a.ts:1:10: SyntaxError: "},
		{"a.js", "const x: number = 1", "a.js:1:8: SyntaxError: "},
		{"a.js", "let a; let a", "a.js:1:12: SyntaxError: "},
		{"a.js", "exports.up = () => { return /(/ }", "a.js:"},
		{"a.js", "\x00\x01", "a.js:1:1: SyntaxError: "},
	} {
		_, err := Compile(c.file, c.source)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.source, err, c.want)
		}
	}
}
