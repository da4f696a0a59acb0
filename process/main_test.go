package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// roles are filled in where the tests that need them are built.
var roles map[string]func(args []string) int

// The test binary is also every program that the tests start: `process.test as ROLE ARG...`.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" { // else every role would take a second to exit under the race detector
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // fails for other names only
	}
	GuardMain()
	if len(os.Args) > 2 && os.Args[1] == "as" {
		role, ok := roles[os.Args[2]]
		if !ok {
			fmt.Fprintf(os.Stderr, "no role %s\n", os.Args[2])
			os.Exit(98)
		}
		os.Exit(role(os.Args[3:]))
	}
	goleak.VerifyTestMain(m)
}

// failed is the exit code of a role that found something wrong.
const failed = 99

func fail(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return failed
}

// as is the command that runs a role.
func as(role string, args ...string) []string {
	return append([]string{self(), "as", role}, args...)
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// program is a started role, with the lines that it and its descendants write.
type program struct {
	t      *testing.T
	pid    int
	lines  *bufio.Scanner
	waited bool
}

// launch starts a command outside of any Reaper.
func launch(t *testing.T, attr *syscall.SysProcAttr, args ...string) *program {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	defer in.Close()
	p := forkProgram(t, attr, []uintptr{0, in.Fd(), 2}, args)
	p.lines = bufio.NewScanner(out)
	return p
}

func forkProgram(t *testing.T, attr *syscall.SysProcAttr, files []uintptr, args []string) *program {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	// The app must see the signals that were forwarded, not those that its own runtime sends.
	env := append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Env: env, Files: files, Sys: attr})
	if err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	p := &program{t: t, pid: pid}
	t.Cleanup(func() {
		if !p.waited {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			p.code()
		}
	})
	return p
}

// line is the next line of output; at its end the test fails.
func (p *program) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the output ended (%v)", p.lines.Err())
	}
	return p.lines.Text()
}

func (p *program) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("got line %q, want %q", got, want)
	}
}

func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.pid, sig); err != nil {
		p.t.Fatal(err)
	}
}

// ended reads until the last process that holds the output has ended, and returns what came.
func (p *program) ended() []string {
	p.t.Helper()
	var rest []string
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	return rest
}

// code waits for the program's end, as a shell would report it.
func (p *program) code() int {
	p.t.Helper()
	p.waited = true
	for {
		var status syscall.WaitStatus
		switch _, err := syscall.Wait4(p.pid, &status, 0, nil); {
		case err == syscall.EINTR:
		case err != nil:
			p.t.Fatal(err)
		case status.Signaled():
			return 128 + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}

func open(t *testing.T) *Reaper {
	t.Helper()
	r, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func start(t *testing.T, r *Reaper, spec Spec) *Child {
	t.Helper()
	c, err := r.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.KillGroup(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	return c
}

// outputPipe is a pipe for a child: its reader sees the end when the last process that holds it has ended.
func outputPipe(t *testing.T) (read *bufio.Scanner, write *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return bufio.NewScanner(r), w
}

func rest(s *bufio.Scanner) string {
	var lines []string
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines, "\n")
}

// forever blocks without being a deadlock in the eyes of the runtime.
func forever() int {
	r, _, err := os.Pipe()
	if err != nil {
		return failed
	}
	_, _ = io.Copy(io.Discard, r)
	return 0
}
