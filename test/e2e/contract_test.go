package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/test/harness"
)

// Two releases of one app: the second adds a column, and drops the old one once nobody needs it.
var (
	beforeDrop = harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int, y int);"}
	withDrop   = beforeDrop.And(harness.Files{"0002_z.up.sql": "ALTER TABLE a ADD COLUMN z int;",
		"0003_drop.up.sql": "-- schemagate: phase=contract after=0002\nALTER TABLE a DROP COLUMN x;"})
)

// A contract migration comes by itself when the last replica of an older release has ended, and not before.
func TestAContractWaitsForTheLastOlderReplica(t *testing.T) {
	for how, sig := range map[string]syscall.Signal{"that says goodbye": syscall.SIGTERM, "that is killed": syscall.SIGKILL} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			old := newStage(t, beforeDrop)
			addr := harness.FreePort(t)
			serves := old.with("SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_REPLICA=older", "SCHEMAGATE_HTTP_ADDR="+addr).Start("sidecar")
			serves.Await(harness.Msg("gate open"))
			next := old.folder(withDrop).with("SCHEMAGATE_RELEASE=v2", "SCHEMAGATE_REPLICA=newer")
			newer := next.Start("sidecar")
			newer.Await(`"waits_for":"older of release v1`)
			if out := next.Expect(0, "status").Out.Text(); !strings.Contains(out, "older of release v1") || !strings.Contains(out, "REPLICA") {
				t.Errorf("status says\n%s", out)
			}
			if got := next.applied(); got != "0001 0002" {
				t.Fatalf("applied %q while an older replica lives", got)
			}
			answers(t, addr, map[string]int{"/readyz": 200}) // one that is merely older stays open
			serves.Signal(sig)
			newer.Await(`"msg":"applied","service":"default","replica":"newer","release":"v2","migration":"0003_drop"`)
			old.with("SCHEMAGATE_RELEASE=v1").Expect(65, "up").Says("deploy a release that has 0002")
			newer.Signal(syscall.SIGTERM)
			newer.Exits(143)
		})
	}
}

// Of init-only replicas nobody knows whether their apps live: the operator decides.
func TestAContractIsTheOperatorsWhereAnOlderReleaseRanAsInitContainers(t *testing.T) {
	t.Parallel()
	old := newStage(t, beforeDrop).with("SCHEMAGATE_RELEASE=v1")
	old.Up()
	next := old.folder(withDrop).with("SCHEMAGATE_RELEASE=v2")
	newer := next.Start("sidecar")
	newer.Await(`"waits_for":"init-only replicas of release v1 (unknown whether their apps live`)
	if out := next.Expect(0, "plan").Out.Text(); !strings.Contains(out, "it waits for init-only replicas of release v1") {
		t.Errorf("plan says\n%s", out)
	}
	next.Expect(0, "up", "--contract")
	if got := next.applied(); got != "0001 0002 0003" {
		t.Errorf("applied %q", got)
	}
	newer.Signal(syscall.SIGTERM)
	newer.Exits(143)
}

// With SCHEMAGATE_INIT_REPLICAS=stopped a deployment says that it stops the old apps first.
func TestInitReplicasMayBeTakenForStopped(t *testing.T) {
	t.Parallel()
	old := newStage(t, beforeDrop)
	old.Up()
	next := old.folder(withDrop).with("SCHEMAGATE_INIT_REPLICAS=stopped")
	newer := next.Start("sidecar")
	newer.Await(harness.Msg("recorded"))
	harness.Until(t, "the contract is in force", func() bool { return next.applied() == "0001 0002 0003" })
	newer.Signal(syscall.SIGTERM)
	newer.Exits(143)
}

// Rolling back what a live replica needs takes force.
func TestDownRefusesWhatALiveReplicaNeeds(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int);", "0001_a.down.sql": "DROP TABLE a;"})
	serves := s.with("SCHEMAGATE_REPLICA=living").Start("sidecar")
	serves.Await(harness.Msg("gate open"))
	s.Expect(65, "down").Says("living", "--force")
	if got := s.applied(); got != "0001" {
		t.Errorf("in force: %q", got)
	}
	s.Expect(0, "down", "--force")
	serves.Await(harness.Msg("gate closed"))
	serves.Signal(syscall.SIGTERM)
	serves.Exits(143)
	s.with("SCHEMAGATE_REPLICA=another").Expect(65, "up").Says("on hold")
}

// What a contract takes away must not be needed any more: the rows left of the backfill before it are counted again once
// nobody can write.
func TestAContractCountsWhatIsLeftUnderItsOwnLock(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{
		"0001_people.up.sql": "CREATE TABLE people (id bigint PRIMARY KEY, name text, full_name text);\nINSERT INTO people SELECT i, 'n' FROM generate_series(1, 50) i;",
		"0002_fill.up.sql": "-- schemagate: backfill table=people key=id where='full_name IS NULL AND name IS NOT NULL'\n" +
			"UPDATE people SET full_name = name WHERE :batch;",
		"0003_drop.up.sql": "-- schemagate: phase=contract\nALTER TABLE people DROP COLUMN name;",
	}).with("SCHEMAGATE_LOCK_TIMEOUT=1m")
	s.Up()
	s.Psql("INSERT INTO people VALUES (51, 'late')")
	s.Expect(65, "up", "--contract").Says("0002_fill.up.sql:1: 1 rows are left again")
	s.Psql("DELETE FROM people WHERE id = 51")

	// A writer that has not committed is seen by nobody who counts without a lock.
	writer, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close(t.Context()) }() // the commit below has ended its work
	tx, err := writer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "INSERT INTO people VALUES (52, 'later')"); err != nil {
		t.Fatal(err)
	}
	contract := s.Start("up", "--contract")
	harness.Until(t, "the contract waits for the table", func() bool {
		return s.Psql("select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'") == "1"
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	contract.Exits(65)
	contract.Says("1 rows are left again")
	if got := s.Psql("select coalesce(string_agg(version, ' ' order by id), '') from schemagate_history where kind = 'floor'"); got != "0003  0003 " {
		t.Errorf("floors %q: it is to be lowered again", got)
	}
	s.Psql("UPDATE people SET full_name = name WHERE id = 52")
	s.Expect(0, "up", "--contract")
	if got := s.applied(); got != "0001 0002 0003" {
		t.Errorf("applied %q", got)
	}
}

// A contract that fails concerns nobody's gate, and leaves no floor behind.
func TestAContractThatFailsShutsNobodyOut(t *testing.T) {
	t.Parallel()
	old := newStage(t, beforeDrop)
	next := old.folder(beforeDrop.And(harness.Files{"0002_drop.up.sql": "-- schemagate: phase=contract\nALTER TABLE a DROP COLUMN x;\nSELECT 1/0;"}))
	newer := next.Start("sidecar")
	newer.Await(harness.Msg("contract\",\"")) // what came of it
	newer.Await("division by zero")
	next.Up()
	old.Up() // the floor is lowered again
	if got := next.Psql("select count(*) from schemagate_history where kind = 'failed'"); got != "1" {
		t.Errorf("%s failures on record: it is not to be tried again at once", got)
	}
	newer.Signal(syscall.SIGTERM)
	newer.Exits(143)
}
