package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func init() {
	roles = map[string]func([]string) int{
		"supervise":    func(args []string) int { return supervise(args, Supervision{OnTerm: sayTerm}) },
		"drain":        drain,
		"stop":         stopAfterStart,
		"echo-signals": echoSignals,
		"echo-lines":   echoLines,
		"stubborn":     stubborn,
		"polite":       polite,
		"guarding":     guarding,
		"rounds":       rounds,
		"orphans":      orphans,
		"late":         late,
		"pid1":         pid1,
		"shell":        shell,
	}
}

func sayTerm() { fmt.Println("on-term", monotonic()) }

// monotonic is a clock that all processes share, in nanoseconds.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

// supervise is what `schemagate run` is: it exits with the app's code, if nothing of its own is left.
func supervise(args []string, how Supervision) int {
	code, err := Supervise(context.Background(), Spec{Args: args, ParentDeathSignal: syscall.SIGKILL}, how)
	if err != nil {
		fmt.Println("error:", err)
	}
	return tidy(code)
}

// tidy is code if neither a zombie nor a goroutine is left, else failed.
func tidy(code int) int {
	if err := goleak.Find(); err != nil {
		return fail("%v", err)
	}
	all, _ := processes()
	for _, p := range all {
		if p.parent == os.Getpid() && p.dead {
			return fail("zombie left: %d (%s)", p.pid, p.name)
		}
	}
	return code
}

// drain DURATION CMD...
func drain(args []string) int {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return fail("%v", err)
	}
	return supervise(args[1:], Supervision{Drain: d, OnTerm: sayTerm})
}

// stopAfterStart GRACE CMD... cancels the context on SIGPIPE, which isn't forwarded.
func stopAfterStart(args []string) int {
	grace, err := time.ParseDuration(args[0])
	if err != nil {
		return fail("%v", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGPIPE)
	go func() {
		<-asked
		cancel(fmt.Errorf("the schema was taken away"))
	}()
	code, err := Supervise(ctx, Spec{Args: args[1:]}, Supervision{Grace: grace, Drain: time.Hour, OnTerm: sayTerm})
	fmt.Println("error:", err)
	return tidy(code)
}

// echoSignals prints every signal and when it came; after SIGUSR2 it exits with 7.
func echoSignals([]string) int {
	signals := make(chan os.Signal, 128)
	signal.Notify(signals)
	fmt.Println("ready")
	for s := range signals {
		fmt.Println(signalName(s.(syscall.Signal)), monotonic())
		if s == syscall.SIGUSR2 {
			return 7
		}
	}
	return failed
}

// echoLines prints every line of its input, and exits with 9 at "quit".
func echoLines([]string) int {
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "quit" {
			return 9
		}
		fmt.Println("got " + lines.Text())
	}
	return fail("the input ended: %v", lines.Err())
}

// stubborn ignores SIGTERM, like a server that waits for its last connection.
func stubborn([]string) int {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("up")
	return forever()
}

// polite needs a moment after SIGTERM, until the line that it waits for comes.
func polite([]string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("up")
	<-signals
	fmt.Println("bye")
	return 0
}

// guarding KIND SIGNAL CMD... starts a command, says the pid of its guard, and waits to be killed. On SIGUSR1 it begins to end the
// command.
func guarding(args []string) int {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return fail("%v", err)
	}
	r, err := Open(Options{Adopt: args[0] == "adopt"})
	if err != nil {
		return fail("%v", err)
	}
	c, err := r.Start(Spec{
		Args: args[2:], Guard: args[0] != "unguarded",
		ParentDeathSignal: syscall.Signal(number), NoStdin: true,
	})
	if err != nil {
		return fail("%v", err)
	}
	if c.guard != nil {
		fmt.Println("guard", c.guard.child.pid)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	<-asked
	return fail("ended: %v", c.KillGroup(context.Background(), time.Hour))
}

// rounds N starts children that exit at once, and says whether each one's code came back; as a subreaper.
func rounds(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fail("%v", err)
	}
	r, err := Open(Options{Adopt: true})
	if err != nil {
		return fail("%v", err)
	}
	if err := runRounds(context.Background(), r, n); err != nil {
		return fail("%v", err)
	}
	if err := r.Close(); err != nil {
		return fail("%v", err)
	}
	return tidy(0)
}

// orphans N [leave] makes N double-forked children that all end at one moment, and exits with 7: when the last of them is
// gone, or with "leave" at once.
func orphans(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fail("%v", err)
	}
	hold, release, err := os.Pipe()
	if err != nil {
		return fail("%v", err)
	}
	for range n {
		// The shell ends, the one that reads loses its parent.
		cmd := exec.Command("/bin/sh", "-c", "(read x <&3; exit 3) & exit 0")
		cmd.ExtraFiles = []*os.File{hold}
		if err := cmd.Run(); err != nil {
			return fail("%v", err)
		}
	}
	hold.Close()
	if got := siblings(); got != n {
		return fail("%d orphans came to the supervisor, want %d", got, n)
	}
	release.Close()
	for len(args) == 1 && siblings() > 0 {
		<-time.After(time.Millisecond) // nothing tells a process about its siblings
	}
	return 7
}

// siblings counts our parent's other children, zombies included.
func siblings() int {
	all, _ := processes()
	n := 0
	for _, p := range all {
		if p.parent == os.Getppid() && p.pid != os.Getpid() {
			n++
		}
	}
	return n
}

// late CMD... goes on collecting after its app has ended, until it has no child.
func late(args []string) int {
	r, err := Open(Options{Adopt: true})
	if err != nil {
		return fail("%v", err)
	}
	code, err := r.Supervise(context.Background(), Spec{Args: args}, Supervision{})
	if err != nil {
		return fail("%v", err)
	}
	for left := true; left; <-time.After(time.Millisecond) { // what it collects, it tells nobody
		left = false
		all, _ := processes()
		for _, p := range all {
			left = left || p.parent == os.Getpid()
		}
	}
	if err := r.Close(); err != nil {
		return fail("%v", err)
	}
	return tidy(code)
}

// pid1 ROLE ARG... takes a role as the first process of its namespaces.
func pid1(args []string) int {
	if os.Getpid() != 1 {
		return fail("we are process %d, not 1", os.Getpid())
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("make the mounts private: %v", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fail("mount this namespace's /proc: %v", err)
	}
	return roles[args[0]](args[1:])
}
