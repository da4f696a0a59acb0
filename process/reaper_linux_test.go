package process

import (
	"os"
	"syscall"
	"testing"
)

func TestOrphansAsSubreaper(t *testing.T) {
	p := launch(t, nil, as("supervise", as("orphans", "500")...)...)
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

func TestOrphansThatOutliveTheApp(t *testing.T) {
	p := launch(t, nil, as("late", as("orphans", "500", "leave")...)...)
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

// launchPID1 has a role taken by the first process of its own PID and mount namespaces. Where these are refused the test fails
// instead of being skipped: PID 1 is what schemagate is in every container.
func launchPID1(t *testing.T, role ...string) *program {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	t.Log("if this is not permitted: PID namespaces need root with CAP_SYS_ADMIN, or unprivileged user namespaces")
	return launch(t, attr, as("pid1", role...)...)
}

func TestOrphansAsPID1(t *testing.T) {
	for _, args := range [][]string{
		as("supervise", as("orphans", "500")...),
		as("late", as("orphans", "500", "leave")...),
	} {
		p := launchPID1(t, args[2:]...)
		if code := p.code(); code != 7 {
			t.Fatalf("%v: exit code %d, want 7", args[2:], code)
		}
	}
}

func TestForwardsAsPID1(t *testing.T) {
	p := launchPID1(t, as("supervise", as("echo-signals")...)[2:]...)
	p.expect("ready")
	p.signal(syscall.SIGTERM)
	p.expectSignal("on-term")
	p.expectSignal("SIGTERM")
	p.signal(syscall.SIGUSR2)
	p.expectSignal("SIGUSR2")
	if code := p.code(); code != 7 {
		t.Fatalf("exit code %d, want 7", code)
	}
}

func TestNoStatusIsLostAsSubreaper(t *testing.T) {
	p := launch(t, nil, as("rounds", "200")...)
	if code := p.code(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}
