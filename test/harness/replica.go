package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Replica is one running schemagate.
type Replica struct {
	t        *testing.T
	Cmd      *exec.Cmd
	Out, Err *Stream
	Done     chan struct{} // closed when the process has ended
	abrupt   bool
}

// Start runs a command as it is.
func Start(t *testing.T, cmd *exec.Cmd) *Replica { t.Helper(); return start(t, cmd, false) }

func start(t *testing.T, cmd *exec.Cmd, abrupt bool) *Replica {
	t.Helper()
	r := &Replica{t: t, Cmd: cmd, Out: NewStream(), Err: NewStream(), Done: make(chan struct{}), abrupt: abrupt}
	cmd.Stdout, cmd.Stderr = r.Out, r.Err
	cmd.WaitDelay = 5 * time.Second // who inherited its output must not keep the test waiting
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.Done)
		_ = cmd.Wait() // the process state tells
	}()
	t.Cleanup(r.End)
	return r
}

// End is the cleanup: whatever the test left running ends now.
func (r *Replica) End() {
	r.t.Helper()
	if r.abrupt {
		_ = r.Cmd.Process.Kill() // a stopped one too
	} else {
		for _, sig := range []syscall.Signal{syscall.SIGCONT, syscall.SIGTERM, syscall.SIGTERM} {
			_ = r.Cmd.Process.Signal(sig) // it may have ended
		}
	}
	select {
	case <-r.Done:
	case <-time.After(10 * time.Second):
		_ = r.Cmd.Process.Kill()
		<-r.Done
	}
	if strings.Contains(r.Err.Text(), "WARNING: DATA RACE") {
		r.t.Errorf("data race in %s", r)
	}
	if r.t.Failed() {
		r.t.Logf("%s", r)
	}
}

func (r *Replica) String() string {
	state := "running"
	if r.Ended() {
		state = r.Cmd.ProcessState.String()
	}
	return fmt.Sprintf("%s (pid %d, %s)\nstdout: %sstderr:\n%s",
		strings.Join(r.Cmd.Args[1:], " "), r.Cmd.Process.Pid, state, r.Out.Text(), r.Err.Text())
}

// Ended tells whether the process has ended by now.
func (r *Replica) Ended() bool {
	select {
	case <-r.Done:
		return true
	default:
		return false
	}
}

// Code is the exit code of an ended replica; 128+n for a signal, as a shell has it.
func (r *Replica) Code() int {
	if ws, ok := r.Cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return r.Cmd.ProcessState.ExitCode()
}

// Exits waits for the end and checks the code.
func (r *Replica) Exits(code int) {
	r.t.Helper()
	select {
	case <-r.Done:
	case <-time.After(Patience):
		r.t.Fatalf("no end of %s", r)
	}
	if got := r.Code(); got != code {
		r.t.Fatalf("exit code %d, want %d: %s", got, code, r)
	}
}

// Signal sends a signal; it may have ended.
func (r *Replica) Signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.Cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Fatal(err)
	}
}

// Kill ends it with SIGKILL and waits until it is gone.
func (r *Replica) Kill() {
	r.t.Helper()
	r.Signal(syscall.SIGKILL)
	<-r.Done
}

// Await returns the first line of the log that holds the text, which may come later.
func (r *Replica) Await(text string) string { r.t.Helper(); return r.AwaitN(text, 1) }

// AwaitN waits for the n-th such line.
func (r *Replica) AwaitN(text string, n int) string {
	r.t.Helper()
	return r.awaitIn(r.Err, text, n)
}

// AwaitOut waits for a line of the standard output, where the app under `run` speaks.
func (r *Replica) AwaitOut(text string) string { r.t.Helper(); return r.awaitIn(r.Out, text, 1) }

func (r *Replica) awaitIn(s *Stream, text string, n int) string {
	r.t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for {
		lines, changed := s.Grep(text)
		if len(lines) >= n {
			return lines[n-1]
		}
		select {
		case <-changed:
		case <-r.Done:
			if lines, _ := s.Grep(text); len(lines) >= n {
				return lines[n-1]
			}
			r.t.Fatalf("it ended without saying %q: %s", text, r)
		case <-timeout.C:
			r.t.Fatalf("it did not say %q: %s", text, r)
		}
	}
}

// Said tells whether the log holds the text by now.
func (r *Replica) Said(text string) bool { return r.Count(text) > 0 }

// Count counts the log's lines that hold the text by now.
func (r *Replica) Count(text string) int {
	lines, _ := r.Err.Grep(text)
	return len(lines)
}

// Says checks that the log, or the error at its end, holds all the texts.
func (r *Replica) Says(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if !r.Said(text) {
			r.t.Errorf("it does not say %q: %s", text, r)
		}
	}
}

// SaysOut is Says for the standard output.
func (r *Replica) SaysOut(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Out.Text(), text) {
			r.t.Errorf("it does not print %q: %s", text, r)
		}
	}
}

// NeverSays checks that the log holds none of the texts.
func (r *Replica) NeverSays(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if r.Said(text) {
			r.t.Errorf("it says %q: %s", text, r)
		}
	}
}

// LastWords is what schemagate says of the error that ends it.
func (r *Replica) LastWords() string {
	r.t.Helper()
	_, words, ok := strings.Cut(r.Err.Text(), "schemagate: ")
	if !ok {
		r.t.Fatalf("it has no last words: %s", r)
	}
	return strings.TrimSpace(words)
}

// JSON decodes the standard output.
func (r *Replica) JSON(into any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.Out.Text()), into); err != nil {
		r.t.Fatalf("%v in %s", err, r)
	}
}

// Msg is how a log line holds a message that begins so.
func Msg(text string) string { return `"msg":"` + text }
