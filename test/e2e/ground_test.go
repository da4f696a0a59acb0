package e2e

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// groundTTL is the lease's, short, because every silent leader is waited out.
const groundTTL = 2 * time.Second

// ground is a service on one kind of database, whose migrations each leave a trace that can be counted. What the tests of
// PostgreSQL claim is claimed here of the others, where the design says that it holds.
type ground struct {
	*harness.Stage
	database
	// fenced: a takeover ends what the old leader was at, and its migration is begun again or gone on with as if that had not
	// been. Otherwise it is protected by the lease alone: a successor waits for its end, and what was done stays done.
	fenced  bool
	restart func()                     // ends the server at once and starts it again
	network string                     // where a proxy to the server leads
	again   func(t *testing.T) *ground // another database of the server
}

// database is how to ask and what to say on one kind of it.
type database interface {
	version(i int) string
	file(i int) string
	// trace is a migration that leaves one; hold also waits then, while the barrier is closed; fails errs on line 3.
	trace(i int) string
	hold(i int) string
	fails(i int) string
	traces() string
	events(kind string) string
	completed() int
	renewed() time.Duration // when the lease was, on the server's clock
	term() string
	// closeBarrier has migrations wait until open is called. arrived waits for one that was not there before.
	closeBarrier() (open func())
	arrived()
}

// grounds runs a test on every kind of database but PostgreSQL.
func grounds(t *testing.T, test func(*testing.T, *ground), options ...servers.MariaOption) {
	t.Parallel()
	for name, on := range map[string]func(*testing.T) *ground{
		"MariaDB":                func(t *testing.T) *ground { return mariaGround(t, servers.MariaDB(t, options...)) },
		"FerretDB on PostgreSQL": func(t *testing.T) *ground { return mongoGround(t, servers.FerretDB(t, "postgresql")) },
		"FerretDB on SQLite":     func(t *testing.T) *ground { return mongoGround(t, servers.FerretDB(t, "sqlite")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, on(t))
		})
	}
}

// numbered is a set of n migrations.
func (g *ground) numbered(n int) harness.Files {
	f := harness.Files{}
	for i := 1; i <= n; i++ {
		f[g.file(i)] = g.trace(i)
	}
	return f
}

// heldAt is a numbered set whose migration k waits at the barrier, after it left its trace.
func (g *ground) heldAt(k, n int) harness.Files {
	return g.numbered(n).And(harness.Files{g.file(k): g.hold(k)})
}

// resumable is such a set, whose migration k may be begun again where the database can't tell how far it came.
func (g *ground) resumable(k, n int) harness.Files {
	f := g.heldAt(k, n)
	if !g.fenced {
		f[g.file(k)] = "// schemagate: idempotent\n" + f[g.file(k)]
	}
	return f
}

// takenOver checks that 1..n are in force, after k was cut off by a takeover.
func (g *ground) takenOver(n, k int) {
	g.T.Helper()
	if g.fenced {
		g.appliedOnce(n)
	} else {
		g.appliedOnce(n, k)
	}
}

func (g *ground) versions(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = g.version(i + 1)
	}
	return out
}

// appliedOnce checks that 1..n are in force, each by one event, and that all left one trace, but for those that were begun twice.
func (g *ground) appliedOnce(n int, twice ...int) {
	g.T.Helper()
	want := g.versions(n)
	if got := g.events("applied"); got != strings.Join(want, " ") {
		g.T.Errorf("the history says that %q were applied, want %q", got, want)
	}
	for _, i := range twice {
		want = append(want, g.version(i))
	}
	slices.Sort(want)
	if got := g.traces(); got != strings.Join(want, " ") {
		g.T.Errorf("the migrations left the traces %q, want %q", got, want)
	}
}

// with is a ground with further settings.
func (g *ground) with(env ...string) *ground {
	c := *g
	c.Stage = g.With(env...)
	return &c
}

// mariaData speaks SQL to a MariaDB.
type mariaData struct {
	*mariaStage
	seen []string // connections that waited at the barrier before
}

func mariaGround(t *testing.T, m *servers.Maria) *ground {
	t.Helper()
	url := m.NewDatabase(t)
	s := &mariaStage{stageOn(t, url, nil).with("SCHEMAGATE_LEASE_TTL=" + groundTTL.String()), m, url[strings.LastIndex(url, "/")+1:]}
	return &ground{Stage: s.Stage, database: &mariaData{mariaStage: s}, fenced: true, network: m.Addr(),
		restart: func() { m.Kill(); m.Start() }, again: func(t *testing.T) *ground { return mariaGround(t, m) }}
}

func (*mariaData) version(i int) string { return fmt.Sprintf("%04d", i) }

func (d *mariaData) file(i int) string { return d.version(i) + "_step.up.sql" }

func (d *mariaData) trace(i int) string {
	insert := fmt.Sprintf("INSERT INTO tally VALUES ('%s');\n", d.version(i))
	if i == 1 {
		return "CREATE TABLE tally (version varchar(20));\n" + insert
	}
	return insert
}

// The lock is the server's, so it carries the database's name.
const mariaGate = "CONCAT(DATABASE(), '.gate')"

func (d *mariaData) hold(i int) string {
	return d.trace(i) + "DO GET_LOCK(" + mariaGate + ", 3600);\nDO RELEASE_LOCK(" + mariaGate + ");\n"
}

func (d *mariaData) fails(i int) string {
	return d.trace(i) + "-- a spelling mistake\nSELECT vershun FROM tally;\n"
}

func (d *mariaData) traces() string {
	return d.sql("SELECT COALESCE(GROUP_CONCAT(version ORDER BY version SEPARATOR ' '), '') FROM tally")
}

func (d *mariaData) events(kind string) string {
	return d.sql("SELECT COALESCE(GROUP_CONCAT(version ORDER BY id SEPARATOR ' '), '') FROM schemagate_history WHERE kind = '" + kind + "'")
}

func (d *mariaData) completed() int {
	return strings.Count(d.sql("SELECT kind FROM schemagate_history WHERE kind = 'complete'"), "complete")
}

func (d *mariaData) renewed() time.Duration {
	at, err := time.Parse("2006-01-02 15:04:05.999999", d.sql("SELECT renewed_at FROM schemagate_lease"))
	if err != nil {
		d.T.Fatal(err)
	}
	return time.Duration(at.UnixNano())
}

func (d *mariaData) term() string { return d.sql("SELECT term FROM schemagate_fence") }

func (d *mariaData) closeBarrier() (open func()) {
	t := d.T
	t.Helper()
	db, err := sql.Open("mysql", d.m.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "DO GET_LOCK("+mariaGate+", 60)")
	}
	if err != nil {
		t.Fatal(err)
	}
	open = func() { _ = conn.Close(); _ = db.Close() } // also when the test ended the server
	t.Cleanup(open)
	return open
}

func (d *mariaData) arrived() {
	d.T.Helper()
	harness.Until(d.T, "a migration waits at the barrier", func() bool {
		for _, id := range strings.Fields(d.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'User lock' AND DB = '" + d.name + "'")) {
			if !slices.Contains(d.seen, id) {
				d.seen = append(d.seen, id)
				return true
			}
		}
		return false
	})
}

// mongoData speaks MongoDB's protocol.
type mongoData struct {
	t    *testing.T
	db   *mongo.Database
	seen int64 // arrivals at the barrier
}

func mongoGround(t *testing.T, f *servers.Ferret) *ground {
	t.Helper()
	url := f.NewDatabase()
	d := &mongoData{t: t, db: f.Client(t).Database(url[strings.LastIndex(url, "/")+1:])}
	s := stageOn(t, url, nil).with("SCHEMAGATE_LEASE_TTL=" + groundTTL.String())
	return &ground{Stage: s.Stage, database: d, network: f.Addr(),
		restart: func() { f.Kill(); f.Start() }, again: func(t *testing.T) *ground { return mongoGround(t, f) }}
}

func (*mongoData) version(i int) string { return fmt.Sprint(20240101000000 + i) }

func (d *mongoData) file(i int) string { return d.version(i) + "-step.js" }

func (d *mongoData) trace(i int) string { return d.script(i, "") }

func (d *mongoData) script(i int, more string) string {
	return fmt.Sprintf("exports.up = async db => {\n  await db.collection('tally').insertOne({ version: '%s' });\n%s};\nexports.down = async db => {};\n", d.version(i), more)
}

func (d *mongoData) hold(i int) string {
	return d.script(i, "  await db.collection('arrivals').insertOne({});\n"+
		"  while (await db.collection('barrier').countDocuments({})) await new Promise(resolve => setTimeout(resolve, 20));\n")
}

func (d *mongoData) fails(i int) string { return d.script(i, "  vershun();\n") }

func (d *mongoData) traces() string { return d.versions("tally", bson.D{}, "version") }

func (d *mongoData) events(kind string) string {
	return d.versions("schemagate_history", bson.D{{Key: "kind", Value: kind}}, "_id")
}

func (d *mongoData) versions(collection string, filter bson.D, order string) string {
	t := d.t
	t.Helper()
	cur, err := d.db.Collection(collection).Find(t.Context(), filter, options.Find().SetSort(bson.D{{Key: order, Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct{ Version string }
	if err := cur.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, doc := range docs {
		out = append(out, doc.Version)
	}
	return strings.Join(out, " ")
}

func (d *mongoData) completed() int {
	n, err := d.db.Collection("schemagate_history").CountDocuments(d.t.Context(), bson.D{{Key: "kind", Value: "complete"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return int(n)
}

func (d *mongoData) last(collection string, into any) {
	d.t.Helper()
	err := d.db.Collection(collection).FindOne(d.t.Context(), bson.D{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(into)
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *mongoData) renewed() time.Duration {
	var lease struct{ Renewed time.Time }
	d.last("schemagate_lease", &lease)
	return time.Duration(lease.Renewed.UnixNano())
}

func (d *mongoData) term() string {
	var fence struct{ Term int64 }
	d.last("schemagate_fence", &fence)
	return fmt.Sprint(fence.Term)
}

func (d *mongoData) closeBarrier() (open func()) {
	t, c := d.t, d.db.Collection("barrier")
	t.Helper()
	if _, err := c.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	return func() {
		harness.Until(t, "the barrier is open", func() bool { // the test may have restarted the server
			_, err := c.DeleteMany(t.Context(), bson.D{})
			return err == nil
		})
	}
}

func (d *mongoData) arrived() {
	d.t.Helper()
	harness.Until(d.t, "a migration waits at the barrier", func() bool { return count(d.t, d.db, "arrivals") > d.seen })
	d.seen++
}
