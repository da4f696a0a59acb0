package e2e

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	_ "modernc.org/sqlite"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// TestAdopt: the first start on a database that another tool managed takes its record over, applies only what is new, and goes
// back by the files' own ways; handed back, the tool finds nothing to do, and what it does then is taken over in its turn.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, p.set(2))
			p.migrate(s)

			s.Expect(0, "adopt", "--dry-run").SaysOut("2 version(s) to adopt from "+p.name, p.table)
			s.Expect(0, "plan").SaysOut("2 version(s) are taken over from "+p.name, "-- 2 applied, 0 pending")
			if got := s.Psql("select count(*) from pg_class where relname like 'schemagate%'"); got != "0" {
				t.Fatalf("looking made %s tables", got)
			}

			s.Write(p.set(3))
			harness.ExitAll(t, 0, s.StartMany(5, "up")...)
			if got := s.Psql("select count(*) from books"); got != "2" {
				t.Errorf("%s books: something was applied twice", got)
			}
			if got := s.Psql("select count(*) filter (where note like 'adopted from %'), count(*) from schemagate_history where kind = 'applied'"); got != "2|3" {
				t.Errorf("adopted and applied: %s", got)
			}
			s.Up().NeverSays(harness.Msg("elected"))
			s.Expect(0, "adopt").SaysOut("nothing to adopt: schemagate's own history has 3 version(s) in force")

			t.Log("the way back of an adopted one is kept")
			s.Expect(0, "down", "2")
			if got := s.Psql("select count(*) from pg_proc where proname = 'shout'"); got != "0" {
				t.Error("the adopted migration was not rolled back")
			}
			s.Expect(0, "up", "--again")

			t.Log("handed back")
			s.Expect(0, "adopt", "--back").SaysOut("3 version(s) handed back to " + p.name)
			before := s.schema()
			p.findsNothing(s)
			sameText(t, "after "+p.name, s.schema(), before)

			t.Log("the tool goes on, and schemagate takes that over")
			s.Write(p.set(4))
			p.migrate(s)
			s.Up()
			if got := s.Psql("select count(*) from schemagate_history where kind = 'applied' and note like 'adopted from %'"); got != "3" {
				t.Errorf("adopted: %s", got)
			}
			s.Expect(0, "status").SaysOut("applied  4")
		})
	}
}

// What the old tool rolled back after it was handed the record is taken over, too.
func TestWhatTheOldToolRolledBackIsRead(t *testing.T) {
	t.Parallel()
	p := peers()[0]
	s := newStage(t, p.set(4))
	s.Up()
	s.Expect(0, "adopt", "--back")
	if out, err := exec.Command(servers.Peer(t, "migrate"), "-path", s.Dir, "-database", s.URL, "down", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.Expect(0, "adopt").SaysOut("000004  (rolled back since)", "3 version(s) adopted")
	s.Expect(0, "status").SaysOut("gate     closed", "applied  3", "pending  1")
	s.Up()
	s.Expect(0, "status").SaysOut("gate     open", "applied  4")
	s.with("SCHEMAGATE_COMMAND=true", "SCHEMAGATE_MIGRATIONS="+s.Dir+"/*.sql").Expect(78, "adopt").Says("the files are another tool's")
	s.Expect(64, "adopt", "--back", "--dry-run").Says("not both")
}

// TestHandBackToAToolThatNeverRan makes the tool's record from nothing.
func TestHandBackToAToolThatNeverRan(t *testing.T) {
	t.Parallel()
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, p.set(4))
			s.Up()
			s.Expect(0, "adopt", "--back")
			before := s.schema()
			p.findsNothing(s)
			sameText(t, "after "+p.name, s.schema(), before)
			s.Expect(0, "down", "1")
			s.Expect(0, "adopt", "--back")
			p.findsNothing(s.folder(p.set(3)))
		})
	}
}

// Nothing is guessed.
func TestRecordsThatAreNotTakenOver(t *testing.T) {
	t.Parallel()
	const migrateTable = "create table schema_migrations (version bigint not null primary key, dirty boolean not null); "
	for name, c := range map[string]struct {
		sql  string
		code int
		want []string
	}{
		"dirty":             {migrateTable + "insert into schema_migrations values (2, true)", 70, []string{"golang-migrate left version 2 dirty", "migrate force 2", "migrate force 1"}},
		"dirty at first":    {migrateTable + "insert into schema_migrations values (1, true)", 70, []string{"migrate force -1"}},
		"unknown version":   {migrateTable + "insert into schema_migrations values (7, false)", 65, []string{"at version 7, which this set does not have", "baseline"}},
		"another tool":      {"create table goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp); insert into goose_db_version values (1, 0, true), (2, 1, true)", 65, []string{"record of goose in public.goose_db_version", "the format native"}},
		"dbmate or Rails":   {"create table schema_migrations (version varchar primary key); insert into schema_migrations values ('0001')", 65, []string{"dbmate (or Rails)"}},
		"two records":       {migrateTable + "insert into schema_migrations values (1, false); create table _sqlx_migrations (version bigint, description text, success bool, checksum bytea); insert into _sqlx_migrations values (1, 'x', true, '')", 65, []string{"two records", "_sqlx_migrations"}},
		"failed in sqlx":    {"create table _sqlx_migrations (version bigint, description text, success bool, checksum bytea); insert into _sqlx_migrations values (1, 'x', false, '')", 70, []string{"sqlx recorded version 1"}},
		"changed in sqlx":   {"create table _sqlx_migrations (version bigint, description text, success bool, checksum bytea); insert into _sqlx_migrations values (1, 'x', true, sha384('select 1'))", 65, []string{"0001_tally.up.sql: changed after sqlx applied it"}},
		"another service's": {"create table _sqlx_migrations (version bigint, description text, success bool, checksum bytea); insert into _sqlx_migrations values (77, 'x', true, sha384('select 1'))", 65, []string{"knows none of this set's migrations", "baseline"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, numbered(3))
			s.Psql(c.sql)
			s.Expect(c.code, "up").Says(c.want...)
			if got := s.Psql("select count(*) from pg_class where relname = 'tally'"); got != "0" {
				t.Error("a migration was applied")
			}
			s.Expect(c.code, "adopt", "--dry-run").Says(c.want...)
			s.Expect(c.code, "plan")
			s.Expect(c.code, "validate", "--database").Says(c.want...)
			s.Expect(0, "baseline", "0") // the way out
			s.Up()
			s.appliedOnce(3)
		})
	}
	t.Run("empty records say nothing", func(t *testing.T) {
		s := newStage(t, numbered(3))
		s.Psql(migrateTable + "create table goose_db_version (id int, version_id bigint, is_applied bool); insert into goose_db_version values (1, 0, true); create table schema_version (version int4); insert into schema_version values (0)")
		s.Up()
		s.appliedOnce(3)
	})
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(4))
	s.Psql("create table tally (version text); insert into tally values ('0001'), ('0002')")
	s.Expect(65, "baseline", "9").Says("no such version")
	s.Expect(64, "baseline")
	s.Expect(0, "baseline", "2").SaysOut("2 version(s) marked as applied")
	s.Expect(0, "baseline", "2") // asked again, it is done
	s.Expect(65, "baseline", "3").Says("the history has 2 version(s) in force")
	s.Up()
	s.appliedOnce(4)
	s.Expect(0, "down", "4") // by the files' own ways back
	if got := s.Psql("select count(*) from pg_class where relname = 'tally'"); got != "0" {
		t.Error("the baseline was not rolled back")
	}
	s.Expect(65, "baseline", "2").Says("knows nothing of")
}

// A set that touches its own tool's table works where that is, and says how to make it where it is not.
func TestMigrationsThatTouchTheirToolsTable(t *testing.T) {
	t.Parallel()
	f := harness.Files{
		"20240101000000_tally.sql":  "create table tally (version text);\ninsert into tally values ('0001');\n",
		"20240102000000_rename.sql": "DELETE FROM _sqlx_migrations WHERE version = 20230101000000;\ninsert into tally values ('0002');\n",
	}
	s := newStage(t, f)
	s.Expect(70, "up").Says("20240102000000_rename.sql:1", "42P01", "sqlx's own table", "schemagate adopt --back")
	s.Expect(0, "adopt", "--back").SaysOut("1 version(s) handed back to sqlx")
	s.Up()
	if got := s.Psql("select string_agg(version, ' ') from tally"); got != "0001 0002" {
		t.Errorf("tally %s", got)
	}

	t.Log("adopted")
	s = newStage(t, f)
	s.Psql("create table tally (version text); insert into tally values ('0001'); create table _sqlx_migrations (version bigint primary key, description text not null, " +
		"installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null, execution_time bigint not null); " +
		"insert into _sqlx_migrations values (20240101000000, 'tally', now(), true, sha384('" + strings.ReplaceAll(f["20240101000000_tally.sql"], "'", "''") + "'), 5)")
	s.Up()
	if got := s.Psql("select string_agg(version, ' ') from tally"); got != "0001 0002" {
		t.Errorf("tally %s", got)
	}
}

// golang-migrate on MariaDB, forth and back.
func TestAdoptOnMariaDB(t *testing.T) {
	t.Parallel()
	two := harness.Files{}
	for name, text := range shop() {
		if name < "000003" {
			two[name] = text
		}
	}
	s := onMaria(t, two)
	migrate := func(want string) {
		t.Helper()
		out, err := exec.Command(servers.Peer(t, "migrate"), "-path", s.Dir, "-database", "mysql://"+s.m.DSN(s.name)+"?multiStatements=true", "up").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("migrate: %v\n%s", err, out)
		}
	}
	migrate("2/u email")
	s.Expect(0, "adopt", "--dry-run", "--json").SaysOut(`"tool": "golang-migrate"`, `"000002"`)
	s.Write(shop())
	harness.ExitAll(t, 0, s.StartMany(3, "up")...)
	if got := s.sql(usersSQL); got != "1@example.org,2@example.org,d,e" {
		t.Errorf("users %q: something was applied twice", got)
	}
	s.Expect(0, "down", "3") // the last one was golang-migrate's
	if got := s.sql("SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'users' AND table_schema = DATABASE()"); got != "2" {
		t.Errorf("users has %s columns", got)
	}
	s.Expect(0, "adopt", "--back").SaysOut("1 version(s) handed back to golang-migrate")
	for name := range shop() {
		if name > "000002" {
			s.Remove(name)
		}
	}
	migrate("no change")
	s.sql("DROP TABLE schema_migrations")
	s.Expect(0, "adopt", "--back")
	migrate("no change")

	t.Log("sqlx's record, which holds bytes")
	x := onMaria(t, harness.Files{"1_a.sql": "CREATE TABLE a (n int);\n"})
	x.Up()
	x.Expect(0, "adopt", "--back").SaysOut("1 version(s) handed back to sqlx")
	x.sql("DROP TABLE schemagate_history, schemagate_fence, schemagate_lease, schemagate_replicas, schemagate_sessions")
	x.Expect(0, "adopt").SaysOut("1 version(s) adopted from sqlx")
	x.Up()

	t.Log("a migration that touches it")
	x.Write(harness.Files{"2_b.sql": "DELETE FROM _sqlx_migrations WHERE version = 99;\n"})
	x.sql("DROP TABLE _sqlx_migrations")
	x.Expect(70, "up").Says("2_b.sql:1", "1146", "sqlx's own table", "schemagate adopt --back")
	x.Expect(0, "adopt", "--back")
	x.Up()

	t.Log("dirty")
	d := onMaria(t, two)
	d.sql("CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, TRUE)")
	d.Expect(70, "up").Says("version 2 dirty", "migrate force 1")
}

// golang-migrate and goose on SQLite, forth and back.
func TestAdoptOnSQLite(t *testing.T) {
	t.Parallel()
	for _, p := range []struct {
		name, nothing string
		args          func(dir, file string) []string
		wrap          string
	}{
		{"golang-migrate", "no change", func(dir, file string) []string {
			return []string{servers.Peer(t, "migrate"), "-path", dir, "-database", "sqlite://" + file, "up"}
		}, "%s"},
		{"goose", "no migrations to run", func(dir, file string) []string {
			return []string{servers.Peer(t, "goose"), "-dir", dir, "sqlite3", file, "up"}
		}, "-- +goose Up\n%s"},
	} {
		t.Run(p.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "app.db")
			s := stageOn(t, "sqlite:"+file, nil)
			name := "%04d_step.up.sql"
			if p.name == "goose" {
				name = "%04d_step.sql"
			}
			write := func(n int, sql string) {
				s.Write(harness.Files{fmt.Sprintf(name, n): fmt.Sprintf(p.wrap, sql)})
			}
			migrate := func() string {
				args := p.args(s.Dir, file)
				out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return string(out)
			}
			write(1, "create table tally (n int);\n")
			write(2, "insert into tally values (2);\n")
			migrate()
			write(3, "insert into tally values (3);\n")
			s.Expect(0, "adopt", "--dry-run").SaysOut("2 version(s) to adopt from " + p.name)
			harness.ExitAll(t, 0, s.StartMany(3, "up")...)
			s.Expect(0, "adopt", "--back").SaysOut("3 version(s) handed back")
			if out := migrate(); !strings.Contains(out, p.nothing) {
				t.Errorf("%s found something to do:\n%s", p.name, out)
			}
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			var tally string
			if err := errors.Join(db.QueryRow("select group_concat(n, ' ') from tally").Scan(&tally), db.Close()); err != nil || tally != "2 3" {
				t.Errorf("tally %q, %v", tally, err)
			}

			t.Log("a migration that touches a tool's table")
			touching := stageOn(t, "sqlite:"+file+".3", harness.Files{"1_a.sql": "create table a (n int);\n", "2_b.sql": "delete from _sqlx_migrations;\ninsert into a values (1);\n"})
			touching.Expect(70, "up").Says("2_b.sql:1", "sqlx's own table")
			touching.Expect(0, "adopt", "--back", "--json").SaysOut(`"tool": "sqlx"`, `"1"`)
			touching.Up()

			fresh := stageOn(t, "sqlite:"+file+".2", nil)
			fresh.Dir, file = s.Dir, file+".2"
			fresh.Up()
			fresh.Expect(0, "adopt", "--back")
			if out := migrate(); !strings.Contains(out, p.nothing) {
				t.Errorf("%s found something to do:\n%s", p.name, out)
			}
		})
	}
}

// migrate-mongo on FerretDB, forth and back.
func TestAdoptMigrateMongo(t *testing.T) {
	t.Parallel()
	modules, ok := servers.NodeModules(t)
	if !ok {
		t.Skip("there is no npm with Node 18 or newer: nothing to take over from")
	}
	script := func(n int) string {
		return fmt.Sprintf("module.exports = { async up(db) { await db.collection('tally').insertOne({ n: %d }) }, async down(db) { await db.collection('tally').deleteOne({ n: %[1]d }) } };\n", n)
	}
	s, db := mongoStage(t, harness.Files{"20240101000000-one.js": script(1), "20240102000000-two.js": script(2)})
	dir, err := os.MkdirTemp(modules, "run-") // where Node finds the modules
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, name := s.URL[:strings.LastIndex(s.URL, "/")], db.Name()
	config := fmt.Sprintf(`module.exports = {mongodb: {url: %q, databaseName: %q, options: {}}, migrationsDir: %q, changelogCollectionName: 'changelog',
		lockCollectionName: 'changelog_lock', lockTtl: 0, migrationFileExtension: '.js', useFileHash: false, moduleSystem: 'commonjs'}`, server, name, s.Dir)
	if err := os.WriteFile(filepath.Join(dir, "migrate-mongo-config.js"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	migrate := func(times int) {
		t.Helper()
		cmd := servers.Node(t.Context(), "../node_modules/migrate-mongo/bin/migrate-mongo.js", "up")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if n := strings.Count(string(out), "MIGRATED UP"); err != nil || n != times {
			t.Fatalf("migrate-mongo applied %d, want %d: %v\n%s", n, times, err, out)
		}
	}
	migrate(2)
	s.Expect(0, "adopt", "--dry-run").SaysOut("20240101000000_one", "2 version(s) to adopt from migrate-mongo (changelog)")
	s.Write(harness.Files{"20240103000000-three.js": script(3)})
	harness.ExitAll(t, 0, s.StartMany(3, "up")...)

	t.Log("a take-over that was cut off half-way is gone on with")
	history := db.Collection("schemagate_history")
	var second, done struct {
		ID string `bson:"_id"`
	}
	for note, into := range map[string]any{"^adopted from migrate-mongo": &second, "^2 version": &done} {
		if err := history.FindOne(t.Context(), bson.M{"note": bson.M{"$regex": note}, "version": bson.M{"$ne": "20240101000000"}}).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := history.DeleteMany(t.Context(), bson.M{"_id": bson.M{"$gte": second.ID}}); err != nil || done.ID <= second.ID {
		t.Fatal(second, done, err)
	}
	if _, err := db.Collection("tally").DeleteOne(t.Context(), bson.M{"n": 3}); err != nil { // the third had not run then
		t.Fatal(err)
	}
	s.Up()
	if n := count(t, db, "tally"); n != 3 {
		t.Errorf("%d documents: something was applied twice", n)
	}
	s.Expect(0, "down", "2") // the last one was migrate-mongo's
	if n := count(t, db, "tally"); n != 1 {
		t.Errorf("%d documents after down", n)
	}
	s.Expect(0, "up", "--again")
	s.Expect(0, "adopt", "--back").SaysOut("3 version(s) handed back")
	migrate(0)
	if err := db.Collection("changelog").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Expect(0, "adopt", "--back")
	migrate(0)
	s.Write(harness.Files{"20240104000000-four.js": script(4)})
	migrate(1)
	s.Up()
	if n := count(t, db, "tally"); n != 4 {
		t.Errorf("%d documents: something was applied twice", n)
	}
}

// A replica that finds our tables, made by a leader that died at once, judges its set by the other tool's record, too: what can't
// be part of one transaction is in force already.
func TestALookBeforeTheTakeOverIsNotLedAstray(t *testing.T) {
	t.Parallel()
	p := peers()[0]
	s := newStage(t, p.set(3))
	p.migrate(s)
	s.with("SCHEMAGATE_SERVICE=other").Expect(0, "baseline", "0")
	s.Psql("insert into schemagate_fence (service) values ('default'); insert into schemagate_lease (service) values ('default')")
	s.Write(p.set(4))
	s.with("SCHEMAGATE_TRANSACTION=release").Up()
	if got := s.events("applied"); got != "000001 000002 000003 000004" {
		t.Errorf("applied %q", got)
	}

	t.Log("and the second service's start is told of a record that is not its own")
	other := s.folder(numbered(2)).with("SCHEMAGATE_SERVICE=third")
	other.Expect(65, "up").Says("at version 3, which this set does not have", "another service's")
	other.Expect(0, "baseline", "0")
	other.Up()
}
