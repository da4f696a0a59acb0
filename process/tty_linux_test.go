package process

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/schemagate/schemagate/test/harness"
)

// onTerminal starts a role as the leader of a session on a new terminal; p.lines is what the terminal shows.
func onTerminal(t *testing.T, args ...string) (p *program, keyboard *os.File) {
	t.Helper()
	master, slave := harness.Terminal(t)
	defer slave.Close()
	p = forkProgram(t, &syscall.SysProcAttr{Setsid: true, Setctty: true}, []uintptr{slave.Fd(), slave.Fd(), slave.Fd()}, args)
	p.lines = bufio.NewScanner(master)
	return p, master
}

func typed(t *testing.T, keyboard *os.File, text string) {
	t.Helper()
	if _, err := keyboard.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// until reads what the terminal shows, echoed input included, up to a line.
func (p *program) until(want string) (before []string) {
	p.t.Helper()
	for {
		line := strings.TrimSpace(p.line())
		if strings.HasSuffix(line, want) {
			return before
		}
		if strings.Contains(line, "on-term") || strings.Contains(line, "error") {
			p.t.Fatalf("got %q before %q", line, want)
		}
		before = append(before, line)
	}
}

func TestTerminal(t *testing.T) {
	t.Run("input and Ctrl-C reach the app alone", func(t *testing.T) {
		p, keyboard := onTerminal(t, as("supervise", "sh", "-c", `trap 'echo interrupted; exit 8' INT; "$0" as echo-lines; exit 1`, self())...)
		p.until("ready")
		typed(t, keyboard, "hello\n")
		p.until("got hello")
		typed(t, keyboard, "\x03")
		p.until("interrupted") // and no on-term
		if code := p.code(); code != 8 {
			t.Fatalf("exit code %d, want 8", code)
		}
	})
	t.Run("Ctrl-Z without a shell does not stop it for ever", func(t *testing.T) {
		p, keyboard := onTerminal(t, as("supervise", as("echo-lines")...)...)
		p.until("ready")
		typed(t, keyboard, "\x1a")
		typed(t, keyboard, "hello\n")
		p.until("got hello")
		typed(t, keyboard, "quit\n")
		if code := p.code(); code != 9 {
			t.Fatalf("exit code %d, want 9", code)
		}
	})
	t.Run("Ctrl-Z and fg under a shell", func(t *testing.T) {
		p, keyboard := onTerminal(t, as("shell", as("supervise", as("echo-lines")...)...)...)
		p.until("ready")
		typed(t, keyboard, "\x1a")
		p.until("job stopped, terminal with the job: true")
		p.until("job continued")
		typed(t, keyboard, "hello\n")
		p.until("got hello")
		typed(t, keyboard, "quit\n")
		p.until("job ended with 9, terminal with the job: true")
		if code := p.code(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	})
	t.Run("Ctrl-Z and Ctrl-C when the input is a file", func(t *testing.T) {
		p, keyboard := onTerminal(t, as("shell", "/bin/sh", "-c", `exec "$0" as supervise sh -c 'echo ready; exec sleep 1000' </dev/null`, self())...)
		p.until("ready")
		typed(t, keyboard, "\x1a")
		p.until("job stopped, terminal with the job: true")
		p.until("job continued")
		typed(t, keyboard, "\x03")
		if line := p.line(); !strings.Contains(line, "on-term") {
			t.Fatalf("got %q, want on-term", line)
		}
		p.until("job ended with 130, terminal with the job: true")
		if code := p.code(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	})
}

// shell CMD... runs one job as a shell with job control does: once it stops, it is continued in the foreground.
func shell(args []string) int {
	signal.Ignore(syscall.SIGTTOU)
	job, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Foreground: true, Ctty: 0},
	})
	if err != nil {
		return fail("%v", err)
	}
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(job, &status, syscall.WUNTRACED, nil); err == syscall.EINTR {
			continue
		} else if err != nil {
			return fail("%v", err)
		}
		with := foregroundGroup() == job
		if !status.Stopped() {
			fmt.Printf("job ended with %d, terminal with the job: %v\n", status.ExitStatus(), with)
			return 0
		}
		if err := unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, unix.Getpgrp()); err != nil {
			return fail("%v", err)
		}
		fmt.Printf("job stopped, terminal with the job: %v\n", with)
		if err := unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, job); err != nil {
			return fail("%v", err)
		}
		if err := syscall.Kill(-job, syscall.SIGCONT); err != nil {
			return fail("%v", err)
		}
		fmt.Println("job continued")
	}
}
