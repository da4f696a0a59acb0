package harness

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/servers"
)

// Patience bounds every wait; only a test that hangs meets it. SCHEMAGATE_TEST_PATIENCE is for a machine that is too busy for it.
var Patience = patience()

func patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SCHEMAGATE_TEST_PATIENCE")); err == nil {
		return d
	}
	return 2 * time.Minute
}

// Files is a migrations folder: text by name.
type Files map[string]string

// And returns the files with others added or put in their place.
func (f Files) And(more Files) Files {
	out := maps.Clone(f)
	maps.Copy(out, more)
	return out
}

// Stage is one service: a database, a folder of migrations and the settings of its replicas.
type Stage struct {
	T       *testing.T
	URL     string // "" sets none
	Dir     string
	Env     []string // NAME=value; a later one counts
	Program string   // "" is the one built with the race detector
	Abrupt  bool     // what the test leaves running is killed, not asked to end
}

// New returns a stage on the database, with the files in a folder of its own.
func New(t *testing.T, url string, f Files) *Stage {
	t.Helper()
	s := &Stage{T: t, URL: url, Dir: t.TempDir()}
	s.Write(f)
	return s
}

// With returns the stage with further settings.
func (s *Stage) With(env ...string) *Stage {
	c := *s
	c.Env = slices.Concat(s.Env, env)
	return &c
}

// At is the stage with another database, or another way to the same.
func (s *Stage) At(url string) *Stage {
	c := *s
	c.URL = url
	return &c
}

// Folder is the stage with another release's files.
func (s *Stage) Folder(f Files) *Stage {
	s.T.Helper()
	c := *s
	c.Dir = s.T.TempDir()
	c.Write(f)
	return &c
}

// Running is the stage with another program.
func (s *Stage) Running(program string) *Stage {
	c := *s
	c.Program = program
	return &c
}

// Write adds files to the folder, or puts them in the place of others.
func (s *Stage) Write(f Files) {
	s.T.Helper()
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			s.T.Fatal(err)
		}
	}
}

// Remove takes a file out of the folder.
func (s *Stage) Remove(name string) {
	s.T.Helper()
	if err := os.Remove(filepath.Join(s.Dir, name)); err != nil {
		s.T.Fatal(err)
	}
}

// Psql runs SQL in the stage's database, a PostgreSQL, and returns rows as lines with | between the columns.
func (s *Stage) Psql(sql string) string {
	s.T.Helper()
	return servers.Psql(s.T, s.URL, sql)
}

// Start runs schemagate with the arguments.
func (s *Stage) Start(args ...string) *Replica {
	s.T.Helper()
	return s.StartCommand(exec.Command(s.Path(), args...))
}

// Path is the program that the stage runs.
func (s *Stage) Path() string {
	if s.Program == "" {
		return binary
	}
	return s.Program
}

// StartCommand runs any command with schemagate's settings.
func (s *Stage) StartCommand(cmd *exec.Cmd) *Replica {
	s.T.Helper()
	return start(s.T, s.settled(cmd), s.Abrupt)
}

// Command is the program with the settings, not started.
func (s *Stage) Command(args ...string) *exec.Cmd { return s.settled(exec.Command(s.Path(), args...)) }

// settled gives a command schemagate's settings.
func (s *Stage) settled(cmd *exec.Cmd) *exec.Cmd {
	sources()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir,
		// By default a race-enabled program sleeps for a second before it exits.
		"GORACE=atexit_sleep_ms=0 exitcode=66",
		"SCHEMAGATE_MIGRATIONS=" + s.Dir, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0",
		"SCHEMAGATE_TIMEOUT=" + (Patience - 10*time.Second).String(),
	}
	if s.URL != "" {
		cmd.Env = append(cmd.Env, "SCHEMAGATE_DATABASE_URL="+s.URL)
	}
	cmd.Env = append(cmd.Env, s.Env...)
	cmd.Dir = s.Dir
	return cmd
}

// Up runs `schemagate up` to its end, which has to be a gate that is open.
func (s *Stage) Up() *Replica {
	s.T.Helper()
	return s.Expect(0, "up")
}

// Expect runs schemagate to its end and checks the exit code.
func (s *Stage) Expect(code int, args ...string) *Replica {
	s.T.Helper()
	r := s.Start(args...)
	r.Exits(code)
	return r
}

// StartMany starts n replicas at once, replica-1 and so on.
func (s *Stage) StartMany(n int, args ...string) []*Replica {
	s.T.Helper()
	out := make([]*Replica, n)
	for i := range out {
		out[i] = s.With(fmt.Sprintf("SCHEMAGATE_REPLICA=replica-%d", i+1)).Start(args...)
	}
	return out
}

// ExitAll checks that every replica ends with the code.
func ExitAll(t *testing.T, code int, replicas ...*Replica) {
	t.Helper()
	for _, r := range replicas {
		r.Exits(code)
	}
}

// FreePort returns a loopback address that nobody listens on, below the ports that the kernel gives to clients.
func FreePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 14000+rand.IntN(5000))
		if l, err := net.Listen("tcp", addr); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// Until asks again and again until the condition holds, for what nobody signals.
func Until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
