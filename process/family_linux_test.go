package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKillGroup(t *testing.T) {
	const patient = time.Hour
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name   string
		script string // with "$0" as the test binary; prints as many "up" as there are processes to wait for
		up     int
		guard  bool
		ctx    context.Context
		grace  time.Duration
		rest   string // what is printed after "up"
		code   int
	}{
		{name: "alone", script: `exec "$0" as stubborn`, up: 1, code: 137},
		{name: "obeys SIGTERM", script: `exec "$0" as polite`, up: 1, grace: patient, rest: "bye", code: 0},
		{name: "a grandchild that obeys", script: `"$0" as polite & wait`, up: 1, grace: patient, rest: "bye", code: 143},
		{name: "a grandchild that ignores SIGTERM", script: `"$0" as stubborn & wait`, up: 1, grace: 100 * time.Millisecond, code: 143},
		{name: "the context cuts the grace", script: `"$0" as stubborn & wait`, up: 1, grace: patient, ctx: cancelled, code: 143},
		{name: "stopped", script: `echo up; kill -STOP $$; echo never`, up: 1, grace: patient, code: 143},
		{name: "in its own session", script: `setsid "$0" as stubborn & wait`, up: 1, code: 143},
		{name: "left behind", script: `"$0" as stubborn & exit 3`, up: 1, code: 3},
		{name: "guarded", script: `"$0" as stubborn & wait`, up: 1, guard: true, grace: 100 * time.Millisecond, code: 143},
		{name: "guarded, obeys", script: `exec "$0" as polite`, up: 1, guard: true, grace: patient, rest: "bye", code: 0},
		{name: "guarded, a daemon", script: `setsid sh -c '"$0" as stubborn & "$0" as stubborn & exit' "$0"; exit 4`, up: 2, guard: true, code: 4},
		{name: "guarded, nothing left", script: `echo up; exit 5`, up: 1, guard: true, grace: patient, code: 5},
	}
	r := open(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, in := outputPipe(t)
			c := start(t, r, Spec{Args: []string{"sh", "-c", test.script, self()}, Stdout: in, Guard: test.guard})
			in.Close()
			for range test.up {
				if !lines.Scan() || lines.Text() != "up" {
					t.Fatalf("got %q, want up", lines.Text())
				}
			}
			if strings.Contains(test.script, "exit") { // about what stays behind
				<-c.Done()
			}
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			if err := c.KillGroup(ctx, test.grace); err != nil {
				t.Fatal(err)
			}
			exit, err := c.Wait(t.Context())
			// With no grace SIGKILL may overtake SIGTERM.
			if err != nil || exit.Code != test.code && (test.grace > 0 || exit.Code != 137) {
				t.Fatalf("%v, %v; want %d", exit, err, test.code)
			}
			if got := rest(lines); got != test.rest { // ends once no process holds the pipe
				t.Fatalf("printed %q, want %q", got, test.rest)
			}
			if left := len(r.children); left != 0 {
				t.Fatalf("%d children left, guards included", left)
			}
			if err := c.KillGroup(t.Context(), 0); err != nil {
				t.Fatalf("the second time: %v", err)
			}
		})
	}
}

func TestRun(t *testing.T) {
	r := open(t)
	t.Run("leaves nothing behind", func(t *testing.T) {
		lines, in := outputPipe(t)
		exit, err := r.Run(t.Context(), Spec{Args: []string{"sh", "-c", `"$0" as stubborn & exit 3`, self()}, Stdout: in, Guard: true}, 0)
		in.Close()
		if err != nil || exit.Code != 3 {
			t.Fatal(exit, err)
		}
		_ = rest(lines)
	})
	t.Run("ends with its context", func(t *testing.T) {
		cause := errors.New("the lease is lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		up := Lines(func(line string) {
			if line == "up" {
				cancel(cause)
			}
		})
		exit, err := r.Run(ctx, Spec{Args: as("polite"), Stdout: up, Guard: true}, time.Hour)
		if !errors.Is(err, cause) || exit.Code != 0 {
			t.Fatal(exit, err)
		}
	})
	t.Run("does not start when its context has ended", func(t *testing.T) {
		cause := errors.New("the lease is lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		mark := t.TempDir() + "/started"
		_, err := r.Run(ctx, Spec{Args: []string{"touch", mark}}, time.Hour)
		if _, statErr := os.Stat(mark); !errors.Is(err, cause) || !os.IsNotExist(statErr) {
			t.Fatal(err, statErr)
		}
	})
	t.Run("not found", func(t *testing.T) {
		if _, err := r.Run(t.Context(), Spec{Args: []string{"no-such-command"}, Guard: true}, 0); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		// What is found too late to be known before its guard runs must not leave that behind.
		if _, err := r.Run(t.Context(), Spec{Args: []string{"/no/such/command"}, Guard: true}, 0); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if left := len(r.children); left != 0 {
			t.Fatalf("%d children left", left)
		}
	})
}

func TestParentKilled(t *testing.T) {
	const ending = `trap 'echo told' TERM; "$0" as stubborn & while :; do wait; done`
	tests := []struct {
		name   string
		kind   string
		signal syscall.Signal
		script string
		up     int
	}{
		{"the child itself", "unguarded", syscall.SIGKILL, `exec "$0" as stubborn`, 1},
		{"a grandchild in the group", "guarded", syscall.SIGKILL, `"$0" as stubborn & wait`, 1},
		{"a grandchild that ignores SIGTERM", "guarded", syscall.SIGTERM, `"$0" as stubborn & wait`, 1},
		{"a pipeline", "adopt", syscall.SIGKILL, `"$0" as stubborn | cat & "$0" as stubborn; true`, 2},
		{"while it was ending the group", "guarded", syscall.SIGKILL, ending, 1},
		{"a daemon outside of group and session", "adopt", 0, `setsid sh -c '"$0" as stubborn & exit' "$0"; "$0" as stubborn; true`, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := launch(t, nil, as("guarding", test.kind, fmt.Sprint(int(test.signal)), "sh", "-c", test.script, self())...)
			guard := 0
			for up := 0; up < test.up || guard == 0 && test.kind != "unguarded"; {
				line := p.line()
				if n, _ := fmt.Sscanf(line, "guard %d", &guard); n == 0 {
					if line != "up" {
						t.Fatalf("got %q", line)
					}
					up++
				}
			}
			born := startTime(guard)
			if test.script == ending {
				p.signal(syscall.SIGUSR1)
				p.expect("told")
			}
			p.signal(syscall.SIGKILL)
			if code := p.code(); code != 137 {
				t.Fatalf("exit code %d", code)
			}
			if rest := p.ended(); len(rest) != 0 { // ends only when every descendant has
				t.Fatalf("got %q", rest)
			}
			for guard != 0 {
				if p, ok := readStat(guard); !ok || p.dead || p.start != born {
					break
				}
				<-time.After(time.Millisecond) // it isn't ours any more, nothing tells of its end
			}
		})
	}
}

func TestDeathOfAThreadIsNotOurs(t *testing.T) {
	r := open(t)
	lines, in := outputPipe(t)
	var c *Child
	var err error
	thread := onThreadThatEnds(func() {
		c, err = r.Start(Spec{Args: as("polite"), Stdout: in, ParentDeathSignal: syscall.SIGKILL})
	})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if !lines.Scan() || lines.Text() != "up" {
		t.Fatalf("got %q, want up", lines.Text())
	}
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread)); os.IsNotExist(err) {
			break
		}
		runtime.Gosched()
	}
	if err := c.KillGroup(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if exit, err := c.Wait(t.Context()); err != nil || exit.Code != 0 {
		t.Fatalf("%v, %v; want a normal end", exit, err)
	}
}

// onThreadThatEnds runs f on a thread that Go ends afterwards: that of a goroutine which never unlocks it. The main thread is
// kept busy meanwhile, as Go never ends that one.
func onThreadThatEnds(f func()) (thread int) {
	done := make(chan int)
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			done <- onThreadThatEnds(f)
			runtime.UnlockOSThread()
			return
		}
		f()
		done <- syscall.Gettid()
	}()
	return <-done
}

func TestGuardNeedsMain(t *testing.T) {
	guardMain.Store(false)
	defer guardMain.Store(true)
	r := open(t)
	if _, err := r.Start(Spec{Args: []string{"true"}, Guard: true}); err == nil || !strings.Contains(err.Error(), "GuardMain") {
		t.Fatalf("Start = %v", err)
	}
}

func TestAForeignGroupIsLeftAlone(t *testing.T) {
	// A process that leads a group, as if its number had been our child's before.
	r := open(t)
	other := start(t, r, Spec{Args: []string{"sleep", "1000"}})
	f := &family{pgid: other.pgid, leader: identity{other.pid, "1"}}
	if got := f.members(); len(got) != 0 {
		t.Fatalf("members of another's group: %v", got)
	}
	f = &family{pgid: other.pgid, leader: other.identity}
	if got := f.members(); len(got) != 1 || got[0].name != "sleep" {
		t.Fatalf("members of its own: %v", got)
	}
	member{identity: identity{other.pid, "1"}}.signal(syscall.SIGKILL)
	if err := other.KillGroup(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if exit, err := other.Wait(t.Context()); err != nil || exit.Signal != syscall.SIGTERM {
		t.Fatal(exit, err)
	}
	if startTime(os.Getpid()) == "" {
		t.Fatal("no start time of our own")
	}
}
