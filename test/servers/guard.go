package servers

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// guard is a small shell process that outlives a killed test binary just long enough to end the server and to remove its
// directory. The parent-death signal alone would not do: a stopped process does not act on it, and PostgreSQL's
// backends are children of the server, not ours.
type guard struct {
	cmd  *exec.Cmd
	pipe *os.File // its end is how the guard learns that we are gone
}

// The guard finds the server's processes by their working directory, which is never reused by others, as a pid may be.
const guardScript = `
read -r _ && exit 0
members() {
	for p in /proc/[0-9]*; do
		case $(readlink "$p/cwd" 2>/dev/null) in "$1" | "$1"/*) echo "${p#/proc/}" ;; esac
	done
}
for signal in "$2" KILL KILL; do
	n=0
	while pids=$(members "$1") && [ -n "$pids" ] && [ $n -lt 20 ]; do
		[ $n = 0 ] && kill -s "$signal" $pids && kill -s CONT $pids
		n=$((n + 1))
		sleep 0.1
	done
done 2>/dev/null
while read -r _ mount _; do
	case $mount in "$1"/*) umount -l "$mount" ;; esac
done </proc/mounts
rm -rf -- "$1"
`

func startGuard(dir string, signal syscall.Signal) (*guard, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard %s: %w", dir, err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command("/bin/sh", "-c", guardScript, "schemagate-test-guard", dir, signalName(signal))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Stdin = r
	// A session of its own: what ends the test binary's group must not end the guard.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("guard %s: %w", dir, err)
	}
	return &guard{cmd: cmd, pipe: w}, nil
}

// release tells the guard that all is in order and waits for its end.
func (g *guard) release() error {
	_, err := g.pipe.WriteString("released\n")
	_ = g.pipe.Close()
	if werr := g.cmd.Wait(); err == nil {
		err = werr
	}
	return err
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGQUIT:
		return "QUIT"
	case syscall.SIGTERM:
		return "TERM"
	case syscall.SIGINT:
		return "INT"
	default:
		return "KILL"
	}
}
