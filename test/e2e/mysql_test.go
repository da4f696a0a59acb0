package e2e

import (
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// mariaStage is a service on a MariaDB server of its own.
type mariaStage struct {
	*stage
	m    *servers.Maria
	name string
}

func onMaria(t *testing.T, f harness.Files) *mariaStage {
	t.Helper()
	m := servers.MariaDB(t)
	url := m.NewDatabase(t)
	return &mariaStage{stageOn(t, url, f), m, url[strings.LastIndex(url, "/")+1:]}
}

func (s *mariaStage) sql(query string) string { s.T.Helper(); return s.m.Exec(s.T, s.name, query) }

// shop is a set of golang-migrate files with DDL, data, a trigger and a procedure in it.
func shop() harness.Files {
	return harness.Files{
		"000001_users.up.sql":   "CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50));\nINSERT INTO users (name) VALUES ('a; b'), ('c');\n",
		"000001_users.down.sql": "DROP TABLE users;\n",
		"000002_email.up.sql":   "ALTER TABLE users ADD COLUMN email varchar(100);\nUPDATE users SET email = CONCAT(id, '@example.org');\nCREATE INDEX users_email ON users (email);\n",
		"000002_email.down.sql": "ALTER TABLE users DROP COLUMN email;\n",
		"000003_log.up.sql": "CREATE TABLE log (n int);\nDELIMITER //\nCREATE TRIGGER users_log AFTER INSERT ON users FOR EACH ROW BEGIN\n  INSERT INTO log VALUES (NEW.id);\n" +
			"END//\nDELIMITER ;\nINSERT INTO users (name) VALUES ('d');\n",
		"000003_log.down.sql":  "DROP TRIGGER users_log;\nDROP TABLE log;\n",
		"000004_data.up.sql":   "INSERT INTO users (name) VALUES ('e');\nUPDATE users SET email = name WHERE email IS NULL;\n",
		"000004_data.down.sql": "DELETE FROM users WHERE name = 'e';\n",
	}
}

const (
	appliedSQL = "SELECT GROUP_CONCAT(version ORDER BY id SEPARATOR ' ') FROM schemagate_history WHERE kind = 'applied'"
	usersSQL   = "SELECT GROUP_CONCAT(email ORDER BY id) FROM users"
)

func TestMariaDBFiveReplicasAtOnce(t *testing.T) {
	t.Parallel()
	s := onMaria(t, shop())
	harness.ExitAll(t, 0, s.StartMany(5, "up")...)
	if got := s.sql(appliedSQL); got != "000001 000002 000003 000004" {
		t.Errorf("applied %q", got)
	}
	if got := s.sql(usersSQL); got != "1@example.org,2@example.org,d,e" {
		t.Errorf("users %q", got)
	}
	if got := s.sql("SELECT COUNT(*) FROM schemagate_history WHERE kind = 'complete'"); got != "1" {
		t.Errorf("%s complete events, want 1", got)
	}
	s.Expect(0, "down", "1")
	if got := s.sql("SELECT COUNT(*) FROM users WHERE name = 'e'"); got != "0" {
		t.Errorf("the last migration was not rolled back: %s", got)
	}
}

// The leader is killed while its ALTER waits for the app. The successor ends what it left behind, learns from the catalogue that
// the ALTER did not run, and repeats nothing that was done.
func TestMariaDBLeaderKilledInsideAMigration(t *testing.T) {
	t.Parallel()
	s := onMaria(t, shop())
	s.Up()
	s.Write(harness.Files{"000005_age.up.sql": "-- schemagate: lock_timeout=60s\nINSERT INTO log VALUES (100);\nALTER TABLE users ADD COLUMN age int;\nINSERT INTO log VALUES (200);\n",
		"000005_age.down.sql": "ALTER TABLE users DROP COLUMN age;\n"})
	const waiting = "SELECT COALESCE(GROUP_CONCAT(ID), '') FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%' AND INFO LIKE 'ALTER%'"
	release := s.holding("SELECT * FROM users")
	leader := s.Start("up")
	dead := ""
	harness.Until(t, "the ALTER waits", func() bool { dead = s.sql(waiting); return dead != "" })
	followers := s.StartMany(2, "up")
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	leader.Kill()
	harness.Until(t, "a successor's ALTER waits, and the dead one's no longer", func() bool { now := s.sql(waiting); return now != "" && now != dead })
	if got := s.sql("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = " + dead); got != "0" {
		t.Errorf("the dead leader's connection %s still stands", dead)
	}
	release()
	harness.ExitAll(t, 0, followers...)
	if got := s.sql("SELECT GROUP_CONCAT(n ORDER BY n) FROM log WHERE n >= 100"); got != "100,200" {
		t.Errorf("log %q: a data change was lost, or ran twice", got)
	}
	if got := s.sql(appliedSQL); got != "000001 000002 000003 000004 000005" {
		t.Errorf("applied %q", got)
	}
	if !followers[0].Said("presence is gone") && !followers[1].Said("presence is gone") {
		t.Errorf("no follower says why it took over: %s%s", followers[0], followers[1])
	}
}

// The leader is killed inside a procedure that may have done anything: nobody guesses, and the person is told what to type.
func TestMariaDBWhatCannotBeToldIsAsked(t *testing.T) {
	t.Parallel()
	s := onMaria(t, shop().And(harness.Files{
		"000005_call.up.sql": "DELIMITER //\nCREATE PROCEDURE slow() BEGIN\n  INSERT INTO log VALUES (100);\n  DO SLEEP(3600);\nEND//\nDELIMITER ;\nCALL slow();\nINSERT INTO log VALUES (200);\n",
	}))
	leader := s.Start("up")
	harness.Until(t, "the procedure sleeps", func() bool {
		return s.sql("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") == "1"
	})
	leader.Kill()
	f := s.Expect(70, "up")
	f.Says("schemagate resolve 000005 --from-statement 3")
	s.Expect(0, "resolve", "000005", "--from-statement", "3")
	s.Up()
	if got := s.sql("SELECT GROUP_CONCAT(n ORDER BY n) FROM log WHERE n >= 100"); got != "100,200" {
		t.Errorf("log %q", got)
	}
}

// holding runs a query in a transaction that stays open until the returned function is called.
func (s *mariaStage) holding(query string) (release func()) {
	s.T.Helper()
	db, err := sql.Open("mysql", s.m.DSN(s.name))
	if err != nil {
		s.T.Fatal(err)
	}
	tx, err := db.Begin()
	if err == nil {
		_, err = tx.Exec(query)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			s.T.Error(err)
		}
	})
}
