package e2e

import (
	"net/http"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// TestAContractRunsOnTheOperatorsWordAndClosesOlderReleases: it gates nobody, and from its floor on no older release serves.
func TestAContractRunsOnTheOperatorsWordAndClosesOlderReleases(t *testing.T) {
	t.Parallel()
	first := harness.Files{"0001_a.up.sql": "CREATE TABLE a (x int, y int);"}
	second := harness.Files{"0001_a.up.sql": first["0001_a.up.sql"], "0002_z.up.sql": "ALTER TABLE a ADD COLUMN z int;",
		"0003_drop.up.sql": "-- schemagate: phase=contract after=0002\nALTER TABLE a DROP COLUMN x;"}
	old := newStage(t, first)
	old.Up()
	addr := harness.FreePort(t)
	serves := old.with("SCHEMAGATE_HTTP_ADDR=" + addr).Start("sidecar")
	serves.Await(harness.Msg("gate open"))
	next := old.folder(second)
	next.Up()
	if got := next.Psql("select count(*) from information_schema.columns where table_name = 'a'"); got != "3" {
		t.Fatalf("%s columns before the contract, want 3", got)
	}
	answers(t, addr, map[string]int{"/readyz": 200}) // one that is merely older stays open
	next.Expect(0, "up", "--contract")
	if got := next.Psql("select count(*) from information_schema.columns where table_name = 'a'"); got != "2" {
		t.Errorf("%s columns after the contract, want 2", got)
	}
	harness.Until(t, "the older release's gate is closed", func() bool {
		code, _ := get(t, addr, "/readyz")
		return code == http.StatusServiceUnavailable
	})
	old.Expect(65, "up").Says("deploy a release that has 0002")
	next.Up()
}
