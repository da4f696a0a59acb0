package process

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the descriptor by which we know our controlling terminal: it is there when standard input is it.
const terminal = 0

// foregroundGroup is the group that has the terminal; 0 without a controlling terminal on standard input.
func foregroundGroup() int {
	pgid, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return pgid
}

// toForeground hands the terminal from our group to a child's. A child that was faster and has read from the terminal was
// stopped for it, hence SIGCONT.
func toForeground(pgid int) bool {
	if foregroundGroup() != unix.Getpgrp() {
		return false
	}
	if err := unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, pgid); err != nil {
		return false
	}
	_ = syscall.Kill(-pgid, syscall.SIGCONT)
	return true
}

// fromForeground takes the terminal back, unless a shell has taken it meanwhile. Doing so from the background raises SIGTTOU,
// which stops us unless ignored. Called with the reaper's lock held, so that no child is forked that would inherit this.
func fromForeground(pgid int) {
	if foregroundGroup() != pgid {
		return
	}
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, unix.Getpgrp())
}

// suspend follows a child that was stopped from the terminal (Ctrl-Z), so that the shell which waits for us sees a stopped
// job. Where there is no such shell no one could ever continue the child, so it goes on.
func (c *Child) suspend() {
	if !c.terminal {
		return
	}
	if !underJobControl() {
		_ = c.send(-c.pgid, syscall.SIGCONT)
		return
	}
	c.reaper.mu.Lock()
	fromForeground(c.pgid)
	c.reaper.mu.Unlock()
	_ = syscall.Kill(0, syscall.SIGSTOP) // our whole job, which may be a pipeline
}

// stopWith stops us beside a child that was told to stop. With the terminal we follow when it has really stopped; without (its
// input may be a file), Ctrl-Z has reached us alone, and the shell waits for us to stop.
func (c *Child) stopWith() {
	if !c.terminal && underJobControl() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// resume passes on SIGCONT; to the whole job, and with the terminal, if we were continued in the foreground.
func (c *Child) resume() error {
	if !c.terminal {
		return c.Signal(syscall.SIGCONT)
	}
	c.reaper.mu.Lock()
	alive := c.reaper.children[c.pid] == c
	if alive {
		toForeground(c.pgid)
	}
	c.reaper.mu.Unlock()
	if !alive {
		return os.ErrProcessDone
	}
	return c.send(-c.pgid, syscall.SIGCONT)
}

// underJobControl: our parent belongs to our session, but not to our job.
func underJobControl() bool {
	parent := os.Getppid()
	session, err := unix.Getsid(0)
	if err != nil || parent <= 0 {
		return false
	}
	theirs, err := unix.Getsid(parent)
	if err != nil || theirs != session {
		return false
	}
	group, err := unix.Getpgid(parent)
	return err == nil && group != unix.Getpgrp()
}
