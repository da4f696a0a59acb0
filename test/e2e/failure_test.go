package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// marked has `run` start an app that leaves a mark.
func (s *stage) marked() (args []string, mark string) {
	mark = filepath.Join(s.Dir, ".started")
	return []string{"run", "--", "sh", "-c", "echo started >> " + mark}, mark
}

func lines(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

// A migration that fails is everybody's failure, with the same words, and no app is started.
func TestFailingMigration(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2).And(harness.Files{
		"0001_tally.up.sql": patient + numbered(1)["0001_tally.up.sql"] + "create table customers (surname text);\n" + barrier,
		"0002_step.up.sql":  traceOf(2) + "\n-- a spelling mistake\nselect surname,\n       surnme\n  from customers;\n",
	}))
	run, mark := s.marked()
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=the-leader").Start(run...)
	s.atBarrier(1)
	followers := s.StartMany(4, run...)
	for _, f := range followers {
		f.Await(harness.Msg("waiting"))
	}
	open()
	harness.ExitAll(t, 70, append(followers, leader)...)
	const what = `apply 0002_step.up.sql:5: column "surnme" does not exist (Perhaps you meant to reference the column "customers.surname".) [42703]`
	if got := leader.LastWords(); got != what {
		t.Errorf("the leader says %q, want %q", got, what)
	}
	for _, f := range followers {
		if got := f.LastWords(); !strings.HasPrefix(got, what+" (as the leader the-leader recorded at ") {
			t.Errorf("a follower says %q, want %q and whose failure it is", got, what)
		}
	}
	if n := lines(mark); n != 0 {
		t.Errorf("the app was started %d times", n)
	}
	if got := s.events("failed"); got != "0002" {
		t.Errorf("%q is recorded as failed, want 0002 once", got)
	}
	if got := s.Psql("select count(*) from tally where version = '0002'"); got != "0" {
		t.Errorf("the failed migration left %s rows", got)
	}

	t.Log("a new start tries again")
	s.Expect(70, "up").Says(what)
	if got := s.events("failed"); got != "0002 0002" {
		t.Errorf("%q is recorded as failed, want 0002 twice", got)
	}

	t.Log("the mended file goes through")
	s.Write(harness.Files{"0002_step.up.sql": traceOf(2)})
	harness.ExitAll(t, 0, s.StartMany(3, run...)...)
	s.appliedOnce(2)
	if n := lines(mark); n != 3 {
		t.Errorf("the app was started %d times, want 3", n)
	}
}

// What a replica of another release broke concerns nobody whose file is another one.
func TestFailureOfAnotherRelease(t *testing.T) {
	t.Parallel()
	good := numbered(2)
	s := newStage(t, good.And(harness.Files{"0001_tally.up.sql": patient + good["0001_tally.up.sql"] + barrier, "0002_step.up.sql": "select 1/0;\n"}))
	open := s.closeBarrier()
	broken := s.Start("up")
	s.atBarrier(1)
	mended := s.folder(harness.Files{}.And(good).And(harness.Files{"0001_tally.up.sql": patient + good["0001_tally.up.sql"] + barrier})).Start("up")
	mended.Await(harness.Msg("waiting"))
	open()
	broken.Exits(70)
	broken.Says("0002_step.up.sql:1: division by zero [22012]")
	mended.Exits(0)
	s.appliedOnce(2)
}

// The text of an error never carries rows.
func TestFailureShowsNoRow(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).And(harness.Files{
		"0002_unique.up.sql": "create table people (name text);\ninsert into people values ('Ada Topsecret'), ('Ada Topsecret');\ncreate unique index on people (name);\n",
	}))
	r := s.Expect(70, "up")
	r.Says("0002_unique.up.sql:3: could not create unique index", "[23505]")
	r.NeverSays("Topsecret")
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"}} {
		shown := s.Expect(0, args...)
		if strings.Contains(shown.Out.Text(), "Topsecret") || !strings.Contains(shown.Out.Text(), "could not create unique index") {
			t.Errorf("%v shows\n%s", args, shown.Out.Text())
		}
	}
}

// A statement timeout is the migration's own failure: it would run into it again.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).And(harness.Files{"0002_slow.up.sql": "select pg_sleep(3600);\n"})).with("SCHEMAGATE_STATEMENT_TIMEOUT=50ms")
	s.Expect(70, "up").Says("0002_slow.up.sql:1: ", "[57014]", "SCHEMAGATE_STATEMENT_TIMEOUT")
	s.with("SCHEMAGATE_STATEMENT_TIMEOUT=0").Write(harness.Files{"0002_slow.up.sql": "select pg_sleep(0.1);\n"})
	s.with("SCHEMAGATE_STATEMENT_TIMEOUT=0").Up()
}

// All or nothing: three pending migrations of which the last fails leave everything as it was.
func TestTransactionForTheRelease(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1)).with("SCHEMAGATE_TRANSACTION=release")
	s.Up()
	before, history := s.dump(withoutOurRows), s.Psql("select * from schemagate_history order by id")
	s.Write(numbered(3).And(harness.Files{
		"0003_step.up.sql":  "create table more (n int);\nalter table tally add n int;\n" + traceOf(3),
		"0004_fails.up.sql": "create type colour as enum ('red');\nselect 1/0;\n",
	}))
	s.Expect(70, "up").Says("0004_fails.up.sql:2: division by zero [22012]")
	sameText(t, "the dump", s.dump(withoutOurRows), before)
	after := s.Psql("select * from schemagate_history where kind <> 'failed' order by id")
	sameText(t, "the history", after, history)
	if got := s.events("failed"); got != "0004" {
		t.Errorf("%q is recorded as failed, want 0004", got)
	}

	s.Remove("0004_fails.up.sql")
	s.Up()
	s.appliedOnce(3)
	if n := s.Psql("select count(distinct xmin::text) from tally where version > '0001'"); n != "1" {
		t.Errorf("0002 and 0003 came in %s transactions, want 1", n)
	}

	t.Log("what can't run in a transaction is refused before anything is applied")
	s.Write(harness.Files{"0004_step.up.sql": traceOf(4), "0005_index.up.sql": "-- schemagate: no-transaction\ncreate index concurrently on tally (version);\n"})
	s.Expect(78, "up").Says("SCHEMAGATE_TRANSACTION=release: 0005_index.up.sql asks to run outside a transaction")
	s.appliedOnce(3)
	s.with("SCHEMAGATE_TRANSACTION=migration").Up()
}

// BEFORE runs before the first pending migration, AFTER before the gate opens; neither where there is nothing to do. One that
// fails keeps the gate shut.
func TestBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2))
	s = s.with("SCHEMAGATE_BEFORE=echo before: $(psql -XAtc \"select to_regclass('tally') is null\" \"$DATABASE_URL\")",
		"SCHEMAGATE_AFTER=echo after: $(psql -XAtc 'select count(*) from tally' \"$DATABASE_URL\")")
	replicas := s.StartMany(3, "up")
	harness.ExitAll(t, 0, replicas...)
	for _, what := range []string{harness.Msg("before: t"), harness.Msg("after: 2")} {
		said := 0
		for _, r := range replicas {
			ran, _ := r.Err.Grep(what)
			said += len(ran)
		}
		if said != 1 {
			t.Errorf("%s was said %d times, want once", what, said)
		}
	}
	s.Up().NeverSays(harness.Msg("before"), harness.Msg("after"))
	if got := s.Psql("select kind || ' ' || note from schemagate_history where kind = 'backup'"); got != "backup before: t" {
		t.Errorf("the history says %q of the backup", got)
	}

	s.Write(harness.Files{"0003_step.up.sql": traceOf(3)})
	run, mark := s.marked()
	s.with("SCHEMAGATE_BEFORE=echo disk full >&2; exit 3").Expect(70, run...).Says("SCHEMAGATE_BEFORE", "disk full")
	s.appliedOnce(2)
	s.with("SCHEMAGATE_AFTER=echo not well; exit 4").Expect(70, run...).Says("SCHEMAGATE_AFTER", "not well")
	s.appliedOnce(3)
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	if got := s.status(); got.Gate != "closed" {
		t.Errorf("the gate is %s", got.Gate)
	}
	s.Expect(0, run...).NeverSays(harness.Msg("before"))
}
