package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// batchScript is a data migration in batches, with its proof.
const batchScript = `
module.exports = {
  query: {},
  async batch(docs, db) {
    await db.collection('users').bulkWrite(docs.map(d => ({ updateOne: { filter: { _id: d._id }, update: { $set: { full: d.first + ' ' + d.last } } } })))
    return docs.length
  },
  async verify(db, client) {
    return (await client.db().collection('users').countDocuments({ full: { $exists: false } })) === 0
  },
  add(a, b, db) { return { sum: a + b.n, db: db.databaseName, when: new Date(5) } },
}`

func TestBatchAndVerify(t *testing.T) {
	db := database(t)
	var docs []bson.Raw
	for i := range 5 {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "first", Value: fmt.Sprintf("f%d", i)}, {Key: "last", Value: "l"}})
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, raw)
		insert(t, db, "users", raw)
	}
	p := compile(t, "0002_names.js", batchScript)
	if names, err := p.Load(t.Context(), Options{}); err != nil || !slices.Equal(names, []string{"batch", "verify", "add"}) {
		t.Errorf("exports %v, %v", names, err)
	}
	if err := p.RunBatch(t.Context(), docs[:2], db, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context(), db, Options{}); !errors.Is(err, ErrVerify) || !strings.HasPrefix(err.Error(), "0002_names.js: verify returned false") {
		t.Errorf("got %v", err)
	}
	if err := p.RunBatch(t.Context(), docs[2:], db, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context(), db, Options{}); err != nil {
		t.Error(err)
	}
	if got := all(t, db, "users")[3]; !strings.Contains(got, `"full":"f3 l"`) {
		t.Errorf("got %s", got)
	}

	v, err := p.Call(t.Context(), "add", db, Options{}, 2, bson.M{"n": 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(v); !strings.Contains(got, "{sum 5} {db "+db.Name()+"} {when 5}") {
		t.Errorf("got %v", got)
	}
	if err := p.Run(t.Context(), "up", db, Options{}); err == nil || !strings.Contains(err.Error(), "exports no function up") {
		t.Errorf("got %v", err)
	}
	if err := compile(t, "a.js", "").RunBatch(t.Context(), docs, db, Options{}); err == nil || !strings.Contains(err.Error(), "async batch(docs, db, client)") {
		t.Errorf("got %v", err)
	}
	if _, err := p.Call(t.Context(), "add", db, Options{}, make(chan int)); err == nil {
		t.Error("a channel was taken as an argument")
	}
}

// TestProgramIsShared: runs of one program at a time share nothing that the script can see.
func TestProgramIsShared(t *testing.T) {
	db := database(t)
	p := compile(t, "a.js", "let n = 0\nexports.up = async db => { n++; globalThis.m = (globalThis.m || 0) + 1; await db.collection('runs').insertOne({n, m}) }")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := p.Run(t.Context(), "up", db, Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n, err := db.Collection("runs").CountDocuments(t.Context(), bson.D{{Key: "n", Value: 1}, {Key: "m", Value: 1}})
	if err != nil || n != 4 {
		t.Errorf("%d runs began with a fresh state, %v", n, err)
	}
}

func TestLogAndEnv(t *testing.T) {
	db := database(t)
	var l logged
	body := `
	console.log('a', 1, {b: [1, 'x']}, null, undefined)
	console.log('%s is %d', 'x', 5, 'more')
	console.debug('debug'); console.warn('warn'); console.error(new Error('shown').message)
	console.group('in'); console.log('side'); console.groupEnd()
	console.assert(1 === 2, 'assertion')
	process.stdout.write('written\n')
	console.log(process.env.TENANT, process.env.EMPTY, process.env.EMPTY || 'default', 'TENANT' in process.env)
	console.log(require('process').env.TENANT)
	await db.collection('c').find({}, {mystery: 1}).toArray()
	await db.collection('c').find({}, {mystery: 1}).toArray()
	await client.close()
	setTimeout(() => {}, 1e6)
	db.collection('c').insertOne({_id: 1}).then(() => db.collection('c').insertOne({_id: 2}))`
	err := up(t, body).Run(t.Context(), "up", db, Options{Log: l.add, Env: map[string]string{"TENANT": "acme", "EMPTY": ""}})
	if err != nil {
		t.Fatal(err)
	}
	want := `info: a 1 { b: [ 1, 'x' ] } null undefined
info: x is 5 more
debug: debug
warn: warn
error: shown
info: in
info:   side
error: Assertion failed: assertion
info: written
info: acme undefined default true
info: acme
warn: find: the option mystery is not known and has no effect
warn: client.close() has no effect: the connection is not the script's to close
warn: migrations/0001_test.js:15: up() returned before this call to the database was made: an await is missing
warn: migrations/0001_test.js: 1 timers were still set when up() ended; they are dropped`
	if got := l.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := len(all(t, db, "c")); n != 2 {
		t.Errorf("%d documents of the calls that nobody awaited", n)
	}
}

// TestInt64 is the trap of int64 values beyond 2^53, on every way through a script.
func TestInt64(t *testing.T) {
	db := database(t)
	const big = int64(1)<<53 + 1
	insert(t, db, "in", bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: big}, {Key: "list", Value: bson.A{big, bson.D{{Key: "n", Value: -big}}}}})
	mustRun(t, db, `
	const d = await db.collection('in').findOne()
	await db.collection('out').insertOne({...d, _id: 1})
	await db.collection('out').insertOne({_id: 2, n: d.n.add(1), text: d.n.toString()})
	await db.collection('out').insertOne({_id: 3, ...structuredClone({n: d.n})})
	await db.collection('out').updateOne({_id: 3}, {$inc: {n: require('mongodb').Long.fromNumber(1)}})
	await db.collection('out').bulkWrite([{insertOne: {document: {_id: 4, n: (await db.collection('in').distinct('n'))[0]}}}])
	await db.collection('out').insertOne({_id: 5, n: (await db.collection('in').find({}, {useBigInt64: true}).next()).n})
	await db.collection('out').insertOne({_id: 6, n: (await db.collection('in').findOneAndUpdate({n: d.n}, {$set: {seen: true}})).n})`)
	want := []string{
		`{"_id":{"$numberInt":"1"},"n":{"$numberLong":"9007199254740993"},"list":[{"$numberLong":"9007199254740993"},{"n":{"$numberLong":"-9007199254740993"}}]}`,
		`{"_id":{"$numberInt":"2"},"n":{"$numberLong":"9007199254740994"},"text":"9007199254740993"}`,
		`{"_id":{"$numberInt":"3"},"n":{"$numberLong":"9007199254740994"}}`,
		`{"_id":{"$numberInt":"4"},"n":{"$numberLong":"9007199254740993"}}`,
		`{"_id":{"$numberInt":"5"},"n":{"$numberLong":"9007199254740993"}}`,
		`{"_id":{"$numberInt":"6"},"n":{"$numberLong":"9007199254740993"}}`,
	}
	if got := all(t, db, "out"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
