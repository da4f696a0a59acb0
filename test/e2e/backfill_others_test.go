package e2e

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMariaDBBackfillIsExactWhileItsLeadersAreKilled(t *testing.T) {
	t.Parallel()
	const n = 8000
	s := onMaria(t, harness.Files{
		"000001_items.up.sql": "CREATE TABLE items (tenant varchar(20) NOT NULL, id int NOT NULL, price decimal(10,2) NOT NULL, cents bigint, changed int NOT NULL DEFAULT 0, PRIMARY KEY (tenant, id));\n" +
			fmt.Sprintf("INSERT INTO items (tenant, id, price) SELECT CONCAT('o''', seq %% 7), seq, seq / 100 FROM seq_1_to_%d;\n", n),
		"000002_cents.up.sql": "-- schemagate: backfill table=items key=tenant,id where='cents is null' size=200\nUPDATE items SET cents = price * 100, changed = changed + 1 WHERE :batch;\n",
		"000003_again.up.sql": "-- schemagate: backfill table=items key=tenant,id size=900\n" +
			"UPDATE items SET changed = changed + 1 WHERE (tenant, id) >= (:from) AND (tenant, id) <= (:to);\n",
	})
	leader := s.Start("up")
	for i := range 3 {
		harness.Until(t, "some batches are committed", func() bool {
			return s.sql("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'schemagate_backfill'") == "1" &&
				s.sql(fmt.Sprintf("SELECT COUNT(*) FROM schemagate_backfill WHERE batches >= %d", 3+5*i)) == "1"
		})
		next := s.Start("up")
		leader.Kill()
		leader = next
	}
	leader.Exits(0)
	if got := s.sql("SELECT CONCAT_WS(' ', COUNT(*), MIN(changed), MAX(changed), SUM(cents <> price * 100)) FROM items"); got != fmt.Sprintf("%d 2 2 0", n) {
		t.Errorf("rows, fewest and most changes, wrong ones: %s", got)
	}
	if got := s.sql("SELECT GROUP_CONCAT(version, ' ', state, ' ', walked ORDER BY version) FROM schemagate_backfill"); got != fmt.Sprintf("000002 done %d,000003 done %d", n, n) {
		t.Errorf("the records: %s", got)
	}
	if got := s.sql(appliedSQL); got != "000001 000002 000003" {
		t.Errorf("applied %q", got)
	}
	if got := s.sql("SELECT COUNT(*) FROM schemagate_sessions"); got != "0" {
		t.Errorf("%s sessions are left on record", got)
	}
}

func sqliteBackfill(t *testing.T) (*stage, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	s := stageOn(t, "sqlite:"+path, harness.Files{
		"0001_items.up.sql": "CREATE TABLE items (tenant text NOT NULL, id real NOT NULL, cents int, changed int NOT NULL DEFAULT 0, PRIMARY KEY (tenant, id));\n" +
			"INSERT INTO items (tenant, id) WITH RECURSIVE g (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 1200) SELECT 'o''' || i % 7, i / 7.0 FROM g;\n",
		"0002_cents.up.sql": "-- schemagate: backfill table=items key=tenant,id where=\"cents is null\" size=40\nUPDATE items SET cents = 1, changed = changed + 1 WHERE :batch;\n",
		"0003_again.up.sql": "-- schemagate: backfill table=items key=rowid\nUPDATE items SET changed = changed + 1 WHERE rowid BETWEEN :from AND :to;\n",
	})
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=20000&_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("PRAGMA journal_mode = WAL"); err != nil { // so that looking here holds up nobody there
		t.Fatal(err)
	}
	return s, db
}

func TestSQLiteBackfillIsExactWhileItsLeadersAreKilled(t *testing.T) {
	t.Parallel()
	s, db := sqliteBackfill(t)
	ask := func(query string) (text string) {
		t.Helper()
		if err := db.QueryRow(query).Scan(&text); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return text
	}
	leader := s.Start("up")
	for i := range 3 {
		leader.AwaitN(harness.Msg("moving data in batches"), 1)
		harness.Until(t, "some batches are committed", func() bool {
			return ask("select count(*) from sqlite_master where name = 'schemagate_backfill'") == "1" &&
				ask(fmt.Sprintf("select count(*) from schemagate_backfill where batches >= %d", 3+5*i)) == "1"
		})
		leader.Kill()
		leader = s.Start("up")
	}
	leader.Exits(0)
	if got := ask("select count(*) || ' ' || min(changed) || ' ' || max(changed) || ' ' || sum(cents) from items"); got != "1200 2 2 1200" {
		t.Errorf("rows, fewest and most changes, cents: %s", got)
	}
	if got := ask("select group_concat(version || ' ' || state || ' ' || walked || ' ' || changed, ', ') from schemagate_backfill"); got != "0002 done 1200 1200, 0003 done 1200 1200" {
		t.Errorf("the records: %s", got)
	}
}

// mongoBackfill has n documents to move.
func mongoBackfill(t *testing.T, n int, name, text string) (*stage, *mongo.Database) {
	t.Helper()
	s, db := mongoStage(t, harness.Files{name: text})
	var docs []any
	for i := range n {
		docs = append(docs, bson.D{{Key: "first", Value: "F"}, {Key: "last", Value: fmt.Sprint(i)}})
	}
	if _, err := db.Collection("users").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return s, db
}

// changes counts the documents by how often they were changed.
func changes(t *testing.T, db *mongo.Database) map[int32]int {
	t.Helper()
	cur, err := db.Collection("users").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		Changed int32 `bson:"changed"`
	}
	if err := cur.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	out := map[int32]int{}
	for _, d := range docs {
		out[d.Changed]++
	}
	return out
}

// killed kills the leader at work, so often.
func killed(t *testing.T, s *stage, db *mongo.Database, times int) *harness.Replica {
	t.Helper()
	leader := s.Start("up")
	for i := range times {
		harness.Until(t, "some batches are recorded", func() bool {
			n, err := db.Collection("schemagate_backfill").CountDocuments(t.Context(), bson.D{{Key: "batches", Value: bson.D{{Key: "$gte", Value: 3 + 5*i}}}})
			return err == nil && n == 1
		})
		leader.Kill()
		leader = s.Start("up")
	}
	leader.Exits(0)
	return leader
}

// A filter keeps what is done out of a batch that is repeated: each document is changed once.
func TestMongoBackfillByFilterAndUpdate(t *testing.T) {
	t.Parallel()
	const n = 300
	s, db := mongoBackfill(t, n, "0001_full.up.json", `{"backfill": {"collection": "users", "key": "_id", "filter": {"full": {"$exists": false}},
 "update": {"$set": {"full": "?"}, "$inc": {"changed": 1}}, "size": 20}}`)
	killed(t, s, db, 2)
	if got := changes(t, db); got[1] != n {
		t.Errorf("documents by the number of changes: %v, want %d once", got, n)
	}
}

// Without transactions at most one batch is repeated for each death of a leader, which an idempotent script bears.
func TestMongoBackfillByScriptRepeatsAtMostOneBatchAKill(t *testing.T) {
	t.Parallel()
	const n, size, kills = 300, 20, 2
	s, db := mongoBackfill(t, n, "20240101000000-full.js", "// schemagate: backfill collection=users key=_id size=20 idempotent\n"+`exports.batch = async (docs, db) => {
  await db.collection('users').bulkWrite(docs.map(d => ({ updateOne: { filter: { _id: d._id }, update: { $set: { full: d.first + ' ' + d.last }, $inc: { changed: 1 } } } })))
}
`)
	killed(t, s, db, kills)
	got := changes(t, db)
	repeated := 0
	for times, docs := range got {
		if times > 1 {
			repeated += docs * int(times-1)
		}
	}
	if got[0] != 0 || repeated > kills*size {
		t.Errorf("documents by the number of changes: %v; %d repeats, want at most %d", got, repeated, kills*size)
	}
	t.Logf("%d of %d documents repeated by %d kills", repeated, n, kills)
	s.Expect(65, "pause", "20240101000000").Says("it is done")
	if st := s.Expect(0, "status"); !strings.Contains(st.Out.Text(), "done") {
		t.Errorf("status: %s", st)
	}
}

func TestMongoBackfillSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, _ := mongoBackfill(t, 5, "20240101000000-full.js", "// schemagate: backfill collection=users key=_id idempotent\nexports.batch = async (docs, db) => {\n  throw new Error('no such luck')\n}\n")
	s.Expect(70, "up").Says("20240101000000-full.js:3: no such luck")
	s, _ = mongoBackfill(t, 5, "0001_full.up.json", `{"backfill": {"collection": "users", "filter": {"full": {"$exists": false}}, "update": {"$set": {"fll": 1}}}}`)
	s.Expect(70, "up").Says("0001_full.up.json:1: the filter still finds all 5 documents of the first batch after their change")
}

// What the operator says of a background backfill counts on every database, before it begins and between its batches.
func TestOperatorsWordOnEveryDatabase(t *testing.T) {
	t.Parallel()
	const cents = "-- schemagate: backfill table=items key=id where='cents is null' background\nUPDATE items SET cents = 1 WHERE :batch;\n"
	const items = "CREATE TABLE items (id int NOT NULL PRIMARY KEY, cents int);\nINSERT INTO items (id) VALUES (1), (2), (3);\n"
	for name, open := range map[string]func(*testing.T) *stage{
		"PostgreSQL through Consul": func(t *testing.T) *stage {
			return newStage(t, harness.Files{"0001_items.up.sql": items, "0002_cents.up.sql": cents}).with("SCHEMAGATE_ELECTION=consul://" + servers.Consul(t).Addr() + "/app")
		},
		"MariaDB": func(t *testing.T) *stage {
			return onMaria(t, harness.Files{"0001_items.up.sql": items, "0002_cents.up.sql": cents}).stage
		},
		"SQLite": func(t *testing.T) *stage {
			return stageOn(t, "sqlite:"+filepath.Join(t.TempDir(), "app.db"), harness.Files{"0001_items.up.sql": items, "0002_cents.up.sql": cents})
		},
		"FerretDB": func(t *testing.T) *stage {
			s, _ := mongoBackfill(t, 5, "0002_cents.up.json", `{"backfill": {"collection": "users", "filter": {"cents": {"$exists": false}}, "update": {"$set": {"cents": 1}}, "background": true}}`)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.Up().Says("1 background migration(s) left")
			s.Expect(0, "pause", "2")
			paused := s.Start("up", "--background")
			paused.Await(`"reason":"schemagate pause by `)
			s.Expect(0, "cancel", "2")
			paused.Exits(70)
			paused.Says("cancelled: 0002_cents")
			s.Expect(70, "up", "--background").Says("failed, were cancelled or are on hold")
			s.Expect(0, "resume", "2")
			s.Expect(0, "up", "--background")
			if st := s.Expect(0, "status"); !strings.Contains(st.Out.Text(), "done") || strings.Contains(st.Out.Text(), "deferred") {
				t.Errorf("status: %s", st)
			}
			s.Expect(65, "cancel", "2").Says("it is done")
		})
	}
}
