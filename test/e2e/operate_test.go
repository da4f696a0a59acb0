package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
)

// statusJSON is what `status --json` has of interest here.
type statusJSON struct {
	Service, Database, Gate, Reason, Digest, Leader, Misfit string
	Term                                                    int
	LeaderAlive                                             bool   `json:"leader_alive"`
	LastError                                               string `json:"last_error"`
	Applied, Pending, Ahead                                 []string
	Migrations                                              []struct {
		Version, Name, State, Release string
		AppliedAt                     *time.Time `json:"applied_at"`
	}
}

func (s *stage) status() (out statusJSON) {
	s.T.Helper()
	s.Expect(0, "status", "--json").JSON(&out)
	return out
}

// What status, history and plan tell at each stage, and that they change nothing.
func TestAskingChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2)).with("SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_REPLICA=r1")
	unchanged := func() {
		t.Helper()
		before := s.dump()
		for _, args := range [][]string{{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"}, {"plan"}, {"plan", "--json"}, {"validate"}, {"validate", "--database"}} {
			s.Expect(0, args...)
		}
		sameText(t, "the dump", s.dump(), before)
	}

	t.Log("on an empty database")
	unchanged()
	if got := s.status(); got.Gate != "closed" || got.Reason == "" || len(got.Applied) != 0 || strings.Join(got.Pending, " ") != "0001 0002" || got.Database != "PostgreSQL" {
		t.Errorf("the status is %+v", got)
	}
	var plan struct {
		Pending  []string
		Warnings []string
		Misfit   string
		Steps    []struct {
			Kind       string
			Migrations []struct {
				Version, Name, File string
				Transaction         bool
				Statements          []string
			}
		}
	}
	s.Expect(0, "plan", "--json").JSON(&plan)
	if len(plan.Steps) != 2 || plan.Steps[0].Migrations[0].File != "0001_tally.up.sql" || !plan.Steps[0].Migrations[0].Transaction ||
		strings.Join(plan.Steps[0].Migrations[0].Statements, ";") != "create table tally (version text);insert into tally values ('0001')" {
		t.Errorf("the plan is %+v", plan)
	}
	if out := s.Expect(0, "history", "--json").Out.Text(); strings.TrimSpace(out) != "[]" {
		t.Errorf("the history is %s", out)
	}

	t.Log("with something applied and something pending")
	s.Up()
	s.Write(harness.Files{"0003_index.up.sql": "-- schemagate: no-transaction\ncreate index concurrently tally_version on tally (version);\n"})
	unchanged()
	if out := s.Expect(0, "plan").Out.Text(); !strings.Contains(out, "-- 0003_index.up.sql (each statement by itself)") || !strings.Contains(out, "create index concurrently tally_version on tally (version);") ||
		!strings.Contains(out, "-- 2 applied, 1 pending") || strings.Contains(out, "0001") {
		t.Errorf("the plan is\n%s", out)
	}

	t.Log("while somebody leads")
	s.Write(harness.Files{"0004_step.up.sql": patient + traceOf(4) + barrier})
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_RELEASE=v2", "SCHEMAGATE_REPLICA=r2").Start("up")
	s.atBarrier(1)
	if got := s.status(); got.Leader != "r2" || !got.LeaderAlive || got.Term != 2 || strings.Join(got.Applied, " ") != "0001 0002 0003" || got.Gate != "closed" {
		t.Errorf("the status is %+v", got)
	}
	open()
	leader.Exits(0)
	got := s.status()
	if got.Gate != "open" || got.Reason != "" || got.Leader != "" || got.LeaderAlive || len(got.Pending) != 0 || got.Term != 2 || len(got.Migrations) != 4 ||
		got.Migrations[0].Release != "v1" || got.Migrations[3].Release != "v2" || got.Migrations[3].State != "applied" || got.Migrations[3].AppliedAt == nil {
		t.Errorf("the status is %+v", got)
	}

	t.Log("the history of it all")
	var history []struct {
		Kind, Result, Version, Name, Release, Replica, Checksum, Digest, Holder string
		Term                                                                    int
		At                                                                      time.Time
		Duration                                                                float64 `json:"duration_ms"`
	}
	s.Expect(0, "history", "--json").JSON(&history)
	var events []string
	for _, e := range history {
		events = append(events, strings.TrimSpace(e.Result+" "+e.Version))
		if e.Kind != e.Result || e.Term < 1 || len(e.Holder) != 32 || e.At.IsZero() || e.Replica != map[int]string{1: "r1", 2: "r2"}[e.Term] ||
			e.Release != map[int]string{1: "v1", 2: "v2"}[e.Term] || e.Result == "applied" && (len(e.Checksum) != 64 || e.Duration <= 0) {
			t.Errorf("an event is %+v", e)
		}
	}
	if got, want := strings.Join(events, ", "), "applied 0001, applied 0002, complete, running 0003, applied 0003, applied 0004, complete"; got != want {
		t.Errorf("the history is %s, want %s", got, want)
	}
	out := s.Expect(0, "history").Out.Text()
	for _, want := range []string{"applied", "0003_index", "v2", "r2", "complete"} {
		if !strings.Contains(out, want) {
			t.Errorf("history does not show %q:\n%s", want, out)
		}
	}
}

// Rolling back goes by the history's own down scripts, newest first, and leaves a hold.
func TestDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(6))
	s.Up()
	traces := func(want string) {
		t.Helper()
		if got := s.Psql("select string_agg(version, ' ' order by version) from tally"); got != want {
			t.Errorf("what is left is %q, want %q", got, want)
		}
	}

	t.Log("one, two, down to a version")
	s.Expect(0, "down").Says(harness.Msg("rolled back"), "0006_step")
	traces("0001 0002 0003 0004 0005")
	s.Expect(0, "down", "2")
	traces("0001 0002 0003")
	s.Expect(0, "down", "--to", "2")
	traces("0001 0002")
	if got := s.events("rolled back"); got != "0006 0005 0004 0003" {
		t.Errorf("rolled back %q", got)
	}

	t.Log("what was rolled back is not applied again by a restart")
	run, mark := s.marked()
	r := s.Expect(65, run...)
	r.Says("0003_step.up.sql: on hold since it was rolled back", "0006_step.up.sql: on hold", "schemagate up --again")
	s.Expect(65, "up")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	traces("0001 0002")

	t.Log("a release without them starts")
	s.folder(numbered(2)).Up()

	t.Log("a mended file is another migration")
	mended := s.folder(numbered(3).And(harness.Files{"0003_step.up.sql": "-- mended\n" + traceOf(3)}))
	mended.Up()
	traces("0001 0002 0003")
	mended.Expect(0, "down")

	t.Log("up --again")
	s.Expect(0, "up", "--again")
	traces("0001 0002 0003 0004 0005 0006")
	s.Up()

	t.Log("the down scripts are the history's: an image that never had the files can roll back")
	s.folder(numbered(1)).Expect(0, "down", "--to", "0001")
	traces("0001")
	s.Expect(0, "down", "--to", "0")
	if got := s.Psql("select to_regclass('tally') is null"); got != "t" {
		t.Error("the table is still there")
	}
	s.Expect(0, "down") // nothing is left to roll back
	s.Expect(0, "up", "--again")
	traces("0001 0002 0003 0004 0005 0006")
}

// What can't be rolled back is refused before the first step; what fails in the middle leaves the rest in force.
func TestDownThatCannotBe(t *testing.T) {
	t.Parallel()
	f := numbered(4)
	delete(f, "0002_step.down.sql")
	s := newStage(t, f)
	s.Up()
	s.Expect(65, "down", "3").Says("0002_step has no way back: its release shipped no down script, or one without a statement, so nothing was rolled back")
	s.Expect(65, "down", "--to", "9").Says("--to 9: the history has no such version in force")
	s.appliedOnce(4)
	if got := s.events("rolled back"); got != "" {
		t.Errorf("rolled back %q", got)
	}

	s = newStage(t, numbered(3).And(harness.Files{"0002_step.down.sql": "select 1/0;\n"}))
	s.Up()
	s.Expect(70, "down", "2").Says("0002_step (down, from the history):1: division by zero [22012]")
	if got := s.events("rolled back"); got != "0003" {
		t.Errorf("rolled back %q, want 0003", got)
	}
}

// Whoever rolls back waits for whoever migrates, and nothing is done between two of them.
func TestDownWaitsForTheLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(3, 3))
	open := s.closeBarrier()
	leader := s.Start("up")
	s.atBarrier(1)
	down := s.Start("down")
	down.Await(harness.Msg("waiting"))
	open()
	harness.ExitAll(t, 0, leader, down)
	if got := s.events("applied") + ", " + s.events("rolled back"); got != "0001 0002 0003, 0003" {
		t.Errorf("applied and rolled back %q", got)
	}
}

// validate reads the set, and with --database compares it.
func TestValidate(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2))
	if out := s.at("").Expect(0, "validate").Out.Text(); !strings.HasPrefix(out, "2 migrations (native), digest ") {
		t.Errorf("validate prints %q", out)
	}
	s.Up()
	s.Write(harness.Files{"0003_step.up.sql": traceOf(3)})
	if out := s.Expect(0, "validate", "--database").Out.Text(); !strings.Contains(out, "3 migrations fit the database: 2 applied, 1 pending") {
		t.Errorf("validate --database prints %q", out)
	}
	s.Write(harness.Files{"0004_x.up.sql": "commit;\n"})
	s.at("").Expect(65, "validate").Says("0004_x.up.sql:1: COMMIT in a migration")
	s.at("").Expect(78, "validate", "--database").Says("SCHEMAGATE_DATABASE_URL")
}

// new writes files that are to be filled in, and never over others.
func TestNew(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	written := strings.Fields(s.at("").Expect(0, "new", "Add e-mail, to Customers!").Out.Text())
	if len(written) != 2 {
		t.Fatalf("it wrote %v", written)
	}
	for _, path := range written {
		if !strings.Contains(path, "_add_e_mail_to_customers.") || filepath.Dir(path) != s.Dir {
			t.Errorf("it wrote %s", path)
		}
	}
	s.Expect(65, "up").Says("_add_e_mail_to_customers.up.sql: is as schemagate new wrote it", "_add_e_mail_to_customers.down.sql: is as schemagate new wrote it")
	for _, path := range written {
		if err := os.WriteFile(path, []byte("select 1;\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.Up()
	fresh := s.at("").with("SCHEMAGATE_MIGRATIONS=" + filepath.Join(s.Dir, ".new", "folder"))
	fresh.Expect(0, "new", "first")
	if found, _ := filepath.Glob(filepath.Join(s.Dir, ".new", "folder", "*_first.up.sql")); len(found) != 1 {
		t.Errorf("it made %v", found)
	}
}
