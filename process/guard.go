package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	guardName = "schemagate-guard"
	// markName is not spelled SCHEMAGATE_...: it is no setting, and a schemagate inside a command must not take it for one.
	markName = "_SCHEMAGATE_COMMAND_MARK"
	// guardGrace is what a command has to clean up once we were killed. A successor is held off by the lease's TTL only, so it
	// is short.
	guardGrace = 2 * time.Second
)

// guardMain tells whether main calls GuardMain: without that, a guard would be a second schemagate.
var guardMain atomic.Bool

// guard is the process that outlives us for a moment. It leads the command's process group: the group's number can't be given
// to others while the guard lives, and there is no moment in which the command runs and the guard doesn't know its group.
type guard struct {
	child *Child
	mark  string
}

// GuardMain must be called first in main. It returns at once, except in a process that Spec.Guard started: there it does the
// guard's work and exits.
func GuardMain() {
	guardMain.Store(true)
	if len(os.Args) != 2 || os.Args[0] != guardName {
		return
	}
	number, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(64)
	}
	runGuard(syscall.Signal(number))
	os.Exit(0)
}

// runGuard waits for the end of our parent's life, then ends the family. Descriptor 3 is a pipe that only the parent could
// write to, 4 tells it that we are ready.
func runGuard(first syscall.Signal) {
	signal.Ignore() // the group's signals are not meant for us
	ready := os.NewFile(4, "ready")
	if _, err := ready.Write([]byte{1}); err != nil {
		return
	}
	ready.Close()
	_, _ = io.Copy(io.Discard, os.NewFile(3, "life"))
	f := &family{pgid: syscall.Getpgrp(), guard: os.Getpid(), mark: os.Getenv(markName)}
	// No one is left to report an error to.
	_ = f.end(context.Background(), first, guardGrace)
}

func (r *Reaper) startGuard(first syscall.Signal) (*guard, error) {
	if !guardMain.Load() {
		return nil, errors.New("main does not call process.GuardMain")
	}
	if first == 0 {
		first = syscall.SIGKILL
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	theirLife, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirLife.Close()
	ready, theirReady, err := os.Pipe()
	if err != nil {
		life.Close()
		return nil, err
	}
	defer ready.Close()
	g := &guard{child: newChild(r, guardName), mark: rand.Text()}
	g.child.life = life
	attr := &syscall.ProcAttr{
		Dir: "/", // it must not keep a mount busy
		Env: []string{markName + "=" + g.mark},
		Files: []uintptr{
			null.Fd(), null.Fd(), null.Fd(), // nor someone's pipe open
			theirLife.Fd(), theirReady.Fd(),
		},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	}
	err = r.forkChild(g.child, "/proc/self/exe", []string{guardName, strconv.Itoa(int(first))}, attr)
	theirReady.Close()
	if err != nil {
		life.Close()
		return nil, err
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		g.end()
		return nil, fmt.Errorf("it ended before it was ready (%s)", g.child.exit)
	}
	return g, nil
}

// end lets the guard go once its family is gone.
func (g *guard) end() {
	g.child.life.Close()
	<-g.child.done
}
