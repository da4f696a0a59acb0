package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// A bad release is rolled back by the image before it, which has never heard of its migrations, and serves again; the bad one does
// not come back by itself.
func TestABadReleaseIsRolledBackByThePreviousImage(t *testing.T) {
	t.Parallel()
	v1 := harness.Files{
		"0001_a.up.sql": "CREATE TABLE a (id int PRIMARY KEY, name varchar(50));\n", "0001_a.down.sql": "DROP TABLE a;\n",
		"0002_seed.up.sql": "INSERT INTO a VALUES (1, 'one');\n", "0002_seed.down.sql": "DELETE FROM a;\n",
	}
	v2 := v1.And(harness.Files{
		"0003_split.up.sql": "ALTER TABLE a ADD COLUMN first varchar(50);\nUPDATE a SET first = name;\n", "0003_split.down.sql": "ALTER TABLE a DROP COLUMN first;\n",
		"0004_b.up.sql": "CREATE TABLE b (n int);\n", "0004_b.down.sql": "DROP TABLE b;\n",
	})
	maria := onMaria(t, nil)
	for name, c := range map[string]struct {
		*stage
		sql func(string) string
	}{
		"PostgreSQL": {newStage(t, nil), nil},
		"MariaDB":    {maria.stage, maria.sql},
	} {
		if c.sql == nil {
			c.sql = c.Psql
		}
		t.Run(name, func(t *testing.T) {
			before := c.folder(v1).with("SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_LEASE_TTL=2s")
			bad := c.folder(v2).with("SCHEMAGATE_RELEASE=v2", "SCHEMAGATE_LEASE_TTL=2s")
			before.Up()
			app, mark := bad.marked()
			app = append(app[:len(app)-1], app[len(app)-1]+"; exec sleep 1000")
			serves := bad.Start(app...)
			serves.Await(harness.Msg("gate open"))
			harness.Until(t, "the app runs", func() bool { return lines(mark) == 1 })
			c.sql("INSERT INTO a VALUES (2, 'two', 'two')")
			if name == "PostgreSQL" { // a registered replica needs it
				before.Expect(65, "down", "--to-release", "v1").Says("--force")
			}
			serves.Signal(syscall.SIGTERM)
			serves.Exits(143)

			before.Expect(65, "down", "--to-release", "v0").Says("--to-release v0: by the history it has never completed; the latest that have are v2, v1")
			before.Expect(64, "down", "1", "--to-release", "v1").Says("not both")
			before.Expect(0, "down", "--to-release", "v1").Says("0004_b", "0003_split")
			if got := c.sql("SELECT count(*) FROM a"); got != "2" {
				t.Errorf("%s rows are left of two", got)
			}
			before.Up()
			bad.Expect(65, "up").Says("0003_split.up.sql: on hold since it was rolled back", "0004_b.up.sql: on hold")
			var events []struct{ Kind, Version, Release string }
			before.Expect(0, "history", "--json", "--kind", "rolled back,hold").JSON(&events)
			var told []string
			for _, e := range events {
				told = append(told, e.Kind+" "+e.Version+" by "+e.Release)
			}
			if got := strings.Join(told, ", "); got != "rolled back 0004 by v1, hold 0004 by v1, rolled back 0003 by v1, hold 0003 by v1" {
				t.Errorf("the history says %s", got)
			}
			before.Expect(0, "down", "--to-release", "v1") // nothing is left to do
			c.folder(v2.And(harness.Files{"0003_split.up.sql": "ALTER TABLE a ADD COLUMN first varchar(60);\n", "0004_b.up.sql": "CREATE TABLE b (n bigint);\n"})).
				with("SCHEMAGATE_RELEASE=v3").Up()
		})
	}
}
