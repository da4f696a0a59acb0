package mongodb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/databasetest"
	"github.com/schemagate/schemagate/database/mongodb"
	"github.com/schemagate/schemagate/script"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.StopAfter(m)) }

const ttl = 15 * time.Second

func dialect() databasetest.Dialect {
	return databasetest.Dialect{
		Create: func(table string) string { return fmt.Sprintf("await db.createCollection(%q)", table) },
		Insert: func(table string, n int) string {
			return fmt.Sprintf("await db.collection(%q).insertOne({n: %d})", table, n)
		},
		Fail:    `throw new Error("by its own fault")`,
		Endless: `for (;;) await db.collection("counted").countDocuments({})`,
		Change: func(c *database.Change, statements []string) {
			c.Language = "js"
			c.Text = "const f = async db => {" + strings.Join(statements, ";\n") + "}; exports.up = f; exports.down = f" // one statement a line
			c.Statements = []database.Statement{{SQL: c.Text, Line: 1}}
		},
		Keyed: func(table string) string { return fmt.Sprintf("await db.createCollection(%q)", table) },
		Row: func(table string, id, n int) string {
			return fmt.Sprintf("await db.collection(%q).insertOne({id: %d, n: %d})", table, id, n)
		},
		Move:  func(b *database.Backfill) { b.Language, b.Update = "json", `{"$inc": {"n": 100}}` },
		Small: `{"n": {"$lt": 100}}`, Any: `{"n": {"$gt": 0}}`,
	}
}

func target(t *testing.T, f *servers.Ferret) databasetest.Target {
	url := f.NewDatabase()
	db := f.Client(t).Database(url[strings.LastIndex(url, "/")+1:])
	return databasetest.Target{
		Open: func(t *testing.T, service string) databasetest.Client {
			d, err := mongodb.Open(url, mongodb.Options{Service: service, LeaseTTL: ttl})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Disconnect)
			return d
		},
		Exec: func(t *testing.T, statement string) {
			p, err := script.Compile("exec.js", "exports.up = async db => {"+statement+"}")
			if err == nil {
				err = p.Run(t.Context(), "up", db, script.Options{})
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		Numbers: func(t *testing.T, table string) (out []int) {
			cur, err := db.Collection(table).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "n", Value: 1}}))
			if err != nil {
				t.Fatal(err)
			}
			var docs []struct{ N int }
			if err := cur.All(t.Context(), &docs); err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				out = append(out, d.N)
			}
			return out
		},
		Elapse: func(t *testing.T, service string, d time.Duration) {
			var l struct {
				ID      string             `bson:"_id"`
				Renewed primitive.DateTime `bson:"renewed"`
			}
			c := db.Collection("schemagate_lease")
			latest(t, c, service, &l)
			_, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: l.ID}},
				bson.D{{Key: "$set", Value: bson.D{{Key: "renewed", Value: primitive.NewDateTimeFromTime(time.Now().Add(-d))}}}})
			if err != nil {
				t.Fatal(err)
			}
		},
		Glances: true, TTL: ttl, Interval: time.Second, Forced: true, Dialect: dialect(),
	}
}

func latest(t *testing.T, c *mongo.Collection, service string, into any) {
	t.Helper()
	err := c.FindOne(t.Context(), bson.D{{Key: "service", Value: service}}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(into)
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for _, backend := range []string{"sqlite", "postgresql"} {
		t.Run(backend, func(t *testing.T) {
			f := servers.FerretDB(t, backend)
			databasetest.Run(t, func(t *testing.T) databasetest.Target { return target(t, f) })
		})
	}
}
