package e2e

import (
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// `wait` never campaigns: with an app's user, who may only read, it follows what others do.
func TestWaitNeverCampaigns(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 3))
	role := newRole(t, s.URL, "login")
	s.Psql("alter default privileges grant select on tables to " + role)
	app := s.at(strings.Replace(s.URL, "postgres@", role+"@", 1))

	t.Log("on an empty database, where nobody leads")
	run, mark := s.marked()
	waiting := app.Start("wait")
	waiting.Await(harness.Msg("waiting"))
	if got := s.Psql("select count(*) from pg_class where relname like 'schemagate%'"); got != "0" {
		t.Errorf("%s of our tables are there", got)
	}

	t.Log("while somebody leads, and when that one dies")
	open := s.closeBarrier()
	leader := s.Start("up")
	s.atBarrier(1)
	second := app.Start("wait")
	second.Await(harness.Msg("waiting"))
	leader.Kill()
	harness.Until(t, "the dead leader is recognised", func() bool {
		return s.Psql("select not exists (select from pg_stat_get_activity(pid)) from schemagate_lease") == "t"
	})
	if got := s.term(); got != "1" {
		t.Errorf("a waiter minted term %s", got)
	}
	open()
	harness.ExitAll(t, 0, s.Start(run...), waiting, second)
	s.appliedOnce(3)
	if lines(mark) != 1 {
		t.Error("the app was not started")
	}
	for _, r := range []*harness.Replica{waiting, second, app.Expect(0, "wait")} {
		r.NeverSays(harness.Msg("elected"), harness.Msg("term minted"), "denied")
	}

	t.Log("it opens for an older set")
	older := app.folder(numbered(1))
	older.Expect(0, "wait")

	t.Log("and not for a newer one, until somebody has migrated")
	newer := s.folder(heldAt(2, 4))
	w := newer.at(app.URL).Start("wait")
	w.Await(harness.Msg("waiting"))
	newer.Up()
	w.Exits(0)

	t.Log("and for an old one again, though nobody completed just that set")
	older.folder(numbered(1).And(harness.Files{"0002_step.up.sql": heldAt(2, 2)["0002_step.up.sql"]})).Expect(0, "wait")
}

// A waiter of a release whose migration fails ends with it.
func TestWaiterFailsWithTheLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).And(harness.Files{"0002_fails.up.sql": patient + barrier + "select 1/0;\n"}))
	open := s.closeBarrier()
	leader := s.Start("up")
	s.atBarrier(1)
	w := s.Start("wait")
	w.Await(harness.Msg("waiting"))
	open()
	harness.ExitAll(t, 70, leader, w)
	w.Says("apply 0002_fails.up.sql:3: division by zero [22012] (as the leader")
}
