package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// grants are the statements that schemagate asks for, as they stand at the ends of its last words' lines.
func grants(r *harness.Replica) (out []string) {
	for line := range strings.Lines(r.LastWords()) {
		for _, first := range []string{": GRANT ", ": ALTER TABLE "} {
			if i := strings.Index(line, first); i >= 0 {
				out = append(out, strings.TrimSpace(line[i+2:]))
			}
		}
	}
	return out
}

// What the role may not do is told before anything is changed, all at once, each with the GRANT; with these it goes through.
func TestPreflight(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2))
	role := newRole(t, s.URL, "login")
	poor := s.at(strings.Replace(s.URL, "postgres@", role+"@", 1))

	t.Log("an empty database")
	r := poor.Expect(78, "up")
	if got := strings.Join(grants(r), "; "); got != "GRANT CREATE ON SCHEMA public TO "+role {
		t.Errorf("it asks for %s in %s", got, r)
	}
	if got := s.Psql("select count(*) from pg_class where relname like 'schemagate%'"); got != "0" {
		t.Errorf("%s of our tables were made", got)
	}
	poor.with("SCHEMAGATE_SCHEMA=gate").Expect(78, "up").Says("GRANT CREATE ON DATABASE ", " TO "+role)

	t.Log("where another role made tables and schema")
	s.Up()
	owner := newRole(t, s.URL, "")
	s.Psql(`create table theirs (n int); alter table theirs owner to ` + owner)
	s.Psql(`create schema other; create table other."My Table" (n int); create table "select" (n int); create view v as select 1 as n; create index on tally (version)`)
	files := harness.Files{
		"0003_create.up.sql":  "create table mine (n int);\ncreate function f() returns int language sql as 'select 1';\n",
		"0004_other.up.sql":   "/* ; */ create table if not exists other.b (n int);\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY other.\"My Table\" (n);\n",
		"0005_alter.up.sql":   "alter table if exists only tally add note text;\nalter table not_there_yet add n int;\n",
		"0006_drop.up.sql":    "drop view if exists v, nowhere cascade;\ndrop table theirs;\n",
		"0007_write.up.sql":   "insert into \"select\" values (1);\nupdate \"select\" set n = 2;\ndelete from only \"select\";\n",
		"0008_schema.up.sql":  "create schema third;\ncreate table third.c (n int);\ncreate extension if not exists pg_trgm;\n",
		"0009_own.up.sql":     "create temp table tally (n int);\ninsert into tally values (1);\nalter table mine add m int;\ninsert into mine values (1);\n",
		"0010_another.up.sql": "set role " + role + ";\ninsert into other.\"My Table\" values (1);\n",
	}
	files["0004_other.up.sql"] = "-- schemagate: no-transaction\n" + files["0004_other.up.sql"]
	files["0005_alter.up.sql"] = strings.Replace(files["0005_alter.up.sql"], "alter table not_there_yet add n int;\n", "", 1)
	s.Write(files)
	run, mark := poor.marked()
	t.Log("its own tables first, among them the history, by which it knows what is pending")
	r = poor.Expect(78, run...)
	r.Says("privileges are missing, and nothing was changed")
	own := grants(r)
	if got := strings.Join(own, "; "); len(own) < 4 || !strings.Contains(got, "GRANT SELECT, INSERT ON public.schemagate_history TO "+role) {
		t.Errorf("it asks for %s", got)
	}
	for _, grant := range own {
		s.Psql(grant)
	}
	before := s.dump()
	r = poor.Expect(78, run...)
	r.Says("privileges are missing, and nothing was changed", `"My Table"`, "which postgres owns (0004_other.up.sql:3)", "create in schema public (0003_create.up.sql:1)")
	sameText(t, "the dump", s.dump(), before)
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	asked := grants(r)
	for _, want := range []string{"GRANT CREATE ON SCHEMA public TO ", "GRANT CREATE ON SCHEMA other TO ", "GRANT USAGE ON SCHEMA other TO ",
		`ALTER TABLE other."My Table" OWNER TO `, "ALTER TABLE tally OWNER TO ", "ALTER TABLE v OWNER TO ", `GRANT DELETE ON "select" TO `, "GRANT CREATE ON DATABASE ", "GRANT " + owner + " TO "} {
		if !strings.Contains(strings.Join(asked, "\n"), want) {
			t.Errorf("it does not ask for %q: %s", want, r)
		}
	}
	for _, grant := range asked {
		s.Psql(grant)
	}
	poor.Expect(0, run...)
	if got := s.applied(); got != "0001 0002 0003 0004 0005 0006 0007 0008 0009 0010" {
		t.Errorf("applied are %s", got)
	}

	t.Log("whose schema is complete needs none of it")
	s.Psql("revoke create on schema public from " + role)
	poor.Up()
	t.Log("another service, in tables that are there")
	poor.with("SCHEMAGATE_SERVICE=second").folder(harness.Files{"0001_x.up.sql": "select 1;\n"}).Up()
}

// What only makes a takeover slower is a warning: the sessions of a stopped leader belong to another role.
func TestPreflightAdvises(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_slow.up.sql": "create table made (n int);\nselect pg_sleep(3);\n"}).with("SCHEMAGATE_LEASE_TTL=1s")
	first, second := newRole(t, s.URL, "login"), newRole(t, s.URL, "login")
	s.Psql("grant create on schema public to " + first + ", " + second)
	as := func(role string) *stage { return s.at(strings.Replace(s.URL, "postgres@", role+"@", 1)) }
	leader := as(first).Start("up")
	leader.Await(`"msg":"applying"`)
	for _, table := range []string{"fence", "history", "lease", "replicas", "backfill"} {
		s.Psql("grant select, insert, update, delete on schemagate_" + table + " to " + second)
	}
	leader.Signal(syscall.SIGSTOP)
	next := as(second).Start("up")
	next.Await("GRANT pg_signal_backend TO " + second)
	leader.Signal(syscall.SIGCONT)
	harness.ExitAll(t, 0, leader, next)
	next.Says("end the sessions of a leader that another role (" + first + ") was")
	if got := s.applied(); got != "0001" {
		t.Errorf("applied %q", got)
	}
}
