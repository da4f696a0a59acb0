package mysql_test

import (
	"strings"
	"testing"

	"github.com/schemagate/schemagate/database"
)

// What a user lacks is told with the GRANT, which a database's, a table's and everybody's rights spare; with the GRANTs nothing is
// missing, and it works.
func TestPreflight(t *testing.T) {
	b := newBench(t)
	b.prepared()
	b.exec("CREATE TABLE a (n int)")
	change := database.Change{Version: "1", File: "1.up.sql", Language: "sql"}
	for i, sql := range []string{
		"/* one */ CREATE TABLE b (n int)", "ALTER TABLE a ADD COLUMN m int", "CREATE UNIQUE INDEX i ON a (n)", "INSERT INTO a VALUES (1)",
		"CREATE DEFINER = view@localhost SQL SECURITY INVOKER VIEW v AS SELECT 1", "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.n = 1",
		"CREATE PROCEDURE p() SELECT 1", "DROP TABLE IF EXISTS c", "TRUNCATE a", "CREATE TEMPORARY TABLE temporary (n int)", "SET @x = 1", "SELECT 1",
	} {
		change.Statements = append(change.Statements, database.Statement{SQL: sql, Line: i + 1})
	}
	asked := func(user string, changes ...database.Change) (out []string) {
		t.Helper()
		missing, err := b.as(user, "p", "").Preflight(t.Context(), changes)
		b.must(err)
		for _, m := range missing {
			if m.Advice {
				t.Errorf("advice: %s", m)
			}
			out = append(out, m.Grant)
		}
		return out
	}
	user := b.user("p", "SELECT")
	db, to := "`"+b.name+"`", " TO '"+user+"'@'%'"
	grants := asked(user, change)
	want := []string{
		"GRANT INSERT, UPDATE ON " + db + ".`schemagate_fence`" + to, "GRANT INSERT ON " + db + ".`schemagate_history`" + to,
		"GRANT INSERT, UPDATE ON " + db + ".`schemagate_lease`" + to, "GRANT INSERT, UPDATE, DELETE ON " + db + ".`schemagate_sessions`" + to,
		"GRANT INSERT, UPDATE, DELETE ON " + db + ".`schemagate_replicas`" + to,
		"GRANT CREATE ON " + db + ".*" + to, "GRANT ALTER ON " + db + ".*" + to, "GRANT INDEX ON " + db + ".*" + to, "GRANT INSERT ON " + db + ".*" + to,
		"GRANT CREATE VIEW ON " + db + ".*" + to, "GRANT TRIGGER ON " + db + ".*" + to, "GRANT CREATE ROUTINE ON " + db + ".*" + to, "GRANT DROP ON " + db + ".*" + to,
	}
	if got := strings.Join(grants, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("it asks for\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for _, g := range grants {
		b.exec(g)
	}
	if left := asked(user, change); len(left) > 0 {
		t.Errorf("with all that it asked for, it asks for %v", left)
	}
	c := b.as(user, "p", "")
	term, err := c.Mint(t.Context(), 0, database.NewHolder())
	b.must(err)
	s, err := c.Lead(t.Context(), term, database.Origin{Replica: "a"})
	b.must(err)
	defer s.Close()
	b.must(s.Record(t.Context(), database.Event{Kind: database.Complete, Digest: "d"}))

	for name, grant := range map[string]string{
		"everywhere":   "GRANT ALL PRIVILEGES ON *.*",
		"the database": "GRANT ALL PRIVILEGES ON " + db + ".*",
		"a pattern":    "GRANT ALL PRIVILEGES ON `" + strings.ReplaceAll(b.name[:len(b.name)-2], "_", "\\_") + "%`.*",
		"one by one":   "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE VIEW, TRIGGER, CREATE ROUTINE ON " + db + ".*",
	} {
		t.Run(name, func(t *testing.T) {
			other := "o" + strings.ReplaceAll(name, " ", "") + b.name[len(b.name)-6:]
			b.exec("CREATE USER '" + other + "' IDENTIFIED BY 'p'")
			t.Cleanup(func() { b.exec("DROP USER '" + other + "'") })
			b.exec(grant + " TO '" + other + "'")
			if got := asked(other, change); len(got) > 0 {
				t.Errorf("it asks for %v", got)
			}
		})
	}
}

// A leader of another user leaves connections that only a right of their own ends.
func TestPreflightAdvises(t *testing.T) {
	b := newBench(t)
	d := b.prepared()
	h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder(), Replica: "leader"})
	b.must(err)
	defer func() { b.must(h.Release(t.Context())) }()
	user := b.user("p", "ALL")
	missing, err := b.as(user, "p", "").Preflight(t.Context(), nil)
	b.must(err)
	if len(missing) != 1 || !missing[0].Advice || !strings.HasPrefix(missing[0].Grant, "GRANT CONNECTION ADMIN ON *.* TO '"+user+"'") {
		t.Errorf("missing: %v", missing)
	}
	if missing, err = d.Preflight(t.Context(), nil); err != nil || len(missing) > 0 {
		t.Errorf("root is missing %v, %v", missing, err)
	}
}
