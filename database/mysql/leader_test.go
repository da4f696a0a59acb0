package mysql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/mysql"
	"github.com/schemagate/schemagate/migrations"
)

const service = "default"

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// prepared is a client of a database with our tables.
func (b *bench) prepared() *mysql.DB {
	b.t.Helper()
	d := b.open(service)
	b.t.Cleanup(d.Disconnect)
	b.must(d.Prepare(b.t.Context()))
	return d
}

// again repeats what is blocked.
func (b *bench) again(f func() error) {
	b.t.Helper()
	for {
		err := f()
		if err == nil {
			return
		}
		if !errors.Is(err, database.ErrBlocked) {
			b.t.Fatal(err)
		}
		<-time.After(time.Millisecond)
	}
}

// lead takes the next term over and opens its session.
func (b *bench) lead(d *mysql.DB) database.Session {
	b.t.Helper()
	ctx := b.t.Context()
	v, err := d.Look(ctx, database.Query{Since: -1})
	b.must(err)
	holder := database.NewHolder()
	var term database.Term
	b.again(func() (err error) { term, err = d.Mint(ctx, v.Fence.Number, holder); return err })
	b.again(func() error { return d.Drain(ctx, term) })
	s, err := d.Lead(ctx, term, database.Origin{Replica: "r"})
	b.must(err)
	b.t.Cleanup(s.Close)
	return s
}

// file parses a file as a set's own is.
func (b *bench) file(text string) database.Change {
	b.t.Helper()
	set, err := migrations.Load(fstest.MapFS{"1_n.up.sql": {Data: []byte(text)}}, migrations.Options{Dialect: migrations.MySQL, Phase: migrations.Expand})
	b.must(err)
	ch := database.Change{Version: "1", Name: "n", Checksum: "c", File: "1_n.up.sql", Language: "sql", Text: text, LockTimeout: time.Second}
	for _, st := range set.Migrations[0].Up.Statements {
		ch.Statements = append(ch.Statements, database.Statement(st))
	}
	return ch
}

func (b *bench) last(d *mysql.DB) database.Event {
	b.t.Helper()
	events, err := d.History(b.t.Context(), false)
	b.must(err)
	if len(events) == 0 {
		return database.Event{}
	}
	return events[len(events)-1]
}

// The leader is lost in the midst of an ALTER that waits for the app's transaction. The successor ends both its connections, and
// the ALTER did not run.
func TestLeaderLostInAnAlter(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int)")
	old, next := b.prepared(), b.prepared()
	s := b.lead(old)
	release := b.mustHold("SELECT * FROM items")
	ch := b.file("INSERT INTO items VALUES (1);\nALTER TABLE items ADD COLUMN a int;\n")
	ch.LockTimeout = 0
	done := make(chan error, 1)
	go func() { done <- s.Apply(context.WithoutCancel(t.Context()), ch) }()
	b.until("the ALTER waits", func() bool {
		return b.exec("SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table metadata%'") == "1"
	})
	conns := strings.Fields(b.exec("SELECT conn FROM schemagate_sessions"))
	if len(conns) != 2 {
		t.Fatalf("connections on record: %v, want the guard's and the migration's", conns)
	}
	heir := b.lead(next)
	for _, c := range conns {
		if b.listed(c) {
			t.Errorf("connection %s outlives the takeover", c)
		}
	}
	if err := <-done; !errors.Is(err, database.ErrInterrupted) && !errors.Is(err, database.ErrUnreachable) {
		t.Errorf("the old leader's error is %v", err)
	}
	last := b.last(next)
	if last.Kind != database.Running || last.Done != 1 || last.Trying != 2 {
		t.Fatalf("the last event is %+v", last)
	}
	if ran, err := heir.Probe(t.Context(), ch.Statements[1]); ran || err != nil {
		t.Errorf("probe: %v, %v; want not done", ran, err)
	}
	release()
	ch.From = 1
	b.must(heir.Apply(t.Context(), ch))
	if got := b.exec("SELECT n, a FROM items"); got != "1|" {
		t.Errorf("items: %q", got)
	}
	if left := b.exec("SELECT count(*) FROM schemagate_sessions"); left != "1" {
		t.Errorf("%s sessions on record, want the one that stands", left)
	}
}

// Between a DDL statement and its event the leader loses its guard: the statement ran, and no event says so.
func TestStatementRanAndItsEventDidNot(t *testing.T) {
	for name, x := range map[string]struct {
		before, statement string
		ran               bool
		err               error
	}{
		"add column":           {"CREATE TABLE items (n int)", "ALTER TABLE items ADD COLUMN a int, ADD INDEX i (n), ENGINE = InnoDB", true, nil},
		"add index":            {"CREATE TABLE items (n int)", "CREATE UNIQUE INDEX `i` ON items (n)", true, nil},
		"drop column":          {"CREATE TABLE items (n int, m int)", "ALTER TABLE items DROP m", true, nil},
		"create table":         {"DO 0", "CREATE TABLE made (n int)", true, nil},
		"drop tables":          {"CREATE TABLE a (n int); CREATE TABLE b (n int)", "DROP TABLE a, `b`", true, nil},
		"rename":               {"CREATE TABLE a (n int)", "RENAME TABLE a TO b", true, nil},
		"rename by alter":      {"CREATE TABLE a (n int)", "ALTER TABLE a RENAME b", true, nil},
		"view":                 {"DO 0", "CREATE DEFINER = CURRENT_USER SQL SECURITY INVOKER VIEW v AS SELECT 1", true, nil},
		"trigger":              {"CREATE TABLE items (n int)", "CREATE TRIGGER t BEFORE INSERT ON items FOR EACH ROW SET NEW.n = 1", true, nil},
		"procedure":            {"DO 0", "CREATE PROCEDURE p() SELECT 1", true, nil},
		"drop procedure":       {"CREATE PROCEDURE p() SELECT 1", "DROP PROCEDURE p", true, nil},
		"in another schema":    {"DO 0", "CREATE TABLE other.made (n int)", true, nil},
		"repeatable":           {"DO 0", "CREATE TABLE IF NOT EXISTS made (n int)", false, nil},
		"modify":               {"CREATE TABLE items (n int)", "ALTER TABLE items MODIFY n bigint", false, nil},
		"call":                 {"CREATE PROCEDURE p() CREATE TABLE x (n int)", "CALL p()", false, database.ErrUndecided},
		"truncate":             {"CREATE TABLE items (n int)", "TRUNCATE items", false, database.ErrUndecided},
		"new default, no name": {"CREATE TABLE items (n int)", "ALTER TABLE items ALTER n SET DEFAULT 3", false, database.ErrUndecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for _, s := range strings.Split(x.before, ";") {
				b.exec(s)
			}
			statement := x.statement
			if before, after, ok := strings.Cut(statement, "other."); ok {
				statement = before + newBench(t).name + "." + after
			}
			d := b.prepared()
			s := b.lead(d)
			ch := b.file("DO 1;\n" + statement + ";\nDO 2;\n")
			// The guard is lost while the statement runs: a trigger of ours on the history ends it before its event is kept.
			b.exec("CREATE TRIGGER cut BEFORE INSERT ON schemagate_history FOR EACH ROW IF NEW.done > 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'cut'; END IF")
			if err := s.Apply(t.Context(), ch); err == nil {
				t.Fatal("the event was recorded")
			}
			b.exec("DROP TRIGGER cut")
			last := b.last(d)
			if last.Kind != database.Running || last.Done != 1 || last.Trying != 2 {
				t.Fatalf("the last event is %+v", last)
			}
			heir := b.lead(b.prepared())
			ran, err := heir.Probe(t.Context(), ch.Statements[1])
			if ran != x.ran || !errors.Is(err, x.err) {
				t.Fatalf("probe: %v, %v; want %v, %v", ran, err, x.ran, x.err)
			}
			if err != nil {
				return
			}
			ch.From = 1
			if ran {
				ch.From = 2
			}
			b.must(heir.Apply(t.Context(), ch))
		})
	}
}

// What stood already before it was tried tells nothing; neither does a statement that is not the one that was tried.
func TestProbeTellsNoMoreThanItKnows(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE made (n int)")
	d := b.prepared()
	s := b.lead(d)
	ch := b.file("CREATE TABLE made (n int);\n")
	var se *database.StatementError
	if err := s.Apply(t.Context(), ch); !errors.As(err, &se) || se.Code != "1050" {
		t.Fatalf("error %v", err)
	}
	if _, err := s.Probe(t.Context(), ch.Statements[0]); !errors.Is(err, database.ErrUndecided) {
		t.Errorf("a table that was there before: %v", err)
	}
	if _, err := s.Probe(t.Context(), database.Statement{SQL: "CREATE TABLE never (n int)"}); !errors.Is(err, database.ErrUndecided) {
		t.Errorf("a statement that was not tried: %v", err)
	}
	ok := b.file("USE information_schema;\nCREATE TABLE " + b.name + ".x (n int);\nDROP TABLE " + b.name + ".x;\n")
	b.must(s.Apply(t.Context(), ok))
}

func TestDataOnlyFileIsAllOrNothing(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int PRIMARY KEY)")
	d := b.prepared()
	s := b.lead(d)
	err := s.Apply(t.Context(), b.file("INSERT INTO items VALUES (1);\nUPDATE items SET n = 2;\nINSERT INTO items VALUES (2);\n"))
	var se *database.StatementError
	if !errors.As(err, &se) || se.Line != 3 || strings.Contains(err.Error(), "'2'") {
		t.Errorf("error %v, want line 3 and no data", err)
	}
	if got := b.exec("SELECT n FROM items"); got != "" {
		t.Errorf("items: %q", got)
	}
	if e := b.last(d); e.Kind != "" {
		t.Errorf("event %+v", e)
	}
}

// A file with DDL goes on at the first statement that is not done, and with what the file had set for its session.
func TestMixedFileResumes(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	s := b.lead(d)
	text := "SET @x = 7;\nCREATE TABLE items (n int);\nINSERT INTO items VALUES (@x);\nINSERT INTO missing VALUES (1);\nINSERT INTO items VALUES (@x);\n"
	ch := b.file(text)
	var se *database.StatementError
	if err := s.Apply(t.Context(), ch); !errors.As(err, &se) || se.Line != 4 {
		t.Fatalf("error %v", err)
	}
	if e := b.last(d); e.Done != 3 || e.Trying != 0 {
		t.Fatalf("the last event is %+v", e)
	}
	// Being told to stop must not lose the progress.
	b.must(s.Record(t.Context(), database.Event{Kind: database.Interrupted, Version: "1"}))
	if e := b.last(d); e.Kind != database.Interrupted || e.Done != 3 || e.Prefix != database.Prefix(ch.Statements[:3]) {
		t.Fatalf("the interruption %+v forgot the progress", e)
	}
	b.exec("CREATE TABLE missing (n int)")
	ch.From = 3
	b.must(b.lead(b.prepared()).Apply(t.Context(), ch))
	if got := b.exec("SELECT n FROM items"); got != "7\n7" {
		t.Errorf("items: %q", got)
	}
}

// The plan of a recovery is tried again after a lock was not had: it asks about its first statement once more, when others were
// tried since.
func TestRecoveryThatWaitsForALock(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int)")
	s := b.lead(b.prepared())
	ch := b.file("CREATE TABLE made (n int);\nALTER TABLE items ADD COLUMN a int;\n")
	b.exec("CREATE TRIGGER cut BEFORE INSERT ON schemagate_history FOR EACH ROW IF NEW.done > 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'cut'; END IF")
	if err := s.Apply(t.Context(), ch); err == nil {
		t.Fatal("the event was recorded")
	}
	b.exec("DROP TRIGGER cut")
	heir := b.lead(b.prepared())
	release := b.mustHold("SELECT * FROM items")
	try := func() error {
		ran, err := heir.Probe(t.Context(), ch.Statements[0])
		if !ran || err != nil {
			t.Fatalf("probe: %v, %v", ran, err)
		}
		ch.From = 1
		return heir.Apply(t.Context(), ch)
	}
	if err := try(); !errors.Is(err, database.ErrBlocked) {
		t.Fatalf("error %v", err)
	}
	release()
	b.must(try())
}

// A metadata lock is waited for as long as the change says; the next try of the same plan goes on where the first one stopped.
func TestMetadataLockIsBoundedAndTriedAgain(t *testing.T) {
	b := newBench(t)
	b.exec("CREATE TABLE items (n int)")
	d := b.prepared()
	s := b.lead(d)
	release := b.mustHold("SELECT * FROM items")
	ch := b.file("INSERT INTO items VALUES (1);\nALTER TABLE items ADD COLUMN a int;\n")
	ch.LockTimeout = 10 * time.Millisecond
	for range 2 {
		if err := s.Apply(t.Context(), ch); !errors.Is(err, database.ErrBlocked) {
			t.Fatalf("error %v, want one that waits for a lock", err)
		}
		if e := b.last(d); e.Kind != database.Running || e.Done != 1 || e.Trying != 0 {
			t.Fatalf("the last event is %+v", e)
		}
	}
	release()
	b.must(s.Apply(t.Context(), ch))
	if got := b.exec("SELECT n FROM items"); got != "1" {
		t.Errorf("items: %q, want the first statement to have run once", got)
	}
}

func TestStoredPrograms(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	s := b.lead(d)
	b.must(s.Apply(t.Context(), b.file(`CREATE TABLE items (n int, note varchar(50));
DELIMITER //
CREATE PROCEDURE fill(IN upto int)
BEGIN
  DECLARE i int DEFAULT 0;
  WHILE i < upto DO
    INSERT INTO items (n, note) VALUES (i, 'a; b');
    SET i = i + 1;
  END WHILE;
END//
CREATE TRIGGER twice BEFORE INSERT ON items FOR EACH ROW BEGIN
  SET NEW.n = NEW.n * 2;
END//
DELIMITER ;
# a comment; with a semicolon
/*!40000 ALTER TABLE items ENABLE KEYS */;
CALL fill(3);
SET @s = 'CREATE TABLE prepared (n int)';
PREPARE p FROM @s;
EXECUTE p;
DEALLOCATE PREPARE p;
`)))
	if got := b.exec("SELECT n, note FROM items ORDER BY n"); got != "0|a; b\n2|a; b\n4|a; b" {
		t.Errorf("items: %q", got)
	}
	b.exec("SELECT * FROM prepared")
}

// A dump begins by setting its session up, and locks tables.
func TestDumpLeavesNothingBehind(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	s := b.lead(d)
	b.must(s.Apply(t.Context(), b.file(`/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES latin1 */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET UNIQUE_CHECKS=0 */;
/*!40014 SET FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
DROP TABLE IF EXISTS items;
CREATE TABLE items (n int, parent int, FOREIGN KEY (parent) REFERENCES later (n)) ENGINE=InnoDB;
CREATE TABLE later (n int PRIMARY KEY) ENGINE=InnoDB;
LOCK TABLES items WRITE;
/*!40000 ALTER TABLE items DISABLE KEYS */;
INSERT INTO items VALUES (1, NULL),(2, NULL);
/*!40000 ALTER TABLE items ENABLE KEYS */;
UNLOCK TABLES;
`)))
	state := "SELECT CONCAT_WS('|', @@foreign_key_checks, @@unique_checks, @@time_zone, @@character_set_client, @@sql_mode = @@GLOBAL.sql_mode, DATABASE())"
	ch := b.file("CREATE TABLE seen (t text);\nINSERT INTO seen " + state + ";\n")
	ch.Version = "2"
	b.must(s.Apply(t.Context(), ch))
	if got := b.exec("SELECT t FROM seen"); got != "ON|ON|SYSTEM|utf8mb4|1|"+b.name {
		t.Errorf("the next migration's session: %q", got)
	}
	if got := b.exec("SELECT count(*) FROM items"); got != "2" {
		t.Errorf("%s items", got)
	}
}

// A statement that ends the transaction it runs in is found out, and the file is not called applied.
func TestStatementThatEndsItsTransaction(t *testing.T) {
	for _, statement := range []string{"SET autocommit = 0, autocommit = 1", "ROLLBACK"} {
		b := newBench(t)
		d := b.prepared()
		ch := b.file("DO 1;\n")
		ch.Statements = append(ch.Statements, database.Statement{SQL: statement, Line: 2})
		var se *database.StatementError
		if err := b.lead(d).Apply(t.Context(), ch); !errors.As(err, &se) || se.Line != 2 {
			t.Errorf("%s: error %v", statement, err)
		}
		if e := b.last(d); e.Kind != "" {
			t.Errorf("%s: event %+v", statement, e)
		}
	}
}
