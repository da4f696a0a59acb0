package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/servers"
)

// patience bounds every wait; only a test that hangs meets it.
const patience = 2 * time.Minute

// ttl is the lease's, short, because every stopped leader is waited out.
const ttl = 2 * time.Second

// files is a migrations folder: text by name.
type files map[string]string

func folder(t *testing.T, f files) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stage is one service: a database, a folder of migrations and the settings of its replicas.
type stage struct {
	t   *testing.T
	url string
	dir string
	env []string
}

func newStage(t *testing.T, url string, f files, env ...string) *stage {
	t.Helper()
	return &stage{t: t, url: url, dir: folder(t, f), env: append([]string{"SCHEMAGATE_LEASE_TTL=" + ttl.String()}, env...)}
}

// with returns the stage with further settings, NAME=value; a later one counts.
func (s *stage) with(env ...string) *stage {
	c := *s
	c.env = slices.Concat(s.env, env)
	return &c
}

// at is the stage with another way to the same database.
func (s *stage) at(url string) *stage {
	c := *s
	c.url = url
	return &c
}

func (s *stage) psql(sql string) string {
	s.t.Helper()
	return servers.Psql(s.t, s.url, sql)
}

// sources has go test's cache depend on what the program is made of: it sees only what a test imports or opens.
var sources = sync.OnceFunc(func() {
	_ = filepath.WalkDir("../..", func(_ string, d os.DirEntry, err error) error {
		if name := d.Name(); err == nil && d.IsDir() && (name == "node_modules" || len(name) > 2 && name[0] == '.') {
			return filepath.SkipDir
		}
		return nil
	})
})

// replica is one running schemagate.
type replica struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *stream
	done chan struct{} // closed when the process has ended
}

// up starts `schemagate up`.
func (s *stage) up() *replica { s.t.Helper(); return s.start(binary) }

func (s *stage) start(program string) *replica {
	s.t.Helper()
	sources()
	cmd := exec.Command(program, "up")
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir,
		// By default a race-enabled program sleeps for a second before it exits.
		"GORACE=atexit_sleep_ms=0 exitcode=66",
		"SCHEMAGATE_DATABASE_URL=" + s.url, "SCHEMAGATE_MIGRATIONS=" + s.dir, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_TIMEOUT=110s",
	}, s.env...)
	cmd.Dir = s.dir
	r := &replica{t: s.t, cmd: cmd, log: newStream(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = r.log, r.log
	cmd.WaitDelay = 5 * time.Second // who inherited its output must not keep the test waiting
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = cmd.Wait() // the process state tells
	}()
	s.t.Cleanup(r.end)
	return r
}

// end is the cleanup: whatever the test left running ends now.
func (r *replica) end() {
	r.t.Helper()
	_ = r.cmd.Process.Kill() // a stopped one too
	<-r.done
	if strings.Contains(r.log.text(), "WARNING: DATA RACE") {
		r.t.Errorf("data race in %s", r)
	}
	if r.t.Failed() {
		r.t.Logf("%s", r)
	}
}

func (r *replica) String() string {
	state := "running"
	if p := r.cmd.ProcessState; p != nil {
		state = p.String()
	}
	return fmt.Sprintf("replica (pid %d, %s)\n%s", r.cmd.Process.Pid, state, r.log.text())
}

// code is the exit code of an ended replica; 128+n for a signal, as a shell has it.
func (r *replica) code() int {
	if ws, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *replica) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// exits waits for the end and checks the code.
func (r *replica) exits(code int) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("no end of %s", r)
	}
	if got := r.code(); got != code {
		r.t.Fatalf("exit code %d, want %d: %s", got, code, r)
	}
}

func (r *replica) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Fatal(err)
	}
}

// kill ends it with SIGKILL and waits until it is gone.
func (r *replica) kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	<-r.done
}

// await returns the first line of the log that holds the text, which may come later.
func (r *replica) await(text string) string { r.t.Helper(); return r.awaitN(text, 1) }

// awaitN waits for the n-th such line.
func (r *replica) awaitN(text string, n int) string {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		lines, changed := r.log.grep(text)
		if len(lines) >= n {
			return lines[n-1]
		}
		select {
		case <-changed:
		case <-r.done:
			if lines, _ := r.log.grep(text); len(lines) >= n {
				return lines[n-1]
			}
			r.t.Fatalf("it ended without saying %q: %s", text, r)
		case <-timeout.C:
			r.t.Fatalf("it did not say %q: %s", text, r)
		}
	}
}

// said counts the lines that hold the text so far.
func (r *replica) said(text string) int {
	lines, _ := r.log.grep(text)
	return len(lines)
}

// says checks that the log, or the error at its end, holds all the texts.
func (r *replica) says(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if r.said(text) == 0 {
			r.t.Errorf("it does not say %q: %s", text, r)
		}
	}
}

// msg is how a log line holds a message that begins so.
func msg(text string) string { return `"msg":"` + text }

// stream collects lines and tells who waits for one.
type stream struct {
	mu      sync.Mutex
	data    bytes.Buffer
	changed chan struct{}
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.data.Write(b)
}

func (s *stream) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.String()
}

// grep returns the lines that hold the text, and a channel that is closed when there is more.
func (s *stream) grep(text string) (lines []string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.data.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, s.changed
}

// until asks again and again until the condition holds, for what nobody signals.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
