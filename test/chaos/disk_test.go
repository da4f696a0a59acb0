package chaos

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// A disk without room is nobody's fault: nothing is recorded as failed, whoever waits for room in vain says so, and once there is some, the
// next one finishes.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.Disk(256<<20))
	s := withEffects(t, pg.NewDatabase(t), set())
	s.with("SCHEMAGATE_MIGRATIONS=" + s.Folder(harness.Files{"0001_items.up.sql": set()["0001_items.up.sql"]}).Dir).Up()
	if err := pg.FillDisk(); errors.Is(err, unix.EPERM) {
		t.Skipf("NOT RUN: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	short := s.with("SCHEMAGATE_TIMEOUT=5s").Start("up")
	short.Exits(75)
	short.Says(harness.Msg("interrupted"), "[53100]")
	patient := s.Start("up")
	patient.Await("[53100]")
	pg.FreeDisk()
	patient.Exits(0)
	s.appliedOnce(versions)
}
