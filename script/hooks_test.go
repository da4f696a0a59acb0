package script

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/event"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// watched is a client that keeps the commands that it sends.
type watched struct {
	mu       sync.Mutex
	commands []bson.Raw
}

func (w *watched) started(_ context.Context, e *event.CommandStartedEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands = append(w.commands, append(bson.Raw(nil), e.Command...))
}

func (w *watched) sent() []bson.Raw {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.commands)
}

func name(cmd bson.Raw) string {
	elements, err := cmd.Elements()
	if err != nil || len(elements) == 0 {
		return "?"
	}
	return elements[0].Key()
}

// watchedDatabase is an empty database on a client of its own.
func watchedDatabase(t *testing.T, o *options.ClientOptions) (*mongo.Database, *watched) {
	t.Helper()
	w := &watched{}
	c, err := mongo.Connect(t.Context(), o.ApplyURI(sharedFerret().URL()).SetMonitor(&event.CommandMonitor{Started: w.started}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c.Database(database(t).Name()), w
}

// everything calls each method that goes to the server once.
const everything = `
	const c = db.collection('c')
	await c.insertOne({_id: 1, a: 1})
	await c.insertMany([{_id: 2, a: 2}, {_id: 3, a: 3}])
	await c.updateOne({_id: 1}, {$set: {b: 1}})
	await c.updateMany({}, {$set: {b: 2}})
	await c.replaceOne({_id: 1}, {a: 5})
	await c.findOneAndUpdate({_id: 1}, {$set: {a: 6}})
	await c.findOneAndUpdate({_id: 1}, {$set: {a: 6}}, {includeResultMetadata: true})
	await c.findOneAndReplace({_id: 1}, {a: 7})
	await c.findOneAndDelete({_id: 1})
	await c.deleteOne({_id: 2})
	await c.deleteMany({_id: 99})
	await c.bulkWrite([{insertOne: {document: {_id: 5}}}])
	await c.find({}).toArray()
	await c.findOne()
	await c.aggregate([{$match: {}}]).toArray()
	await c.countDocuments()
	await c.estimatedDocumentCount()
	await c.count()
	await c.createIndex({a: 1})
	await c.dropIndex('a_1')
	await c.rename('d')
	await db.createCollection('e')
	await db.dropCollection('e')
	await db.command({ping: 1})
	await c.distinct('a')
	await db.listCollections().toArray()
	await db.collection('d').listIndexes().toArray()`

// TestEveryCallIsBounded: the hooks see every call, and what writes carries the time left and the client's write concern.
func TestEveryCallIsBounded(t *testing.T) {
	db, w := watchedDatabase(t, options.Client().SetTimeout(0).SetWriteConcern(writeconcern.Majority()))
	const left = 7 * time.Minute
	before := 0
	o := Options{Before: func(context.Context) error { before++; return nil }, MaxTime: func() time.Duration { return left }}
	if err := up(t, everything).Run(t.Context(), "up", db, o); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, cmd := range w.sent() {
		n := name(cmd)
		seen[n]++
		switch n {
		case "distinct", "listCollections", "listIndexes": // read only; the first is not known to FerretDB with a limit
		default:
			ms, ok := cmd.Lookup("maxTimeMS").AsInt64OK()
			if !ok || ms <= 0 || ms > left.Milliseconds() {
				t.Errorf("%s carries maxTimeMS %v", cmd, cmd.Lookup("maxTimeMS"))
			}
		}
		if majorityCommand(n) && cmd.Lookup("writeConcern", "w").StringValue() != "majority" {
			t.Errorf("%s carries no majority", cmd)
		}
	}
	if before != len(w.sent()) {
		t.Errorf("Before was called %d times for %d commands", before, len(w.sent()))
	}
	for _, n := range []string{"insert", "update", "delete", "findAndModify", "find", "aggregate", "count", "createIndexes", "dropIndexes", "renameCollection", "create", "drop", "ping", "distinct", "listCollections", "listIndexes"} {
		if seen[n] == 0 {
			t.Errorf("no %s was sent", n)
		}
	}
}

func TestBefore(t *testing.T) {
	t.Run("ends the script whatever it catches", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client().SetTimeout(0))
		fenced, calls := errors.New("fenced"), 0
		o := Options{Before: func(context.Context) error {
			if calls++; calls > 2 {
				return fenced
			}
			return nil
		}}
		err := up(t, "for (let i = 0; ; i++) {\n try { await db.collection('c').insertOne({_id: i}) } catch (e) { console.log(e) } finally { await db.collection('d').insertOne({}) }\n }").Run(t.Context(), "up", db, o)
		if !errors.Is(err, fenced) || !strings.HasPrefix(err.Error(), "migrations/0001_test.js:3:") || !strings.HasSuffix(err.Error(), "stopped: fenced") {
			t.Errorf("got %v", err)
		}
		if n := len(w.sent()); n != 2 || calls != 3 {
			t.Errorf("%d commands were sent, Before was called %d times", n, calls)
		}
	})
	t.Run("sees getMore", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client().SetTimeout(0))
		var docs []any
		for i := range 25 {
			docs = append(docs, bson.D{{Key: "_id", Value: i}})
		}
		insert(t, db, "c", docs...)
		for _, body := range []string{
			"const all = await db.collection('c').find().batchSize(10).toArray()\n if (all.length !== 25) throw new Error(all.length)",
			"let n = 0\n for await (const d of db.collection('c').find().batchSize(10)) n++\n if (n !== 25) throw new Error(n)",
		} {
			calls, start := 0, len(w.sent())
			err := up(t, body).Run(t.Context(), "up", db, Options{Before: func(context.Context) error { calls++; return nil }})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(w.sent()) - start; n != 3 || calls != 3 {
				t.Errorf("%d commands, %d calls of Before, want 3 of each", n, calls)
			}
		}
	})
	t.Run("closes what was left open", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client().SetTimeout(0))
		var docs []any
		for i := range 25 {
			docs = append(docs, bson.D{{Key: "_id", Value: i}})
		}
		insert(t, db, "c", docs...)
		err := up(t, "const open = db.collection('c').find().batchSize(2)\n await open.next()\n throw new Error('enough')").Run(t.Context(), "up", db, Options{})
		if err == nil || !strings.Contains(err.Error(), "enough") {
			t.Errorf("got %v", err)
		}
		commands := w.sent()
		if last := name(commands[len(commands)-1]); last != "killCursors" {
			t.Errorf("the last command is %s", last)
		}
	})
}

func TestMaxTime(t *testing.T) {
	t.Run("nothing left", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client().SetTimeout(0))
		err := up(t, "try { await db.collection('c').insertOne({}) } catch {}").Run(t.Context(), "up", db, Options{MaxTime: func() time.Duration { return 0 }})
		if !errors.Is(err, ErrOutOfTime) || len(w.sent()) > 0 {
			t.Errorf("got %v after %d commands", err, len(w.sent()))
		}
	})
	t.Run("the script's own limit", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client().SetTimeout(0))
		body := "await db.collection('c').find({}, {maxTimeMS: 5000}).toArray()\n await db.collection('c').find().maxTimeMS(5000).toArray()\n await db.collection('c').updateMany({}, {$set: {a: 1}}, {maxTimeMS: 5000})\n await db.command({count: 'c', maxTimeMS: 5000})\n await db.command({ping: 1}, {maxTimeMS: 5000})"
		for _, o := range []Options{{}, {MaxTime: func() time.Duration { return time.Hour }}} {
			if err := up(t, body).Run(t.Context(), "up", db, o); err != nil {
				t.Fatal(err)
			}
		}
		for _, cmd := range w.sent() {
			if ms, ok := cmd.Lookup("maxTimeMS").AsInt64OK(); !ok || ms > 5000 || ms < 1 || strings.Count(cmd.String(), "maxTimeMS") != 1 {
				t.Errorf("sent %s", cmd)
			}
		}
	})
	t.Run("a client that could not say it", func(t *testing.T) {
		db, w := watchedDatabase(t, options.Client())
		o := Options{MaxTime: func() time.Duration { return time.Hour }}
		want := "the MongoDB client was made without SetTimeout, so its writes would carry no maxTimeMS"
		if err := up(t, everything).Run(t.Context(), "up", db, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if err := RunCommands(t.Context(), db, "a.json", []byte(`{"ping": 1}`), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if len(w.sent()) > 0 {
			t.Errorf("sent %v", w.sent())
		}
	})
	t.Run("without hooks any client will do", func(t *testing.T) {
		db, _ := watchedDatabase(t, options.Client())
		if err := up(t, everything).Run(t.Context(), "up", db, Options{}); err != nil {
			t.Error(err)
		}
	})
}

// TestLostConnection: the caller can tell a broken connection, even where the script wraps it in an error of its own.
func TestLostConnection(t *testing.T) {
	o := options.Client().ApplyURI("mongodb://127.0.0.1:1/?directConnection=true").SetServerSelectionTimeout(50 * time.Millisecond).SetTimeout(0)
	c, err := mongo.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, body := range []string{
		"await db.collection('c').insertOne({})",
		"try { await db.collection('c').insertOne({}) } catch (e) { throw new Error('could not: ' + e.message) }",
		"try { await db.collection('c').insertOne({}) } catch (e) { if (e.name !== 'MongoServerSelectionError') throw new Error('name ' + e.name); throw e }",
	} {
		err := up(t, body).Run(t.Context(), "up", c.Database("x"), Options{})
		if err == nil || !mongo.IsTimeout(err) && !mongo.IsNetworkError(err) && !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "server selection error") {
			t.Errorf("%s: got %v, from %v", body, err, errors.Unwrap(err))
		}
	}
}
