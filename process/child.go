package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// outputGrace is how long Wait still copies output after the child has ended, when a descendant keeps the pipe open. Output of
// the child itself is in the pipe by then, so this only has to cover a busy machine.
const outputGrace = 2 * time.Second

// Child is a process that a Reaper started.
type Child struct {
	reaper *Reaper
	name   string
	identity
	pgid     int
	terminal bool // its group was given the terminal
	guard    *guard
	life     *os.File // of a guard: it lives until this is closed
	out      *output
	stopped  chan struct{} // it was stopped by a signal (job control)

	done chan struct{} // closed once exit and err are final
	exit Exit
	err  error
}

func newChild(r *Reaper, name string) *Child {
	return &Child{reaper: r, name: name, stopped: make(chan struct{}, 1), done: make(chan struct{})}
}

// finish is called once, with the reaper's lock held.
func (c *Child) finish(exit Exit, err error) {
	c.exit, c.err = exit, err
	if c.terminal {
		fromForeground(c.pgid)
	}
	if c.life != nil {
		c.life.Close()
	}
	close(c.done)
}

// Pid is its process id.
func (c *Child) Pid() int { return c.pid }

// Done is closed when the child has ended and was reaped; its output may not be copied yet, see Wait.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait returns how the child ended, after its output was copied. Several goroutines may wait. An error beside an Exit that is
// not zero says that some output was lost.
func (c *Child) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("wait for %s: %w", c.name, context.Cause(ctx))
	}
	if c.err != nil {
		return Exit{}, c.err
	}
	if c.out == nil {
		return c.exit, nil
	}
	late := time.NewTimer(outputGrace)
	defer late.Stop()
	select {
	case <-c.out.done:
	case <-late.C:
		c.out.cut()
	case <-ctx.Done():
		return c.exit, fmt.Errorf("wait for the output of %s: %w", c.name, context.Cause(ctx))
	}
	if c.out.err != nil {
		return c.exit, fmt.Errorf("%s: %w", c.name, c.out.err)
	}
	return c.exit, nil
}

// Signal signals the child alone, or returns os.ErrProcessDone.
func (c *Child) Signal(sig syscall.Signal) error {
	return c.send(c.pid, sig)
}

// send signals the child or its group, as long as the child was not reaped: until then both numbers are its own.
func (c *Child) send(target int, sig syscall.Signal) error {
	c.reaper.mu.Lock()
	defer c.reaper.mu.Unlock()
	if c.reaper.children[c.pid] != c {
		return os.ErrProcessDone
	}
	if err := syscall.Kill(target, sig); err != nil {
		return fmt.Errorf("send %s to %s (pid %d): %w", signalName(sig), c.name, c.pid, err)
	}
	return nil
}

// KillGroup ends the child and its descendants: SIGTERM, and after grace (or at once when ctx ends) SIGKILL. It returns nil
// when the child was reaped and none of its family lives; else, five seconds after SIGKILL, an error that names the rest.
//
// The family is the child's process group, every descendant whose line of parents up to it is whole, and for a guarded child
// every process that carries its mark, wherever it has gone. Called after the child has ended, it ends what that left behind.
func (c *Child) KillGroup(ctx context.Context, grace time.Duration) error {
	f := &family{pgid: c.pgid, leader: c.identity}
	if c.guard != nil {
		f.mark, f.guard = c.guard.mark, c.guard.child.pid
	}
	err := f.end(ctx, syscall.SIGTERM, grace)
	if err == nil && c.guard != nil {
		c.guard.end()
	}
	if err != nil {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	late := time.NewTimer(killWait)
	defer late.Stop()
	select {
	case <-c.done: // it is dead, so it is being reaped
		return nil
	case <-late.C:
		return fmt.Errorf("kill %s: it runs, but /proc does not show it (process %d)", c.name, c.pid)
	}
}

// Run starts a command, waits for its end and leaves nothing of it behind: also after a normal end, whatever it left in the
// background is killed. When ctx ends first the command gets SIGTERM, and SIGKILL after grace; the error is then ctx's cause
// and Exit says how the command took it.
func (r *Reaper) Run(ctx context.Context, spec Spec, grace time.Duration) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{}, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	c, err := r.Start(spec)
	if err != nil {
		return Exit{}, err
	}
	var stopped error
	select {
	case <-c.Done():
	case <-ctx.Done():
		stopped = fmt.Errorf("stop %s: %w", c.name, context.Cause(ctx))
	}
	rest := context.WithoutCancel(ctx) // ending it must not be cut short by what started it
	if err := c.KillGroup(rest, grace); err != nil {
		// What does not die of SIGKILL may include the command itself, so it is not waited for.
		return Exit{Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}, errors.Join(stopped, err)
	}
	exit, err := c.Wait(rest)
	return exit, errors.Join(stopped, err)
}
