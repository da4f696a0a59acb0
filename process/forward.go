package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// notForwarded are ours: SIGCHLD tells of our children, SIGURG is the Go runtime's, SIGPIPE is about our own output, SIGTTIN and
// SIGTTOU about our own use of the terminal. SIGKILL, SIGSTOP and (in Go, whose profiler has it) SIGPROF can't be caught.
var notForwarded = map[syscall.Signal]bool{
	syscall.SIGKILL: true, syscall.SIGSTOP: true, syscall.SIGPROF: true,
	syscall.SIGCHLD: true, syscall.SIGURG: true, syscall.SIGPIPE: true,
	syscall.SIGTTIN: true, syscall.SIGTTOU: true,
}

// forwardable leaves out what we were started to ignore (nohup, a script's background job): catching it would have the child
// start with the default action instead of ignoring it like us.
func forwardable() []os.Signal {
	var signals []os.Signal
	for n := syscall.Signal(1); n < 32; n++ {
		if !notForwarded[n] && !signal.Ignored(n) {
			signals = append(signals, n)
		}
	}
	return append(signals, realtime()...)
}

// catch takes the signals; the buffer holds one of each, more can't be pending.
func catch() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, forwardable()...)
	return signals, func() { signal.Stop(signals) }
}

// Forward passes on to the child every signal that we get and can catch, until the child has ended (nil, or why a signal could
// not be delivered) or ctx ends (its cause).
//
// The first SIGTERM or SIGINT calls onTerm at once, which must not block, and reaches the child after drain; a second one
// reaches it at once and instead. Other signals never wait. Signals go to the child alone: what it started is its own to tell.
func Forward(ctx context.Context, child *Child, drain time.Duration, onTerm func()) error {
	signals, stop := catch()
	defer stop()
	return child.forward(ctx, signals, drain, onTerm)
}

func (c *Child) forward(ctx context.Context, signals <-chan os.Signal, drain time.Duration, onTerm func()) error {
	var undelivered error // the first one: a child that we may not signal refuses them all
	send := func(err error) {
		if undelivered == nil && !errors.Is(err, os.ErrProcessDone) {
			undelivered = err
		}
	}
	var (
		asked   bool
		pending syscall.Signal
		due     *time.Timer
		fire    <-chan time.Time
	)
	defer func() {
		if due != nil {
			due.Stop()
		}
	}()
	for {
		select {
		case <-c.done:
			return undelivered
		case <-ctx.Done():
			return fmt.Errorf("forward signals to %s: %w", c.name, context.Cause(ctx))
		case <-c.stopped:
			c.suspend()
		case <-fire:
			fire = nil
			send(c.Signal(pending))
		case s := <-signals:
			sig := s.(syscall.Signal)
			switch {
			case sig == syscall.SIGCONT:
				send(c.resume())
			case sig == syscall.SIGTSTP:
				send(c.Signal(sig))
				c.stopWith()
			case (sig == syscall.SIGTERM || sig == syscall.SIGINT) && !asked:
				asked = true
				if onTerm != nil {
					onTerm()
				}
				if drain > 0 {
					pending, due = sig, time.NewTimer(drain)
					fire = due.C
					continue
				}
				send(c.Signal(sig))
			case sig == syscall.SIGTERM || sig == syscall.SIGINT:
				fire = nil
				send(c.Signal(sig))
			default:
				send(c.Signal(sig))
			}
		}
	}
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
