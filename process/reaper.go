package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// opened keeps it at one Reaper per process: two would take each other's children.
var opened atomic.Bool

// Options of a Reaper.
type Options struct {
	// Adopt makes us the owner of orphans: whatever of ours loses its parent becomes our child, and is reaped.
	Adopt bool
}

// Reaper starts children and collects the status of each.
type Reaper struct {
	adopt   bool
	sigchld chan os.Signal
	forks   chan fork
	closing chan struct{}
	loops   sync.WaitGroup

	// mu is held from before a fork until its pid is in children, and while statuses are collected: a child can't be reaped
	// before it is known, nor signalled after it was reaped.
	mu       sync.Mutex
	closed   bool
	children map[int]*Child
	copying  map[*output]struct{}
	copies   sync.WaitGroup
}

// fork is one request to the forking thread.
type fork struct {
	child *Child
	path  string
	args  []string
	attr  *syscall.ProcAttr
	done  chan error
}

// Open starts collecting. The caller must Close.
func Open(options Options) (*Reaper, error) {
	if !opened.CompareAndSwap(false, true) {
		return nil, errors.New("open reaper: this process has one already")
	}
	if options.Adopt && os.Getpid() != 1 {
		if err := setSubreaper(true); err != nil {
			opened.Store(false)
			return nil, fmt.Errorf("open reaper: become a child subreaper: %w", err)
		}
	}
	r := &Reaper{
		adopt:    options.Adopt,
		sigchld:  make(chan os.Signal, 1), // one pending wake-up stands for any number of dead children
		forks:    make(chan fork),
		closing:  make(chan struct{}),
		children: map[int]*Child{},
		copying:  map[*output]struct{}{},
	}
	signal.Notify(r.sigchld, syscall.SIGCHLD)
	r.loops.Go(r.reap)
	r.loops.Go(r.forkOnOneThread)
	return r, nil
}

// Close collects once more and stops. Children that still run are let go, not killed: their Wait returns ErrClosed. What a
// guarded child left behind is killed by its guard. Closing twice is safe.
func (r *Reaper) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	close(r.closing)
	r.loops.Wait()
	signal.Stop(r.sigchld)

	r.mu.Lock()
	for pid, c := range r.children {
		delete(r.children, pid)
		c.finish(Exit{}, fmt.Errorf("%s still runs: %w", c.name, ErrClosed))
	}
	copying := r.copying
	r.copying = nil
	r.mu.Unlock()
	for out := range copying {
		out.cut()
	}
	r.copies.Wait()
	var err error
	if r.adopt && os.Getpid() != 1 {
		err = setSubreaper(false)
	}
	opened.Store(false)
	return err
}

func (r *Reaper) reap() {
	for {
		r.collect()
		select {
		case <-r.sigchld:
		case <-r.closing:
			r.collect()
			return
		}
	}
}

// collect takes every status that is there now.
func (r *Reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.adopt {
		for r.collectOne(-1) {
		}
		return
	}
	for pid := range r.children {
		for r.collectOne(pid) {
		}
	}
}

// collectOne reports whether there may be more to collect for pid.
func (r *Reaper) collectOne(pid int) bool {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, syscall.WNOHANG|syscall.WUNTRACED, nil)
	switch {
	case err == syscall.EINTR:
		return true
	case err == syscall.ECHILD && pid > 0:
		// Someone else has taken it, against the rule of this package. Its owner must not wait for ever.
		r.gone(pid, Exit{}, fmt.Errorf("%s: its status was taken by another wait: %w", r.children[pid].name, err))
		return false
	case err != nil || got <= 0:
		return false
	}
	switch {
	case status.Stopped():
		if c := r.children[got]; c != nil {
			select {
			case c.stopped <- struct{}{}:
			default:
			}
		}
	case status.Signaled():
		r.gone(got, Exit{Code: 128 + int(status.Signal()), Signal: status.Signal()}, nil)
		return pid < 0
	case status.Exited():
		r.gone(got, Exit{Code: status.ExitStatus()}, nil)
		return pid < 0
	}
	return true
}

// gone hands a status to the child that it belongs to; a pid that nobody started here was an orphan.
func (r *Reaper) gone(pid int, exit Exit, err error) {
	c := r.children[pid]
	if c == nil {
		return
	}
	delete(r.children, pid)
	c.finish(exit, err)
}

// forkOnOneThread forks every child from one thread that lives until Close. The kernel sends a parent death signal when the
// *thread* that forked ends, and Go ends threads as it likes (with a goroutine that was locked to one), so forked from any
// other goroutine a healthy child might be signalled although we live. On Close the thread is given back to the runtime
// instead of being ended with the goroutine, for children that were let go.
func (r *Reaper) forkOnOneThread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case <-r.closing:
			return
		case f := <-r.forks:
			f.done <- r.fork(f)
		}
	}
}

func (r *Reaper) fork(f fork) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// ForkExec itself reaps a child whose exec failed; under the lock collect can't get in between.
	pid, err := syscall.ForkExec(f.path, f.args, f.attr)
	if err != nil {
		return err
	}
	c := f.child
	c.identity = identity{pid, startTime(pid)}
	if c.pgid == 0 {
		c.pgid = pid
	}
	r.children[pid] = c
	if c.terminal {
		c.terminal = toForeground(c.pgid)
	}
	return nil
}
