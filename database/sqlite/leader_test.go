package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/sqlite"
)

// leader is another process, in the midst of a large migration.
type leader struct {
	t   *testing.T
	cmd *exec.Cmd
	out strings.Builder
}

func startLeader(t *testing.T, url string) *leader {
	t.Helper()
	l := &leader{t: t, cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), "SCHEMAGATE_TEST_LEADER_OF="+url)
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.out
	if _, err := l.cmd.StdinPipe(); err != nil { // closed by Wait, or by our own end
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kill)
	return l
}

func (l *leader) kill() {
	if l.cmd.ProcessState == nil {
		_ = l.cmd.Process.Kill()
		_ = l.cmd.Wait() // it was killed
	}
}

// stop returns when the kernel has stopped the process.
func (l *leader) stop() {
	l.t.Helper()
	if err := l.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		l.t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(l.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		l.t.Fatalf("stopping the leader: %v, %v", status, err)
	}
}

func newDB(t *testing.T) (*sqlite.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	return openDB(t, path, "default"), path
}

func openDB(t *testing.T, path, service string) *sqlite.DB {
	t.Helper()
	d, err := sqlite.Open("sqlite:"+path, sqlite.Options{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Disconnect)
	return d
}

func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for !ask() {
		if t.Context().Err() != nil {
			t.Fatalf("never: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

func TestLeaseAndWriteLockOfAStoppedAndOfAKilledLeader(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		t.Run(map[bool]string{false: "killed", true: "stopped, then killed"}[stopped], func(t *testing.T) {
			t.Parallel()
			d, path := newDB(t)
			l := startLeader(t, "sqlite:"+path)
			journal := path + "-journal"
			until(t, "the migration no longer fits into the cache", func() bool {
				info, err := os.Stat(path)
				if l.out.Len() > 0 {
					t.Fatal(l.out.String())
				}
				_, jerr := os.Stat(journal)
				return err == nil && info.Size() > 500_000 && jerr == nil
			})
			if stopped {
				l.stop()
			}
			claim := database.Claim{Holder: database.NewHolder(), Replica: "the successor"}
			if _, err := d.Acquire(t.Context(), claim); !errors.Is(err, database.ErrHeld) {
				t.Errorf("acquire beside a leader: %v, want %v", err, database.ErrHeld)
			}
			if _, err := d.Mint(t.Context(), 1, claim.Holder); !errors.Is(err, database.ErrBlocked) {
				t.Errorf("mint beside a leader: %v, want %v", err, database.ErrBlocked)
			}
			if _, err := d.Look(t.Context(), database.Query{Since: -1}); !errors.Is(err, database.ErrBlocked) {
				t.Errorf("look while the file is being written: %v, want %v", err, database.ErrBlocked)
			}
			l.kill()
			v, err := d.Look(t.Context(), database.Query{Since: 0})
			if err != nil {
				t.Fatal(err)
			}
			if v.Lease.Alive || !v.Lease.Dead || v.Lease.Replica != "the leader" || v.Fence.Number != 1 || v.Last != 0 {
				t.Errorf("a look after its death: %+v", v)
			}
			h, err := d.Acquire(t.Context(), claim)
			if err != nil {
				t.Fatal(err)
			}
			term, err := d.Mint(t.Context(), 1, claim.Holder)
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Lead(t.Context(), term, database.Origin{})
			if err != nil {
				t.Fatal(err)
			}
			// Nothing was kept, not even the table.
			if err := s.Apply(t.Context(), change("1", "CREATE TABLE counted (n)")); err != nil {
				t.Error(err)
			}
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLeaseShowsALeaderInAnotherProcess(t *testing.T) {
	t.Parallel()
	d, path := newDB(t)
	if err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, beside(t, path, "5000"), "PRAGMA journal_mode=WAL")
	l := startLeader(t, "sqlite:"+path)
	until(t, "the leader is seen", func() bool {
		v, err := d.Look(t.Context(), database.Query{Since: -1})
		if err != nil || l.out.Len() > 0 {
			t.Fatalf("%v %s", err, l.out.String())
		}
		return v.Lease.Alive && v.Lease.Replica == "the leader" && v.Fence.Number == 1
	})
	for range 100 { // asking takes nothing away
		if v, err := d.Look(t.Context(), database.Query{Since: -1}); err != nil || !v.Lease.Alive {
			t.Fatalf("lease %+v, %v", v.Lease, err)
		}
	}
	l.kill()
	if v, err := d.Look(t.Context(), database.Query{Since: -1}); err != nil || v.Lease.Alive || !v.Lease.Dead {
		t.Errorf("lease %+v of a killed leader, %v", v.Lease, err)
	}
}

// Looking must never make a candidate's try fail.
func TestLooksDoNotDisturbCandidates(t *testing.T) {
	t.Parallel()
	d, path := newDB(t)
	if err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	done, looked := make(chan struct{}), make(chan error, 4)
	for range cap(looked) {
		looker := openDB(t, path, "default")
		go func() {
			for {
				select {
				case <-done:
					looked <- nil
					return
				default:
				}
				if _, err := looker.Look(t.Context(), database.Query{Since: -1}); err != nil {
					looked <- err
					return
				}
			}
		}()
	}
	for range 500 {
		h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder()})
		if err != nil {
			t.Error(err)
			break
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	for range cap(looked) {
		if err := <-looked; err != nil {
			t.Error(err)
		}
	}
}

func TestLeaseFileThatIsRemovedOrReplacedEndsTheLease(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+"-old"), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := newDB(t)
			if err := d.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			old, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder()})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(old.Renew(t.Context()), spoil(path+"-schemagate")); err != nil {
				t.Fatal(err)
			}
			if err := old.Renew(t.Context()); !errors.Is(err, database.ErrHeld) {
				t.Errorf("renew: %v, want %v", err, database.ErrHeld)
			}
			h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder()})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(old.Release(t.Context()), h.Renew(t.Context()), h.Release(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLeaseIsOneHoweverThePathLeadsToTheFile(t *testing.T) {
	t.Parallel()
	d, path := newDB(t)
	if err := d.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDB(t, link, "default").Acquire(t.Context(), database.Claim{Holder: database.NewHolder()}); !errors.Is(err, database.ErrHeld) {
		t.Errorf("acquire through a link: %v, want %v", err, database.ErrHeld)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLeaseFilesHaveTheDatabasesModeAndNamesThatFit(t *testing.T) {
	t.Parallel()
	_, path := newDB(t)
	for service, want := range map[string]string{
		"default":                  "app.db-schemagate",
		"shop":                     "app.db-schemagate-shop",
		"shop/background":          "app.db-schemagate-shop%2Fbackground",
		strings.Repeat("long", 50): "app.db-schemagate-", // and a digest
	} {
		d := openDB(t, path, service)
		if err := d.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		h, err := d.Acquire(t.Context(), database.Claim{Holder: database.NewHolder()})
		if err != nil {
			t.Fatal(err)
		}
		if len(service) > 100 {
			found, err := filepath.Glob(path + "-schemagate-????????????????????????????????")
			if err != nil || len(found) != 1 {
				t.Errorf("files %v of a long name, %v", found, err)
			}
		} else if info, err := os.Stat(filepath.Join(filepath.Dir(path), want)); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("file of service %q: %v, %v", service, info, err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
