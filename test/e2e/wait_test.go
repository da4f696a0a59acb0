package e2e

import (
	"strings"
	"testing"
)

// `wait` never campaigns: with an app's user, who may only read, it follows what others do.
func TestWaitNeverCampaigns(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 3))
	role := newRole(t, s.url, "login")
	s.psql("alter default privileges grant select on tables to " + role)
	app := s.at(strings.Replace(s.url, "postgres@", role+"@", 1))

	t.Log("on an empty database, where nobody leads")
	run, mark := s.marked()
	waiting := app.start("wait")
	waiting.await(msg("waiting"))
	if got := s.psql("select count(*) from pg_class where relname like 'schemagate%'"); got != "0" {
		t.Errorf("%s of our tables are there", got)
	}

	t.Log("while somebody leads, and when that one dies")
	open := s.closeBarrier()
	leader := s.start("up")
	s.atBarrier(1)
	second := app.start("wait")
	second.await(msg("waiting"))
	leader.kill()
	until(t, "the dead leader is recognised", func() bool {
		return s.psql("select not exists (select from pg_stat_get_activity(pid)) from schemagate_lease") == "t"
	})
	if got := s.term(); got != "1" {
		t.Errorf("a waiter minted term %s", got)
	}
	open()
	exitAll(t, 0, s.start(run...), waiting, second)
	s.appliedOnce(3)
	if lines(mark) != 1 {
		t.Error("the app was not started")
	}
	for _, r := range []*replica{waiting, second, app.expect(0, "wait")} {
		r.neverSays(msg("elected"), msg("term minted"), "denied")
	}

	t.Log("it opens for an older set")
	older := app.folder(numbered(1))
	older.expect(0, "wait")

	t.Log("and not for a newer one, until somebody has migrated")
	newer := s.folder(heldAt(2, 4))
	w := newer.at(app.url).start("wait")
	w.await(msg("waiting"))
	newer.up()
	w.exits(0)

	t.Log("and for an old one again, though nobody completed just that set")
	older.folder(numbered(1).and(files{"0002_step.up.sql": heldAt(2, 2)["0002_step.up.sql"]})).expect(0, "wait")
}

// A waiter of a release whose migration fails ends with it.
func TestWaiterFailsWithTheLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1).and(files{"0002_fails.up.sql": patient + barrier + "select 1/0;\n"}))
	open := s.closeBarrier()
	leader := s.start("up")
	s.atBarrier(1)
	w := s.start("wait")
	w.await(msg("waiting"))
	open()
	exitAll(t, 70, leader, w)
	w.says("apply 0002_fails.up.sql:3: division by zero [22012] (as the leader")
}
