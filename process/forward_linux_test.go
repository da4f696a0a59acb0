package process

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stamp splits a line of echo-signals or sayTerm into what and when.
func stamp(t *testing.T, line string) (string, time.Duration) {
	t.Helper()
	space := strings.LastIndex(line, " ")
	at, err := strconv.ParseInt(line[space+1:], 10, 64)
	if space < 0 || err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	return line[:space], time.Duration(at)
}

func (p *program) expectSignal(want string) time.Duration {
	p.t.Helper()
	got, at := stamp(p.t, p.line())
	if got != want {
		p.t.Fatalf("got %s, want %s", got, want)
	}
	return at
}

func TestForwardsEverySignalInOrder(t *testing.T) {
	p := launch(t, nil, as("supervise", as("echo-signals")...)...)
	p.expect("ready")
	// The other way round than the kernel sorts them.
	for _, s := range slices.Backward(forwardable()) {
		sig := s.(syscall.Signal)
		if sig == syscall.SIGUSR2 {
			continue // ends echo-signals
		}
		p.signal(sig)
		if sig == syscall.SIGTERM { // the first of the two that ask for the end
			p.expectSignal("on-term")
		}
		p.expectSignal(signalName(sig))
	}
	p.signal(syscall.SIGUSR2)
	p.expectSignal("SIGUSR2")
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

func TestKeepsItsOwnSignals(t *testing.T) {
	p := launch(t, nil, as("supervise", as("echo-signals")...)...)
	p.expect("ready")
	for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE} {
		p.signal(sig)
	}
	p.signal(64) // of all pending signals this one comes last
	p.expectSignal(signalName(64))
	p.signal(syscall.SIGUSR2)
	p.expectSignal("SIGUSR2")
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

func TestKeepsIgnoringWhatItWasStartedToIgnore(t *testing.T) {
	p := launch(t, nil, append([]string{"nohup"}, as("supervise", as("echo-signals")...)...)...)
	p.expect("ready")
	p.signal(syscall.SIGHUP)
	p.signal(syscall.SIGUSR2) // later than SIGHUP, by number
	p.expectSignal("SIGUSR2")
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

func TestDrain(t *testing.T) {
	for _, first := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run("holds back "+signalName(first), func(t *testing.T) {
			p := launch(t, nil, as("drain", append([]string{"1h"}, as("echo-signals")...)...)...)
			p.expect("ready")
			p.signal(first)
			p.expectSignal("on-term")
			p.signal(syscall.SIGUSR1)
			p.expectSignal("SIGUSR1") // others don't wait
			p.signal(syscall.SIGTERM)
			p.expectSignal("SIGTERM") // the second does not either, and takes the first one's place
			p.signal(syscall.SIGTERM)
			p.expectSignal("SIGTERM")
			p.signal(syscall.SIGUSR2)
			p.expectSignal("SIGUSR2")
			if code := p.code(); code != 7 {
				t.Fatalf("exit code %d, want 7", code)
			}
		})
	}
	t.Run("then forwards", func(t *testing.T) {
		p := launch(t, nil, as("drain", append([]string{"300ms"}, as("echo-signals")...)...)...)
		p.expect("ready")
		p.signal(syscall.SIGTERM)
		told := p.expectSignal("on-term")
		if waited := p.expectSignal("SIGTERM") - told; waited < 300*time.Millisecond {
			t.Fatalf("forwarded after %v", waited)
		}
		p.signal(syscall.SIGUSR2)
		p.expectSignal("SIGUSR2")
		if code := p.code(); code != 7 {
			t.Fatalf("exit code %d, want 7", code)
		}
	})
	t.Run("ends with the app", func(t *testing.T) {
		p := launch(t, nil, as("drain", append([]string{"1h"}, as("echo-signals")...)...)...)
		p.expect("ready")
		p.signal(syscall.SIGTERM)
		p.expectSignal("on-term")
		p.signal(syscall.SIGUSR2)
		p.expectSignal("SIGUSR2")
		if code := p.code(); code != 7 {
			t.Fatalf("exit code %d, want 7", code)
		}
	})
}

func TestSupervisedExitCodes(t *testing.T) {
	tests := []struct {
		args []string
		code int
		says string
	}{
		{args: []string{"sh", "-c", "exit 0"}},
		{args: []string{"sh", "-c", "exit 7"}, code: 7},
		{args: []string{"sh", "-c", "kill -SEGV $$"}, code: 139},
		{args: []string{"no-such-command"}, code: 127, says: "command not found"},
		{args: []string{"/dev/null"}, code: 126, says: "not executable"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			p := launch(t, nil, as("supervise", test.args...)...)
			said := strings.Join(p.ended(), "\n")
			if code := p.code(); code != test.code || !strings.Contains(said, test.says) {
				t.Fatalf("exit code %d, want %d; said %q", code, test.code, said)
			}
		})
	}
}

func TestSuperviseIsStoppedFromOutside(t *testing.T) {
	t.Run("the app obeys", func(t *testing.T) {
		p := launch(t, nil, as("stop", append([]string{"1h"}, as("polite")...)...)...)
		p.expect("up")
		p.signal(syscall.SIGPIPE)
		p.expect("bye")
		p.expect("error: stop the app: the schema was taken away")
		if code := p.code(); code != 0 {
			t.Fatalf("exit code %d, want the app's", code)
		}
	})
	t.Run("a grandchild does not", func(t *testing.T) {
		p := launch(t, nil, as("stop", "100ms", "sh", "-c", `"$0" as stubborn & wait`, self())...)
		p.expect("up")
		p.signal(syscall.SIGPIPE)
		p.expect("error: stop the app: the schema was taken away")
		if rest := p.ended(); len(rest) != 0 { // the end means that no one holds the pipe
			t.Fatalf("got %q", rest)
		}
		if code := p.code(); code != 143 {
			t.Fatalf("exit code %d, want 143", code)
		}
	})
}
