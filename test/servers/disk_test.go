package servers

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

func TestDiskFull(t *testing.T) {
	pg := Postgres(t, Disk(128<<20))
	url := pg.NewDatabase(t)
	const grow = "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 100)"
	Psql(t, url, "SELECT 1") // a database's first session writes a file of its own, and without room is refused with XX000
	if err := pg.FillDisk(); errors.Is(err, unix.EPERM) {
		t.Skipf("NOT RUN: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	_, err := psql(t.Context(), url, grow)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "53100" {
		t.Errorf("%v, want SQLSTATE 53100", err)
	}
	if !strings.Contains(pg.Log(), OutOfSpace) {
		t.Error("the server's log does not tell")
	}
	pg.FreeDisk()
	pg.Restart() // in case that it was the WAL that found no room
	Psql(t, url, grow)
}

// Nothing stays mounted where a server was, whose directory goes as any.
func TestDiskIsGoneWithTheServer(t *testing.T) {
	var dir string
	t.Run("server", func(t *testing.T) {
		pg := Postgres(t, Disk(128<<20))
		dir = pg.Dir()
		if err := pg.FillDisk(); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
	})
	if mounts, err := os.ReadFile("/proc/mounts"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("%v, or it is still mounted below %s", err, dir)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v, want it gone", dir, err)
	}
}
