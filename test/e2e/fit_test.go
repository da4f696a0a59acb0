package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// A file that was changed after it was applied keeps the gate shut, and the message says what to do.
func TestChangedAfterItWasApplied(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(3))
	s.Up()
	original := numbered(3)["0002_step.up.sql"]
	s.Write(harness.Files{"0002_step.up.sql": "-- tidied up\n" + original})
	before := s.dump()
	run, mark := s.marked()
	for _, args := range [][]string{run, {"up"}, {"wait"}, {"validate", "--database"}, {"plan"}} {
		s.Expect(65, args...).Says("0002_step.up.sql: changed after it was applied on ",
			"restore the file as it was and write a new migration", "schemagate down --to")
	}
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	sameText(t, "the dump", s.dump(), before)

	t.Log("a newer migration beside it changes nothing about that")
	s.Write(harness.Files{"0004_step.up.sql": traceOf(4)})
	s.Expect(65, "up")
	s.appliedOnce(3)

	t.Log("line ends and a BOM are no change")
	s.Write(harness.Files{"0002_step.up.sql": "\ufeff" + strings.ReplaceAll(original, "\n", "\r\n")})
	s.Up()
	s.appliedOnce(4)
}

// An older image meets the schema of a newer release: it starts, and leaves it alone.
func TestOlderReleaseStarts(t *testing.T) {
	t.Parallel()
	newer := newStage(t, numbered(4)).with("SCHEMAGATE_RELEASE=2")
	newer.Up()
	older := newer.folder(numbered(2)).with("SCHEMAGATE_RELEASE=1")
	run, mark := older.marked()
	harness.ExitAll(t, 0, older.StartMany(3, run...)...)
	if n := lines(mark); n != 3 {
		t.Errorf("%d apps were started, want 3", n)
	}
	newer.appliedOnce(4)

	var status struct {
		Gate           string
		Applied, Ahead []string
	}
	older.Expect(0, "status", "--json").JSON(&status)
	if status.Gate != "open" || len(status.Applied) != 2 || strings.Join(status.Ahead, " ") != "0003 0004" {
		t.Errorf("the older release's status is %+v", status)
	}
	if out := older.Expect(0, "status").Out.Text(); !strings.Contains(out, "0003 0004 (a newer release was here)") {
		t.Errorf("status shows\n%s", out)
	}
	newer.Up()
}

// A migration that came in late is applied, with a warning.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	f := numbered(4)
	late := f["0003_step.up.sql"]
	delete(f, "0003_step.up.sql")
	delete(f, "0003_step.down.sql")
	s := newStage(t, f)
	s.Up()
	s.Write(harness.Files{"0003_step.up.sql": late})
	r := s.Up()
	r.Says(`"level":"warn"`, "0003_step.up.sql is out of order: 0004 is in force already; it is applied now")
	if got := s.applied(); got != "0001 0002 0004 0003" {
		t.Errorf("applied %q", got)
	}
	s.Up().NeverSays("out of order")
}

// A migration that would break older releases never gates: it is left for later and said to be. On the operator's word it is
// applied, though not past a live replica of an older release without force; and then older releases no longer serve.
func TestContract(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2).And(harness.Files{
		"0003_step.up.sql": "-- schemagate: phase=contract\n" + traceOf(3),
		"0004_step.up.sql": traceOf(4),
	}))
	harness.ExitAll(t, 0, s.StartMany(3, "up")...)
	if got := s.applied(); got != "0001 0002 0004" {
		t.Errorf("applied %q", got)
	}
	if out := s.Expect(0, "plan").Out.Text(); !strings.Contains(out, "0003_step does not gate this release; it waits for ") {
		t.Errorf("plan shows\n%s", out)
	}
	s.Up()
	older := s.folder(numbered(2))
	addr := harness.FreePort(t)
	serves := older.with("SCHEMAGATE_HTTP_ADDR=" + addr).Start("sidecar")
	serves.Await(harness.Msg("gate open"))
	awaitCode(t, addr, "/readyz", 200)

	s.Expect(65, "up", "--contract").Says("0003 waits for ", "(open)")
	awaitCode(t, addr, "/readyz", 200)
	if got := s.applied(); got != "0001 0002 0004" {
		t.Errorf("applied %q", got)
	}
	s.Expect(0, "up", "--contract", "--force")
	if got := s.applied(); got != "0001 0002 0004 0003" {
		t.Errorf("applied %q", got)
	}
	run, mark := older.marked()
	older.Expect(65, run...).Says("this release's set ends at 0002, and the schema has left everything before 0003 behind")
	older.Expect(65, "wait")
	if lines(mark) != 0 {
		t.Error("the older app was started")
	}
	serves.Await(harness.Msg("gate closed"))
	awaitCode(t, addr, "/readyz", 503)
	s.Up()
	s.Expect(0, "up", "--contract")
	if got := s.applied(); got != "0001 0002 0004 0003" {
		t.Errorf("applied %q", got)
	}
	serves.Signal(syscall.SIGTERM)
	serves.Exits(143)
}

// Services that share a database, and a schema, share nothing else.
func TestServicesAreSeparate(t *testing.T) {
	t.Parallel()
	shop := newStage(t, harness.Files{"0001_a.up.sql": "create table shop_a (n int);\n", "0001_a.down.sql": "drop table shop_a;\n"}).with("SCHEMAGATE_SERVICE=shop")
	blog := shop.folder(harness.Files{"0001_a.up.sql": "create table blog_a (n int);\n", "0001_a.down.sql": "drop table blog_a;\n"}).with("SCHEMAGATE_SERVICE=blog")
	harness.ExitAll(t, 0, shop.Start("up"), blog.Start("up"))
	shop.Expect(0, "down")
	if got := shop.Psql("select string_agg(relname, ' ') from pg_class where relname in ('shop_a', 'blog_a')"); got != "blog_a" {
		t.Errorf("the tables are %q, want blog_a", got)
	}
	blog.Up()
	shop.Expect(65, "up").Says("on hold")
}

// Our tables live where SCHEMAGATE_SCHEMA says; a second set of them is an error.
func TestSchemaOfOurTables(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2)).with("SCHEMAGATE_SCHEMA=deploys")
	harness.ExitAll(t, 0, s.StartMany(3, "up")...)
	if got := s.Psql("select distinct nspname from pg_class c join pg_namespace n on n.oid = relnamespace where relname like 'schemagate_%'"); got != "deploys" {
		t.Errorf("our tables are in %q", got)
	}
	if got := s.Psql("select count(*) from deploys.schemagate_history where kind = 'applied'"); got != "2" {
		t.Errorf("%s applied events, want 2", got)
	}
	s.Expect(0, "status")
	s.Psql("create schema other; create table other.schemagate_fence (service text)")
	s.at(s.URL+"&search_path=deploys,other").with("SCHEMAGATE_SCHEMA=").Expect(78, "up").Says("schemagate's tables lie in two visible schemas", "SCHEMAGATE_SCHEMA")
}
