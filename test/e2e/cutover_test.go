package e2e

import (
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// serving is an app that runs until it is told to stop; each start leaves a line in the file mark.
func (s *stage) serving() (args []string, mark string) {
	mark = s.T.TempDir() + "/starts"
	return []string{"run", "--", "sh", "-c", "echo started >> " + mark + "; exec sleep 600"}, mark
}

// In a cutover the old release's app is stopped before the migration, and stays so after it.
func TestACutoverStopsTheOlderReleaseFirst(t *testing.T) {
	t.Parallel()
	first := harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int);"}
	old := newStage(t, first).with("SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_REPLICA=older")
	addr := harness.FreePort(t)
	args, mark := old.serving()
	serves := old.with("SCHEMAGATE_HTTP_ADDR="+addr, "SCHEMAGATE_DRAIN=200ms").Start(args...)
	serves.Await(harness.Msg("gate open, starting the app"))
	awaitCode(t, addr, "/readyz", 200)
	beside := old.with("SCHEMAGATE_REPLICA=beside").Start("sidecar")
	beside.Await(harness.Msg("gate open"))

	next := old.folder(first.And(harness.Files{"0002_rename.up.sql": "-- schemagate: phase=cutover\nALTER TABLE a RENAME COLUMN x TO y;"})).
		with("SCHEMAGATE_RELEASE=v2", "SCHEMAGATE_REPLICA=newer")
	nargs, nmark := next.serving()
	newer := next.Start(nargs...)
	newer.Await(harness.Msg("gate open, starting the app"))
	serves.Await(harness.Msg("the app was stopped for a cutover"))
	beside.Await(harness.Msg("gate closed"))
	if got := next.Psql("select string_agg(kind || coalesce(nullif(version, ''), ''), ' ' order by id) from schemagate_history where id > 2"); got !=
		"cutover began applied0002 floor0002 cutover ended complete" {
		t.Errorf("the history says %q", got)
	}
	if lines(mark) != 1 {
		t.Errorf("the old app was started %d times", lines(mark))
	}
	harness.Until(t, "the new app runs", func() bool { return lines(nmark) == 1 })
	serves.Await("this release's set ends at 0001, and the schema has left everything before 0002 behind")
	awaitCode(t, addr, "/readyz", 503)
	old.Expect(65, "up").Says("deploy a release that has 0002")
	for _, r := range []*harness.Replica{serves, beside, newer} {
		r.Signal(syscall.SIGTERM)
		r.Exits(143)
	}
}

// A cutover that fails and is rolled back lets the old release open again, with its app.
func TestAFailedCutoverOpensTheOlderReleaseAgain(t *testing.T) {
	t.Parallel()
	first := harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int);"}
	old := newStage(t, first).with("SCHEMAGATE_REPLICA=older")
	addr := harness.FreePort(t)
	args, mark := old.serving()
	serves := old.with("SCHEMAGATE_HTTP_ADDR=" + addr).Start(args...)
	serves.Await(harness.Msg("gate open, starting the app"))

	next := old.folder(first.And(harness.Files{"0002_b.up.sql": "CREATE TABLE b (x int);",
		"0003_bad.up.sql": "-- schemagate: phase=cutover\nALTER TABLE a RENAME COLUMN x TO y;\nSELECT 1/0;"})).with("SCHEMAGATE_REPLICA=newer")
	next.Expect(70, "up").Says("division by zero", "cutover withdrawn")
	serves.Await(harness.Msg("the app was stopped for a cutover"))
	serves.Await(harness.Msg("gate open again, starting the app"))
	harness.Until(t, "the old app runs again", func() bool { return lines(mark) == 2 })
	awaitCode(t, addr, "/readyz", 200)
	if got := old.applied(); got != "0001 0002" {
		t.Errorf("applied %q", got)
	}

	mended := next.folder(first.And(harness.Files{"0002_b.up.sql": "CREATE TABLE b (x int);",
		"0003_bad.up.sql": "-- schemagate: phase=cutover\nALTER TABLE a RENAME COLUMN x TO y;"}))
	mended.Up()
	serves.Await("and the schema has left everything before 0003 behind")
	// Rolled back, the schema is the old release's again: its app comes back.
	mended.Expect(65, "down").Says("no way back")
	serves.Signal(syscall.SIGTERM)
	serves.Exits(143)
}

// SCHEMAGATE_PHASE=cutover is the strict reading of "live together", for an app's own migrator too.
func TestACommandCutsOver(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"one.ts": "1"})
	strict := func(file, command string) *stage {
		return s.folder(harness.Files{file: file}).with("SCHEMAGATE_PHASE=cutover", "SCHEMAGATE_COMMAND="+command, "SCHEMAGATE_RELEASE="+file)
	}
	old := strict("one.ts", "true")
	args, mark := old.serving()
	serves := old.with("SCHEMAGATE_REPLICA=older").Start(args...)
	serves.Await(harness.Msg("gate open, starting the app"))

	// What a command that failed has done is not known: the old release stays shut until somebody who knows says so.
	strict("two.ts", "false").Expect(70, "up").Says("half done")
	serves.Await(harness.Msg("the app was stopped for a cutover"))
	old.Expect(65, "up").Says("schemagate resolve cutover --retry")
	old.Expect(0, "resolve", "cutover", "--retry")
	serves.Await(harness.Msg("gate open again, starting the app"))
	harness.Until(t, "the old app runs again", func() bool { return lines(mark) == 2 })

	next := strict("three.ts", "true")
	next.Up()
	serves.Await("another release has cut over since")
	old.Expect(65, "up").Says("schemagate up --again")
	next.Up()
	serves.Signal(syscall.SIGTERM)
	serves.Exits(143)
}

// A leader that dies in the midst of a cutover is replaced by another replica of its release; where there is none, the older
// release takes its gate back.
func TestACutoverWhoseLeaderDies(t *testing.T) {
	first := harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int);"}
	second := first.And(harness.Files{"0002_rename.up.sql": "-- schemagate: phase=cutover\nALTER TABLE a RENAME COLUMN x TO y;"})
	for name, others := range map[string]int{"with others of its release": 2, "alone": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := newStage(t, first).with("SCHEMAGATE_DRAIN=5s", "SCHEMAGATE_REPLICA=older")
			args, mark := old.serving()
			serves := old.Start(args...)
			serves.Await(harness.Msg("gate open, starting the app"))
			next := old.folder(second)
			leader := next.with("SCHEMAGATE_REPLICA=newer").Start("up")
			leader.Await(harness.Msg("term minted"))
			rest := next.StartMany(others, "up")
			leader.Await(harness.Msg("cutover announced"))
			serves.Await(harness.Msg("gate closed"))
			leader.Kill()
			harness.ExitAll(t, 0, rest...)
			if others > 0 {
				serves.Await("the schema has left everything before 0002 behind")
				serves.Signal(syscall.SIGTERM)
				serves.Exits(143)
				return
			}
			serves.Await(harness.Msg("gate open again"))
			serves.Await(harness.Msg("gate open again, starting the app"))
			harness.Until(t, "the old app runs again", func() bool { return lines(mark) == 2 })
			if got := old.applied(); got != "0001" {
				t.Errorf("applied %q", got)
			}
			next.Up() // a later try succeeds
			serves.Await("the schema has left everything before 0002 behind")
			serves.Signal(syscall.SIGTERM)
			serves.Exits(143)
		})
	}
}
