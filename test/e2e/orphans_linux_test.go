package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// As PID 1 of a container, `run` inherits what the app leaves behind. Five hundred orphans leave no zombie, and none of them is
// taken for the app, whose exit code counts.
func TestFiveHundredOrphans(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	s.Up()
	orphans, apps := pipe(t, filepath.Join(s.Dir, ".orphans")), pipe(t, filepath.Join(s.Dir, ".app"))
	// Each orphan's parent ends at once; half of the orphans do so, too, half when they are told to, and all exit 3.
	app := fmt.Sprintf(`i=0
while [ $i -lt 250 ]; do (sh -c 'exit 3' &); (sh -c 'read x < %[1]s; exit 3' &); i=$((i+1)); done
echo made; read x < %[2]s; exit 7`, orphans.Name(), apps.Name())
	cmd := exec.Command(harness.Binary(), "run", "--", "sh", "-c", app)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	}
	r := s.StartCommand(cmd)
	r.AwaitOut("made")
	if pid := namespacePID(t, r.Cmd.Process.Pid); pid != "1" {
		t.Errorf("it is process %s of its namespace", pid)
	}
	// Children of ours: the app, and the orphans that still live.
	harness.Until(t, "250 orphans have been collected", func() bool {
		states := children(t, r.Cmd.Process.Pid)
		return len(states) == 251 && strings.Count(strings.Join(states, ""), "Z") == 0
	})
	tell(t, orphans, 250)
	harness.Until(t, "all orphans have been collected", func() bool { return len(children(t, r.Cmd.Process.Pid)) == 1 })
	tell(t, apps, 1)
	r.Exits(7)
}

// pipe makes a named pipe that stays open for both sides, so that nobody waits for the other to open it.
func pipe(t *testing.T, path string) *os.File {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // nobody reads any more
	return f
}

// tell lets n readers go on: each takes one end of a line.
func tell(t *testing.T, f *os.File, n int) {
	t.Helper()
	if _, err := f.WriteString(strings.Repeat("\n", n)); err != nil {
		t.Fatal(err)
	}
}

func namespacePID(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	f := strings.Fields(line)
	return f[len(f)-1]
}

// children returns the state of every child of a process, zombies included.
func children(t *testing.T, pid int) (states []string) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(b)) {
			stat, err := os.ReadFile("/proc/" + child + "/stat")
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			states = append(states, rest[:1])
		}
	}
	return states
}
