package e2e

import (
	"net/http"
	"testing"
)

// TestAContractRunsOnTheOperatorsWordAndClosesOlderReleases: it gates nobody, and from its floor on no older release serves.
func TestAContractRunsOnTheOperatorsWordAndClosesOlderReleases(t *testing.T) {
	t.Parallel()
	first := files{"0001_a.up.sql": "CREATE TABLE a (x int, y int);"}
	second := files{"0001_a.up.sql": first["0001_a.up.sql"], "0002_z.up.sql": "ALTER TABLE a ADD COLUMN z int;",
		"0003_drop.up.sql": "-- schemagate: phase=contract after=0002\nALTER TABLE a DROP COLUMN x;"}
	old := newStage(t, first)
	old.up()
	addr := freePort(t)
	serves := old.with("SCHEMAGATE_HTTP_ADDR=" + addr).start("sidecar")
	serves.await(msg("gate open"))
	next := old.folder(second)
	next.up()
	if got := next.psql("select count(*) from information_schema.columns where table_name = 'a'"); got != "3" {
		t.Fatalf("%s columns before the contract, want 3", got)
	}
	answers(t, addr, map[string]int{"/readyz": 200}) // one that is merely older stays open
	next.expect(0, "up", "--contract")
	if got := next.psql("select count(*) from information_schema.columns where table_name = 'a'"); got != "2" {
		t.Errorf("%s columns after the contract, want 2", got)
	}
	until(t, "the older release's gate is closed", func() bool {
		code, _ := get(t, addr, "/readyz")
		return code == http.StatusServiceUnavailable
	})
	old.expect(65, "up").says("deploy a release that has 0002")
	next.up()
}
