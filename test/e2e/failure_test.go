package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// marked has `run` start an app that leaves a mark.
func (s *stage) marked() (args []string, mark string) {
	mark = filepath.Join(s.dir, ".started")
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
	s := newStage(t, numbered(2).and(files{
		"0001_tally.up.sql": patient + numbered(1)["0001_tally.up.sql"] + "create table customers (surname text);\n" + barrier,
		"0002_step.up.sql":  traceOf(2) + "\n-- a spelling mistake\nselect surname,\n       surnme\n  from customers;\n",
	}))
	run, mark := s.marked()
	open := s.closeBarrier()
	leader := s.with("SCHEMAGATE_REPLICA=the-leader").start(run...)
	s.atBarrier(1)
	followers := s.startMany(4, run...)
	for _, f := range followers {
		f.await(msg("waiting"))
	}
	open()
	exitAll(t, 70, append(followers, leader)...)
	const what = `apply 0002_step.up.sql:5: column "surnme" does not exist (Perhaps you meant to reference the column "customers.surname".) [42703]`
	if got := leader.lastWords(); got != what {
		t.Errorf("the leader says %q, want %q", got, what)
	}
	for _, f := range followers {
		if got := f.lastWords(); !strings.HasPrefix(got, what+" (as the leader the-leader recorded at ") {
			t.Errorf("a follower says %q, want %q and whose failure it is", got, what)
		}
	}
	if n := lines(mark); n != 0 {
		t.Errorf("the app was started %d times", n)
	}
	if got := s.events("failed"); got != "0002" {
		t.Errorf("%q is recorded as failed, want 0002 once", got)
	}
	if got := s.psql("select count(*) from tally where version = '0002'"); got != "0" {
		t.Errorf("the failed migration left %s rows", got)
	}

	t.Log("a new start tries again")
	s.expect(70, "up").says(what)
	if got := s.events("failed"); got != "0002 0002" {
		t.Errorf("%q is recorded as failed, want 0002 twice", got)
	}

	t.Log("the mended file goes through")
	s.write(files{"0002_step.up.sql": traceOf(2)})
	exitAll(t, 0, s.startMany(3, run...)...)
	s.appliedOnce(2)
	if n := lines(mark); n != 3 {
		t.Errorf("the app was started %d times, want 3", n)
	}
}

// What a replica of another release broke concerns nobody whose file is another one.
func TestFailureOfAnotherRelease(t *testing.T) {
	t.Parallel()
	good := numbered(2)
	s := newStage(t, good.and(files{"0001_tally.up.sql": patient + good["0001_tally.up.sql"] + barrier, "0002_step.up.sql": "select 1/0;\n"}))
	open := s.closeBarrier()
	broken := s.start("up")
	s.atBarrier(1)
	mended := s.folder(files{}.and(good).and(files{"0001_tally.up.sql": patient + good["0001_tally.up.sql"] + barrier})).start("up")
	mended.await(msg("waiting"))
	open()
	broken.exits(70)
	broken.says("0002_step.up.sql:1: division by zero [22012]")
	mended.exits(0)
	s.appliedOnce(2)
}

// The text of an error never carries rows.
func TestFailureShowsNoRow(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).and(files{
		"0002_unique.up.sql": "create table people (name text);\ninsert into people values ('Ada Topsecret'), ('Ada Topsecret');\ncreate unique index on people (name);\n",
	}))
	r := s.expect(70, "up")
	r.says("0002_unique.up.sql:3: could not create unique index", "[23505]")
	r.neverSays("Topsecret")
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"}} {
		shown := s.expect(0, args...)
		if strings.Contains(shown.out.text(), "Topsecret") || !strings.Contains(shown.out.text(), "could not create unique index") {
			t.Errorf("%v shows\n%s", args, shown.out.text())
		}
	}
}

// A statement timeout is the migration's own failure: it would run into it again.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).and(files{"0002_slow.up.sql": "select pg_sleep(3600);\n"})).with("SCHEMAGATE_STATEMENT_TIMEOUT=50ms")
	s.expect(70, "up").says("0002_slow.up.sql:1: ", "[57014]", "SCHEMAGATE_STATEMENT_TIMEOUT")
	s.with("SCHEMAGATE_STATEMENT_TIMEOUT=0").write(files{"0002_slow.up.sql": "select pg_sleep(0.1);\n"})
	s.with("SCHEMAGATE_STATEMENT_TIMEOUT=0").up()
}

// All or nothing: three pending migrations of which the last fails leave everything as it was.
func TestTransactionForTheRelease(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1)).with("SCHEMAGATE_TRANSACTION=release")
	s.up()
	before, history := s.dump(withoutOurRows), s.psql("select * from schemagate_history order by id")
	s.write(numbered(3).and(files{
		"0003_step.up.sql":  "create table more (n int);\nalter table tally add n int;\n" + traceOf(3),
		"0004_fails.up.sql": "create type colour as enum ('red');\nselect 1/0;\n",
	}))
	s.expect(70, "up").says("0004_fails.up.sql:2: division by zero [22012]")
	sameText(t, "the dump", s.dump(withoutOurRows), before)
	after := s.psql("select * from schemagate_history where kind <> 'failed' order by id")
	sameText(t, "the history", after, history)
	if got := s.events("failed"); got != "0004" {
		t.Errorf("%q is recorded as failed, want 0004", got)
	}

	s.remove("0004_fails.up.sql")
	s.up()
	s.appliedOnce(3)
	if n := s.psql("select count(distinct xmin::text) from tally where version > '0001'"); n != "1" {
		t.Errorf("0002 and 0003 came in %s transactions, want 1", n)
	}

	t.Log("what can't run in a transaction is refused before anything is applied")
	s.write(files{"0004_step.up.sql": traceOf(4), "0005_index.up.sql": "-- schemagate: no-transaction\ncreate index concurrently on tally (version);\n"})
	s.expect(78, "up").says("SCHEMAGATE_TRANSACTION=release: 0005_index.up.sql asks to run outside a transaction")
	s.appliedOnce(3)
	s.with("SCHEMAGATE_TRANSACTION=migration").up()
}

// BEFORE runs before the first pending migration, AFTER before the gate opens; neither where there is nothing to do. One that
// fails keeps the gate shut.
func TestBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(2))
	s = s.with("SCHEMAGATE_BEFORE=echo before: $(psql -XAtc \"select to_regclass('tally') is null\" \"$DATABASE_URL\")",
		"SCHEMAGATE_AFTER=echo after: $(psql -XAtc 'select count(*) from tally' \"$DATABASE_URL\")")
	replicas := s.startMany(3, "up")
	exitAll(t, 0, replicas...)
	for _, what := range []string{msg("before: t"), msg("after: 2")} {
		said := 0
		for _, r := range replicas {
			ran, _ := r.err.grep(what)
			said += len(ran)
		}
		if said != 1 {
			t.Errorf("%s was said %d times, want once", what, said)
		}
	}
	s.up().neverSays(msg("before"), msg("after"))
	if got := s.psql("select kind || ' ' || note from schemagate_history where kind = 'backup'"); got != "backup before: t" {
		t.Errorf("the history says %q of the backup", got)
	}

	s.write(files{"0003_step.up.sql": traceOf(3)})
	run, mark := s.marked()
	s.with("SCHEMAGATE_BEFORE=echo disk full >&2; exit 3").expect(70, run...).says("SCHEMAGATE_BEFORE", "disk full")
	s.appliedOnce(2)
	s.with("SCHEMAGATE_AFTER=echo not well; exit 4").expect(70, run...).says("SCHEMAGATE_AFTER", "not well")
	s.appliedOnce(3)
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	if got := s.status(); got.Gate != "closed" {
		t.Errorf("the gate is %s", got.Gate)
	}
	s.expect(0, run...).neverSays(msg("before"))
}
