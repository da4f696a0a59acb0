package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout is how long a server may take to end or to come up on a busy machine. It only bounds a hang.
const stopTimeout = 60 * time.Second

// process is one run of a server.
type process struct {
	pid  int
	done chan struct{} // closed when it was reaped
	err  error         // how it ended; read after done
}

// launch is what startProcess needs to know.
type launch struct {
	path        string
	args        []string
	dir         string // working directory; all of the server's processes stay in it or below
	log         string
	credential  *syscall.Credential
	deathSignal syscall.Signal // what it gets when the test binary dies
}

// startProcess starts a process group of its own. One goroutine owns the process and ends with it; wait for done.
func startProcess(l launch) (*process, error) {
	log, err := os.OpenFile(l.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(l.path, l.args...)
	cmd.Dir = l.dir
	cmd.Env = serverEnvironment(l.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: l.deathSignal, Credential: l.credential}

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread that forked ends, so that thread belongs to the
		// child until it is reaped (and ends then, being locked).
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// serverEnvironment is the same on every machine, and keeps what a server leaves in its own directory.
func serverEnvironment(dir string) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "TZ=UTC"}
}

// ended tells whether the process has been reaped.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// members lists the processes that work in dir or below: the server and whatever it started, also orphans.
func members(dir string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// A process that ended meanwhile, or is not ours to look at, is no member.
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/")) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// signalMembers sends a signal to every process in dir, and returns how many got it.
func signalMembers(dir string, sig syscall.Signal) (int, error) {
	pids, err := members(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, pid := range pids {
		switch err := syscall.Kill(pid, sig); {
		case err == nil:
			n++
		case !errors.Is(err, syscall.ESRCH):
			return n, fmt.Errorf("send %s to %d: %w", sig, pid, err)
		}
	}
	return n, nil
}

// killMembers ends every process in dir for good and returns when none is left.
func killMembers(dir string) error {
	deadline := time.Now().Add(stopTimeout)
	for {
		pids, err := members(dir)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := killAndWait(pid, dir, time.Until(deadline)); err != nil {
				return err
			}
		}
	}
}

// killAndWait holds the process by a descriptor, so that neither the signal nor the wait can meet a later owner of its pid.
func killAndWait(pid int, dir string, timeout time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || !strings.HasPrefix(cwd, dir) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(timeout, 0).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("process %d did not end within %s of SIGKILL", pid, stopTimeout)
		}
		return nil
	}
}

// stopped tells whether every process in dir is stopped by a signal.
func stopped(dir string) (bool, error) {
	pids, err := members(dir)
	if err != nil {
		return false, err
	}
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The state follows the name, which is in parentheses and may hold any character.
		_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
		if !strings.HasPrefix(rest, "T") && !strings.HasPrefix(rest, "Z") {
			return false, nil
		}
	}
	return true, nil
}
