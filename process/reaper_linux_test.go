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

// namespace gives a program its own PID and mount namespaces. Where that is refused the tests fail: PID 1 is what schemagate
// is in every container.
func namespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

func TestOrphansAsPID1(t *testing.T) {
	t.Log("needs PID and mount namespaces: root, or unprivileged user namespaces")
	for _, args := range [][]string{
		as("supervise", as("orphans", "500")...),
		as("late", as("orphans", "500", "leave")...),
	} {
		p := launch(t, namespace(), as("pid1", args[2:]...)...)
		if code := p.code(); code != 7 {
			t.Fatalf("%v: exit code %d, want 7", args[2:], code)
		}
	}
}

func TestForwardsAsPID1(t *testing.T) {
	p := launch(t, namespace(), as("pid1", as("supervise", as("echo-signals")...)[2:]...)...)
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
