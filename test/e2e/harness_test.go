package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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
const patience = 90 * time.Second

// files is a migrations folder: text by name.
type files map[string]string

// stage is one service: a database of its own, a folder of migrations and the settings of its replicas.
type stage struct {
	t   *testing.T
	url string
	dir string
	env []string
}

// newStage sets a service up on the shared server.
func newStage(t *testing.T, f files) *stage {
	t.Helper()
	return stageOn(t, servers.SharedPostgres(t).NewDatabase(t), f)
}

func stageOn(t *testing.T, url string, f files) *stage {
	t.Helper()
	s := &stage{t: t, url: url, dir: t.TempDir()}
	s.write(f)
	return s
}

// with returns the stage with further settings, NAME=value; a later one counts.
func (s *stage) with(env ...string) *stage {
	c := *s
	c.env = slices.Concat(s.env, env)
	return &c
}

func (s *stage) at(url string) *stage {
	c := *s
	c.url = url
	return &c
}

// folder is the stage with another release's files.
func (s *stage) folder(f files) *stage {
	c := *s
	c.dir = s.t.TempDir()
	c.write(f)
	return &c
}

func (s *stage) write(f files) {
	s.t.Helper()
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stage) remove(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) psql(sql string) string {
	s.t.Helper()
	return servers.Psql(s.t, s.url, sql)
}

// start runs schemagate with the arguments.
func (s *stage) start(args ...string) *replica {
	s.t.Helper()
	return s.startCommand(exec.Command(binary, args...))
}

func (s *stage) startCommand(cmd *exec.Cmd) *replica {
	s.t.Helper()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir,
		// By default a race-enabled program sleeps for a second before it exits.
		"GORACE=atexit_sleep_ms=0 exitcode=66",
		"SCHEMAGATE_MIGRATIONS=" + s.dir, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_TIMEOUT=75s",
	}
	if s.url != "" {
		cmd.Env = append(cmd.Env, "SCHEMAGATE_DATABASE_URL="+s.url)
	}
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Dir = s.dir
	return startReplica(s.t, cmd)
}

// up runs `schemagate up` to its end, which has to be a gate that is open.
func (s *stage) up() *replica {
	s.t.Helper()
	return s.expect(0, "up")
}

// expect runs schemagate to its end and checks the exit code.
func (s *stage) expect(code int, args ...string) *replica {
	s.t.Helper()
	r := s.start(args...)
	r.exits(code)
	return r
}

// startMany starts n replicas at once.
func (s *stage) startMany(n int, args ...string) []*replica {
	s.t.Helper()
	out := make([]*replica, n)
	for i := range out {
		out[i] = s.with(fmt.Sprintf("SCHEMAGATE_REPLICA=replica-%d", i)).start(args...)
	}
	return out
}

// exitAll checks that every replica ends with the code.
func exitAll(t *testing.T, code int, replicas ...*replica) {
	t.Helper()
	for _, r := range replicas {
		r.exits(code)
	}
}

// replica is one running schemagate.
type replica struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *stream
	done     chan struct{} // closed when the process has ended
}

func startReplica(t *testing.T, cmd *exec.Cmd) *replica {
	t.Helper()
	r := &replica{t: t, cmd: cmd, out: newStream(), err: newStream(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = r.out, r.err
	cmd.WaitDelay = 5 * time.Second // who inherited its output must not keep the test waiting
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = cmd.Wait() // the process state tells
	}()
	t.Cleanup(r.end)
	return r
}

// end is the cleanup: whatever the test left running ends now.
func (r *replica) end() {
	r.t.Helper()
	for _, sig := range []syscall.Signal{syscall.SIGCONT, syscall.SIGTERM, syscall.SIGTERM} {
		_ = r.cmd.Process.Signal(sig) // it may have ended
	}
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.done
	}
	if strings.Contains(r.err.text(), "WARNING: DATA RACE") {
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
	return fmt.Sprintf("%s (pid %d, %s)\nstdout: %sstderr:\n%s",
		strings.Join(r.cmd.Args[1:], " "), r.cmd.Process.Pid, state, r.out.text(), r.err.text())
}

// exits waits for the end and checks the code; 128+n for a signal, as a shell has it.
func (r *replica) exits(code int) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("no end of %s", r)
	}
	got := r.cmd.ProcessState.ExitCode()
	if ws, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		got = 128 + int(ws.Signal())
	}
	if got != code {
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
	return r.awaitIn(r.err, text, n)
}

// awaitOut waits for a line of the standard output, where the app under `run` speaks.
func (r *replica) awaitOut(text string) string { r.t.Helper(); return r.awaitIn(r.out, text, 1) }

func (r *replica) awaitIn(s *stream, text string, n int) string {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		lines, changed := s.grep(text)
		if len(lines) >= n {
			return lines[n-1]
		}
		select {
		case <-changed:
		case <-r.done:
			if lines, _ := s.grep(text); len(lines) >= n {
				return lines[n-1]
			}
			r.t.Fatalf("it ended without saying %q: %s", text, r)
		case <-timeout.C:
			r.t.Fatalf("it did not say %q: %s", text, r)
		}
	}
}

// said tells whether the log holds the text by now.
func (r *replica) said(text string) bool {
	lines, _ := r.err.grep(text)
	return len(lines) > 0
}

// says checks that the log, or the error at its end, holds all the texts.
func (r *replica) says(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if !r.said(text) {
			r.t.Errorf("it does not say %q: %s", text, r)
		}
	}
}

func (r *replica) neverSays(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if r.said(text) {
			r.t.Errorf("it says %q: %s", text, r)
		}
	}
}

// lastWords is what schemagate says of the error that ends it.
func (r *replica) lastWords() string {
	r.t.Helper()
	_, words, ok := strings.Cut(r.err.text(), "schemagate: ")
	if !ok {
		r.t.Fatalf("it has no last words: %s", r)
	}
	return strings.TrimSpace(words)
}

// json decodes the standard output.
func (r *replica) json(into any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.out.text()), into); err != nil {
		r.t.Fatalf("%v in %s", err, r)
	}
}

// freePort returns a loopback address that nobody listens on, below the ports that the kernel gives to clients.
func freePort(t *testing.T) string {
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
	tick := time.NewTicker(15 * time.Millisecond)
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
