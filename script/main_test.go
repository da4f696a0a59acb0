package script

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/test/servers"
)

// scope owns the one server that the tests of this package share.
var scope = servers.NewScope("script")

type stopAfter struct{ m *testing.M }

func (s stopAfter) Run() int {
	defer scope.Close()
	return s.m.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopAfter{m}) }

var sharedFerret = sync.OnceValue(func() *servers.Ferret { return servers.FerretDB(scope, "sqlite") })

var sharedClient = sync.OnceValue(func() *mongo.Client { return connect(scope, sharedFerret().URL()) })

// connect makes a client as the adapter does: majority, and a timeout so that calls carry maxTimeMS.
func connect(tb servers.TB, url string) *mongo.Client {
	tb.Helper()
	c, err := mongo.Connect(context.Background(), options.Client().ApplyURI(url).SetTimeout(0).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Disconnect(context.Background()); err != nil {
			tb.Logf("disconnect: %v", err)
		}
	})
	return c
}

var databases atomic.Int64

// database is an empty database of the test's own.
func database(t *testing.T) *mongo.Database {
	t.Helper()
	return sharedClient().Database(fmt.Sprintf("t%d", databases.Add(1)))
}

func compile(t *testing.T, file, source string) *Program {
	t.Helper()
	p, err := Compile(file, source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// up is a script whose up has that body.
func up(t *testing.T, body string) *Program {
	t.Helper()
	return compile(t, "migrations/0001_test.js", "module.exports = { async up(db, client) {\n"+body+"\n} }")
}

// logged collects what a script prints.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) add(level, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, level+": "+message)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// mustRun runs up and returns what it printed.
func mustRun(t *testing.T, db *mongo.Database, body string) string {
	t.Helper()
	var l logged
	if err := up(t, body).Run(t.Context(), "up", db, Options{Log: l.add}); err != nil {
		t.Fatalf("%v\nlog:\n%s\nstack:\n%s", err, l.String(), stackOf(err))
	}
	return l.String()
}

func stackOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Stack
	}
	return ""
}

// all reads a collection in the order of _id, as canonical Extended JSON.
func all(t *testing.T, db *mongo.Database, collection string) []string {
	t.Helper()
	cur, err := db.Collection(collection).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.Raw
	if err := cur.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(docs))
	for i, d := range docs {
		j, err := bson.MarshalExtJSON(d, true, false)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(j)
	}
	return out
}

func insert(t *testing.T, db *mongo.Database, collection string, docs ...any) {
	t.Helper()
	if _, err := db.Collection(collection).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func majority() *options.DatabaseOptions {
	return options.Database().SetWriteConcern(writeconcern.Majority())
}

// callsUpTo is a Before that lets that many calls pass.
func callsUpTo(calls *int, n int, err error) func(context.Context) error {
	return func(context.Context) error {
		if *calls >= n {
			return err
		}
		*calls++
		return nil
	}
}

// sorted is Extended JSON with its keys in order, except those of an index, whose order matters.
func sorted(t *testing.T, extendedJSON string) string {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(extendedJSON), true, &d); err != nil {
		t.Fatal(err)
	}
	sortKeys(d, 0)
	out, err := bson.MarshalExtJSON(d, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sortKeys(d bson.D, depth int) {
	for _, e := range d {
		if inner, ok := e.Value.(bson.D); ok && depth < 2 {
			sortKeys(inner, depth+1)
		}
	}
	slices.SortFunc(d, func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
}
