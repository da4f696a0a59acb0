package e2e

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// mongoStage is a service on a FerretDB of its own, which speaks MongoDB's protocol.
func mongoStage(t *testing.T, f harness.Files) (*stage, *mongo.Database) {
	t.Helper()
	server := servers.FerretDB(t, "sqlite")
	url := server.NewDatabase()
	return stageOn(t, url, f).with("SCHEMAGATE_LEASE_TTL=2s"), server.Client(t).Database(url[strings.LastIndex(url, "/")+1:])
}

func count(t *testing.T, db *mongo.Database, collection string) int64 {
	t.Helper()
	n, err := db.Collection(collection).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// slowScript is not idempotent: every run leaves one more document.
const slowScript = `module.exports = {
  async up(db, client) {
    console.log('moving');
    await db.collection('runs').insertOne({ at: new Date() });
    for (let i = 0; i < 30; i++) {
      await new Promise(resolve => setTimeout(resolve, 50));
      await db.collection('games').countDocuments({});
    }
    await db.collection('games').updateMany({ oldName: { $exists: true } }, { $rename: { oldName: 'newName' } });
  },
  async down(db, client) {
    await db.collection('games').updateMany({ newName: { $exists: true } }, { $rename: { newName: 'oldName' } });
  }
};
`

const seedScript = `module.exports = { async up(db) { await db.collection('games').insertMany([{ oldName: 'chess' }, { oldName: 'go' }]) }, async down(db) {} };
`

func TestFiveReplicasRunAMigrateMongoScriptOnce(t *testing.T) {
	t.Parallel()
	s, db := mongoStage(t, harness.Files{"20240101000000-seed.js": seedScript, "20240102000000-rename.js": slowScript})
	replicas := s.StartMany(5, "up")
	harness.ExitAll(t, 0, replicas...)
	if runs := count(t, db, "runs"); runs != 1 {
		t.Errorf("the script ran %d times", runs)
	}
	renamed, err := db.Collection("games").CountDocuments(t.Context(), bson.D{{Key: "newName", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil || renamed != 2 {
		t.Errorf("%d documents renamed, %v", renamed, err)
	}
	said := false
	for _, r := range replicas {
		said = said || r.Said(harness.Msg("moving"))
	}
	if !said {
		t.Error("nobody logged what the script printed")
	}
	s.Up().NeverSays(harness.Msg("elected")) // nothing to do
	s.Expect(0, "down")
	if left, err := db.Collection("games").CountDocuments(t.Context(), bson.D{{Key: "oldName", Value: bson.D{{Key: "$exists", Value: true}}}}); err != nil || left != 2 {
		t.Errorf("%d documents renamed back, %v", left, err)
	}
	s.Expect(65, "up").Says("on hold")
}

func TestAScriptKilledHalfWayIsForAPersonUnlessItIsIdempotent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		head string
		code int
		runs int64
	}{
		"not idempotent": {"", 70, 1},
		"idempotent":     {"// schemagate: idempotent\n", 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, db := mongoStage(t, harness.Files{"20240101000000-seed.js": seedScript, "20240102000000-rename.js": tc.head + slowScript})
			first := s.Start("up")
			first.Await(harness.Msg("moving"))
			harness.Until(t, "the script has made its first call", func() bool { return count(t, db, "runs") == 1 })
			first.Kill()
			next := s.Expect(tc.code, "up")
			if runs := count(t, db, "runs"); runs != tc.runs {
				t.Errorf("the script ran %d times, want %d", runs, tc.runs)
			}
			if tc.code == 70 {
				next.Says("schemagate resolve 20240102000000 --from-statement 1", "schemagate resolve 20240102000000 --applied")
				s.Expect(0, "resolve", "20240102000000", "--retry")
				s.Up()
			}
		})
	}
}

func TestABrokenScriptSaysWhere(t *testing.T) {
	t.Parallel()
	s, _ := mongoStage(t, harness.Files{"20240101000000-bad.js": "module.exports = {\n  async up(db) {\n    throw new Error('no such luck');\n  }, async down(db) {}\n};\n"})
	s.Expect(70, "up").Says("20240101000000-bad.js:3", "no such luck")
}
