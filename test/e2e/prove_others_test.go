package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/harness"
)

// proves runs `test` and compares what it says of one migration; says may be empty.
func (s *stage) proves(code int, version, steps string, says ...string) {
	s.T.Helper()
	var p proof
	s.Expect(code, "test", "--json").JSON(&p)
	gotSteps, gotSays := p.of(s.T, version)
	if gotSteps != steps {
		s.T.Errorf("%s: steps %q, want %q\n%s", version, gotSteps, steps, gotSays)
	}
	for _, want := range says {
		if !strings.Contains(gotSays, want) {
			s.T.Errorf("%s does not say %q:\n%s", version, want, gotSays)
		}
	}
	if len(says) == 0 && gotSays != "" {
		s.T.Errorf("%s says\n%s", version, gotSays)
	}
}

func TestProveMariaDB(t *testing.T) {
	t.Parallel()
	s := onMaria(t, shop())
	s.sql("CREATE TABLE users (taken int)")
	s.proves(0, "000003", "passed up down again")
	s.Write(harness.Files{"000004_data.fixture.sql": "INSERT INTO users (name) VALUES ('f');\n", "000004_data.check.sql": "SELECT COUNT(*) = 1 FROM users WHERE name = 'f' AND email = 'f';\n",
		"000005_more.up.sql":   "-- schemagate: idempotent\nCREATE OR REPLACE VIEW named AS SELECT id, name FROM users;\n",
		"000005_more.down.sql": "DROP VIEW named;\n",
		"000006_bad.up.sql":    "CREATE TABLE orders (id int PRIMARY KEY, user int, n int, CHECK (n > 0), FOREIGN KEY (user) REFERENCES users (id));\nALTER TABLE log ADD COLUMN at datetime FIRST;\nCREATE PROCEDURE p() SELECT 1;\n",
		"000006_bad.down.sql":  "ALTER TABLE log DROP COLUMN at, MODIFY n bigint;\nALTER TABLE users ADD KEY left_over (name);\nDROP TABLE orders;\n"})
	s.proves(70, "000004", "passed fixture up check down again")
	s.proves(70, "000005", "passed up twice down again")
	s.proves(70, "000006", "failed up down again", "down: + index users.left_over: KEY `left_over` (`name`)", "down: ~ column log.n: int(11) DEFAULT NULL", "down: + procedure p: ", "up again: 000006_bad.up.sql:3: PROCEDURE p already exists")
	if got := s.sql("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'schemagate\\_scratch%'"); got != "0" {
		t.Errorf("%s scratch databases are left", got)
	}
	if got := s.sql("SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = database()"); got != "users" {
		t.Errorf("the database of the URL holds %s", got)
	}
	user := "u" + s.name[len(s.name)-8:]
	s.sql("CREATE USER '" + user + "'")
	s.sql("GRANT ALL ON " + s.name + ".* TO '" + user + "'")
	poor := s.at(strings.Replace(s.URL, "root@", user+"@", 1))
	poor.Expect(78, "test").Says("GRANT ALL PRIVILEGES ON `schemagate\\_scratch\\_%`.* TO '" + user + "'")
	s.sql("GRANT ALL PRIVILEGES ON `schemagate\\_scratch\\_%`.* TO '" + user + "'")
	poor.Expect(70, "test")
}

func TestProveSQLite(t *testing.T) {
	t.Parallel()
	s := stageOn(t, "", harness.Files{
		"0001_a.up.sql":      "CREATE TABLE a (id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL COLLATE nocase, CHECK (name <> ''));\nCREATE INDEX a_name ON a (name);\n",
		"0001_a.down.sql":    "DROP TABLE a;\n",
		"0002_b.up.sql":      "ALTER TABLE a ADD COLUMN n int NOT NULL DEFAULT 7;\nALTER TABLE a RENAME COLUMN name TO title;\nCREATE VIEW titles AS SELECT title FROM a;\n",
		"0002_b.down.sql":    "DROP VIEW titles;\nALTER TABLE a RENAME COLUMN title TO name;\nALTER TABLE a DROP COLUMN n;\n",
		"0002_b.fixture.sql": "INSERT INTO a (name) VALUES ('x');\n",
		"0002_b.check.sql":   "SELECT n = 7 AND title = 'x' FROM a;\n",
	}).with("SCHEMAGATE_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "app.db"))
	s.proves(0, "0002", "passed fixture up check down again")
	s.Write(harness.Files{"0003_c.up.sql": "CREATE TABLE c (a int REFERENCES a (id) ON DELETE CASCADE, n int CHECK (n > 1), UNIQUE (n));\n",
		"0003_c.down.sql": "DROP TABLE c;\nDROP INDEX a_name;\nCREATE TABLE d (n int);\n"})
	s.proves(70, "0003", "failed up down again", "down: + table d: table", "down: - index a_name: CREATE INDEX a_name ON a ( title )", "down: + column d.n: INT")
	s.Write(harness.Files{"0003_c.down.sql": "DROP TABLE c;\n", "0004_d.up.sql": "CREATE TABLE c2 (a int REFERENCES a (id), n int, UNIQUE (a));\nDROP TABLE c;\nALTER TABLE c2 RENAME TO c;\n",
		"0004_d.down.sql": "SELECT 1;\nDROP TABLE c;\nCREATE TABLE c (a int REFERENCES a (id), n int CHECK (n > 2), UNIQUE (n, a));\n"})
	s.proves(70, "0004", "failed up down again", "down: ~ clauses of c: CHECK ( n > 1 )  is now  CHECK ( n > 2 )", "down: ~ foreign key c(a): ", "down: - unique c(n): unique")
	left, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(s.Env[0], "SCHEMAGATE_DATABASE_URL=sqlite:")))
	if err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestProveMongoDB(t *testing.T) {
	t.Parallel()
	s, db := mongoStage(t, harness.Files{
		"20240101000000-seed.js": `exports.up = async db => { await db.collection('games').insertMany([{ oldName: 'chess' }, { oldName: 'go' }]); await db.collection('games').createIndex({ oldName: 1 }, { name: 'by_name' }) }
exports.down = async db => { await db.collection('games').deleteMany({}); await db.collection('games').dropIndex('by_name') }
`,
		"20240102000000-rename.js": `// schemagate: idempotent
exports.up = async db => { await db.collection('games').updateMany({ oldName: { $exists: true } }, { $rename: { oldName: 'newName' } }) }
exports.down = async db => { await db.collection('games').updateMany({ newName: { $exists: true } }, { $rename: { newName: 'oldName' } }) }
`,
		"20240102000000-rename.fixture.js": "exports.fixture = async db => { await db.collection('games').insertOne({ oldName: 'edge', newName: 'case' }) }\n",
		"20240102000000-rename.check.js":   "exports.check = async db => {\n  if (await db.collection('games').countDocuments({ oldName: { $exists: true } })) throw new Error('some are left')\n}\n",
	})
	s.proves(0, "20240102000000", "passed fixture up twice check down again")
	s.Write(harness.Files{"20240103000000-index.js": "exports.up = async db => { await db.collection('games').createIndex({ newName: -1 }, { name: 'by_new' }); await db.createCollection('log', { capped: true, size: 4096 }) }\nexports.down = async db => {}\n",
		"20240103000000-index.check.js": "exports.check = async db => false\n"})
	s.proves(70, "20240103000000", "failed up check down again", "check: 20240103000000-index.check.js: check returned false", `down: + index games.by_new: {"key":{"newName":-1}}`, "down: + collection log: ")
	s.folder(harness.Files{"20240101000000-x.js": "exports.up = async db => {}\n", "20240101000000-x.check.sql": "select true;\n"}).Expect(65, "test").Says("20240101000000-x.check.sql: is of another language")
	names, err := db.Client().ListDatabaseNames(t.Context(), bson.D{})
	if err != nil || strings.Contains(strings.Join(names, " "), "scratch") {
		t.Errorf("databases %v, %v", names, err)
	}
	if n := count(t, db, "games"); n != 0 {
		t.Errorf("%d documents in the database of the URL", n)
	}
}
