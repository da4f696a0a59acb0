package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("plain-in-path", "#!/bin/sh\n", 0o644)
	t.Setenv("PATH", os.Getenv("PATH")+":"+dir)

	tests := []struct {
		name string
		args []string
		dir  string
		code int
		err  error  // of Start
		says string // in that error
	}{
		{name: "zero", args: []string{"sh", "-c", "exit 0"}},
		{name: "seven", args: []string{"sh", "-c", "exit 7"}, code: 7},
		{name: "killed by SIGTERM", args: []string{"sh", "-c", "kill -TERM $$"}, code: 143},
		{name: "killed by SIGKILL", args: []string{"sh", "-c", "kill -KILL $$"}, code: 137},
		{name: "not in PATH", args: []string{"no-such-command"}, code: 127, err: ErrNotFound, says: "no directory of PATH"},
		{name: "no such file", args: []string{dir + "/none"}, code: 127, err: ErrNotFound, says: dir + "/none"},
		{name: "no permission", args: []string{file("plain", "#!/bin/sh\n", 0o644)}, code: 126, err: ErrNotExecutable, says: "permission"},
		{name: "no permission in PATH", args: []string{"plain-in-path"}, code: 126, err: ErrNotExecutable, says: "permission"},
		{name: "directory", args: []string{dir}, code: 126, err: ErrNotExecutable},
		{name: "below a file", args: []string{dir + "/plain/x"}, code: 126, err: ErrNotExecutable},
		{
			name: "interpreter missing", args: []string{file("script", "#!/no/such/bash -e\n", 0o755)},
			code: 126, err: ErrNotExecutable, says: "asks for /no/such/bash,",
		},
		{
			name: "no format", args: []string{file("garbage", "\x00\x01", 0o755)},
			code: 126, err: ErrNotExecutable, says: "architecture",
		},
		{name: "working directory missing", args: []string{"sh"}, dir: dir + "/none", code: 126, says: "working directory"},
		{name: "relative to the working directory", args: []string{"./script"}, dir: dir, code: 126, err: ErrNotExecutable, says: "/no/such/bash"},
		{name: "nothing", code: 126, says: "no command"},
	}
	r := open(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := r.Start(Spec{Args: test.args, Dir: test.dir})
			if test.err != nil || test.says != "" {
				if err == nil {
					t.Fatalf("started, want %v", test.err)
				}
				if test.err != nil && !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("error %q, want %v with %q", err, test.err, test.says)
				}
				if got := CodeOf(err); got != test.code {
					t.Fatalf("CodeOf = %d, want %d", got, test.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			exit, err := c.Wait(t.Context())
			if err != nil || exit.Code != test.code {
				t.Fatalf("Wait = %v, %v; want code %d", exit, err, test.code)
			}
			if want := test.code > 128; (exit.Signal != 0) != want {
				t.Fatalf("signal %v, want one: %v", exit.Signal, want)
			}
			if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Fatalf("Signal after the end = %v", err)
			}
		})
	}
}

// runRounds starts n children that exit at once, several at a time, and checks that each one's own code comes back.
func runRounds(ctx context.Context, r *Reaper, n int) error {
	errs := make(chan error, n)
	var started sync.WaitGroup
	const lanes = 4
	for lane := range lanes {
		started.Go(func() {
			for i := lane; i < n; i += lanes {
				errs <- func() error {
					c, err := r.Start(Spec{Args: []string{"/bin/sh", "-c", fmt.Sprintf("exit %d", i%256)}})
					if err != nil {
						return err
					}
					exit, err := c.Wait(ctx)
					if err == nil && exit.Code != i%256 {
						err = fmt.Errorf("round %d: %v", i, exit)
					}
					return err
				}()
			}
		})
	}
	started.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func TestNoStatusIsLost(t *testing.T) {
	r := open(t)
	if err := runRounds(t.Context(), r, 200); err != nil {
		t.Fatal(err)
	}
}

func TestOneReaper(t *testing.T) {
	r := open(t)
	if _, err := Open(Options{}); err == nil {
		t.Fatal("a second Reaper was opened")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(Spec{Args: []string{"true"}}); !errors.Is(err, ErrClosed) {
		t.Fatalf("Start after Close = %v", err)
	}
	second, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseLetsGo(t *testing.T) {
	r := open(t)
	lines, in := outputPipe(t)
	c := start(t, r, Spec{Args: as("stubborn"), Stdout: in, Stderr: Lines(func(string) {})})
	if !lines.Scan() {
		t.Fatal("it did not come up")
	}
	pid := c.Pid()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("Wait = %v", err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("it did not stay alive: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	r := open(t)
	c := start(t, r, Spec{Args: []string{"sleep", "1000"}})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Wait(ctx); !errors.Is(err, cause) {
		t.Fatalf("Wait = %v", err)
	}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit, err := c.Wait(t.Context()); err != nil || exit.Signal != syscall.SIGTERM || exit.Code != 143 {
		t.Fatalf("Wait = %v, %v", exit, err)
	}
}

func TestOutput(t *testing.T) {
	r := open(t)
	t.Run("both streams in one writer, the last line without an end", func(t *testing.T) {
		var got []string
		lines := Lines(func(line string) { got = append(got, line) })
		c := start(t, r, Spec{Args: []string{"sh", "-c", "echo one; echo two >&2; printf three"}, Stdout: lines, Stderr: lines})
		if exit, err := c.Wait(t.Context()); err != nil || exit.Code != 0 {
			t.Fatal(exit, err)
		}
		lines.Close()
		if want := "one two three"; strings.Join(got, " ") != want {
			t.Fatalf("got %q", got)
		}
	})
	t.Run("all of it is there when Wait returns", func(t *testing.T) {
		n := 0
		c := start(t, r, Spec{Args: []string{"sh", "-c", "head -c 1000000 /dev/zero"}, Stdout: writer(func(p []byte) error { n += len(p); return nil })})
		if _, err := c.Wait(t.Context()); err != nil || n != 1000000 {
			t.Fatal(n, err)
		}
	})
	t.Run("a writer that fails does not stop the command", func(t *testing.T) {
		full := errors.New("disk full")
		c := start(t, r, Spec{Args: []string{"sh", "-c", "head -c 1000000 /dev/zero; exit 5"}, Stdout: writer(func([]byte) error { return full })})
		if exit, err := c.Wait(t.Context()); exit.Code != 5 || !errors.Is(err, full) {
			t.Fatal(exit, err)
		}
	})
	t.Run("a descendant that keeps the pipe does not hold up Wait", func(t *testing.T) {
		c := start(t, r, Spec{Args: []string{"sh", "-c", `sleep 1000 & exit 4`}, Stdout: Lines(func(string) {})})
		if exit, err := c.Wait(t.Context()); exit.Code != 4 || err != nil {
			t.Fatal(exit, err)
		}
	})
	t.Run("no standard input", func(t *testing.T) {
		c := start(t, r, Spec{Args: []string{"sh", "-c", "read x || exit 6"}, NoStdin: true})
		if exit, err := c.Wait(t.Context()); exit.Code != 6 || err != nil {
			t.Fatal(exit, err)
		}
	})
	t.Run("environment and directory", func(t *testing.T) {
		var got []string
		dir := t.TempDir()
		lines := Lines(func(line string) { got = append(got, line) })
		c := start(t, r, Spec{Args: []string{"/bin/sh", "-c", "pwd; /usr/bin/env"}, Dir: dir, Env: []string{"ONLY=this"}, Stdout: lines})
		if exit, err := c.Wait(t.Context()); exit.Code != 0 || err != nil {
			t.Fatal(exit, err)
		}
		all := strings.Join(got, "\n")
		if got[0] != dir || !strings.Contains(all, "ONLY=this") || strings.Contains(all, "HOME=") || strings.Contains(all, markName) {
			t.Fatalf("got %q", got)
		}
	})
}

type writer func([]byte) error

func (w writer) Write(p []byte) (int, error) {
	if err := w(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
