package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func TestPostgresKeepsItsDataAndAddressOverKillAndRestart(t *testing.T) {
	t.Parallel()
	pg := Postgres(t)
	url := pg.NewDatabase(t)
	Psql(t, url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
	cases := []struct {
		name string
		down func()
	}{
		{"kill", pg.Kill},
		{"smart", func() { pg.Stop(Smart) }},
		{"fast", func() { pg.Stop(Fast) }},
		{"immediate", func() { pg.Stop(Immediate) }},
		{"restart", func() {}},
	}
	for i, c := range cases {
		before := pg.Pid()
		c.down()
		if c.name != "restart" {
			assertGone(t, pg.dir)
			if _, err := pgx.Connect(t.Context(), url); err == nil {
				t.Fatalf("after %s the server still answers", c.name)
			}
		}
		pg.Restart()
		if after := pg.Pid(); after == 0 || after == before {
			t.Fatalf("after %s: pid %d, before %d", c.name, after, before)
		}
		Psql(t, url, "INSERT INTO t VALUES (1)")
		if got, want := Psql(t, url, "SELECT count(*) = "+itoa(i+2)+", 'x' FROM t"), "t|x"; got != want {
			t.Fatalf("after %s: %q, want %q", c.name, got, want)
		}
	}
	if !strings.Contains(pg.Log(), "ready to accept connections") {
		t.Errorf("the log lacks the server's first words: %s", pg.Log())
	}
}

func TestPostgresKillEndsBusyBackends(t *testing.T) {
	t.Parallel()
	pg := Postgres(t)
	conn := connect(t, pg.URL())
	done := make(chan error, 1)
	go func() {
		// Busy in the processor: it would notice the death of the main process only at its end.
		_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 1e15)")
		done <- err
	}()
	waitFor(t, func() bool {
		return pg.Exec(t, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1e15%' AND pid <> pg_backend_pid()") == "1"
	})
	pg.Kill()
	if err := <-done; err == nil {
		t.Error("the statement ended without an error")
	}
	assertGone(t, pg.dir)
}

func TestPostgresPauseKeepsConnectionsSilentUntilResume(t *testing.T) {
	t.Parallel()
	pg := Postgres(t)
	conn := connect(t, pg.URL())
	pg.Pause()
	if all, err := stopped(pg.dir); !all || err != nil {
		t.Fatalf("stopped: %t, %v", all, err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.WithoutCancel(t.Context()), "SELECT 1")
		answer <- err
	}()
	pg.Resume()
	if err := <-answer; err != nil {
		t.Fatalf("after resume: %v", err)
	}
	pg.Pause() // and the cleanup must cope with it
}

func TestPostgresOptions(t *testing.T) {
	t.Parallel()
	pg := Postgres(t, MaxConnections(7), Password("it's secret"), Setting("work_mem", "1234kB"), Fsync())
	got := pg.Exec(t, "SELECT current_setting('max_connections'), current_setting('work_mem'), current_setting('fsync')")
	if want := "7|1234kB|on"; got != want {
		t.Errorf("settings %q, want %q", got, want)
	}
	config, err := pgx.ParseConfig(pg.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	_, err = pgx.ConnectConfig(t.Context(), config)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
		t.Errorf("with a wrong password: %v, want SQLSTATE 28P01", err)
	}
}

func TestSharedPostgresDropsDatabasesInUse(t *testing.T) {
	t.Parallel()
	pg := SharedPostgres(t)
	if again := SharedPostgres(t); again != pg {
		t.Fatal("a second server was started")
	}
	var name string
	t.Run("user", func(t *testing.T) {
		url := pg.NewDatabase(t)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		name = conn.Config().Database
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		pg.NewDatabase(t)
	})
	if got := pg.Exec(t, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); got != "0" {
		t.Errorf("database %s is still there", name)
	}
}

func TestPostgresReportsWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	tb := NewScope("scope")
	defer tb.Close()
	defer func() {
		err, _ := recover().(error)
		if err == nil || !strings.Contains(err.Error(), "no_such_setting") || !tb.Failed() {
			t.Errorf("failed with %v, want the server's own words about no_such_setting", err)
		}
	}()
	Postgres(tb, Setting("no_such_setting", "1"))
}

// A killed server must not leave its System V segment to a machine that has room for 4096 of them.
func TestPostgresLeavesNoSharedMemory(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*PG){
		"killed": (*PG).Kill,
		"killed by others": func(pg *PG) {
			_ = syscall.Kill(pg.Pid(), syscall.SIGKILL)
			waitFor(t, func() bool { return pg.Pid() == 0 })
		},
		"running": func(*PG) {},
		"paused":  (*PG).Pause,
	}
	for name, end := range cases {
		var id string
		t.Run(name, func(t *testing.T) {
			pg := Postgres(t)
			b, err := os.ReadFile(filepath.Join(pg.data(), "postmaster.pid"))
			if err != nil {
				t.Fatal(err)
			}
			id = strings.Fields(strings.Split(string(b), "\n")[6])[1]
			if !segmentExists(t, id) {
				t.Fatalf("no segment %s while the server runs", id)
			}
			end(pg)
		})
		if segmentExists(t, id) {
			t.Errorf("%s: segment %s is left", name, id)
		}
	}
}

func segmentExists(t *testing.T, id string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == id {
			return true
		}
	}
	return false
}
