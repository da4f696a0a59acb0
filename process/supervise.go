package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// DefaultGrace is what Docker gives a container between SIGTERM and SIGKILL.
const DefaultGrace = 10 * time.Second

// Supervision says how an app is run.
type Supervision struct {
	// Drain is how long after SIGTERM or SIGINT the app is told.
	Drain time.Duration
	// OnTerm is called at once on SIGTERM or SIGINT; it must not block.
	OnTerm func()
	// OnStart is called once the app runs and all signals are forwarded to it; it must not block.
	OnStart func(pid int)
	// Grace is what the app's group has between SIGTERM and SIGKILL when ctx ends; zero means DefaultGrace.
	Grace time.Duration
}

// Supervise opens a Reaper that adopts orphans and runs the app under it, for a process that does nothing else.
func Supervise(ctx context.Context, spec Spec, how Supervision) (code int, err error) {
	r, err := Open(Options{Adopt: true})
	if err != nil {
		return CodeOf(err), err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Supervise(ctx, spec, how)
}

// Supervise starts the app, forwards signals to it and returns the code to exit with: the app's own, 128+n for a signal, 127
// or 126 with an error if it could not be started. It is given the foreground of the terminal, if there is one.
//
// When ctx ends, the app (if it was started) and its group get SIGTERM at once (no drain), SIGKILL after the grace; the error is then ctx's cause.
// So ctx must not be one that a signal cancels, or the app would get the signal without its drain. A caller that has waited
// under signal.NotifyContext passes its parent, and calls its stop in OnStart: by then the signals are forwarded.
//
// Background processes that the app leaves behind are let live, as they would without us; where we are PID 1 the kernel ends
// them with us.
func (r *Reaper) Supervise(ctx context.Context, spec Spec, how Supervision) (int, error) {
	if ctx.Err() != nil {
		return 128 + int(syscall.SIGTERM), fmt.Errorf("the app was not started: %w", context.Cause(ctx))
	}
	signals, stop := catch() // before the start: a signal that comes in between waits for the app
	defer stop()
	spec.Terminal = true
	app, err := r.Start(spec)
	if err != nil {
		return CodeOf(err), err
	}
	if how.OnStart != nil {
		how.OnStart(app.Pid())
	}
	err = app.forward(ctx, signals, how.Drain, how.OnTerm)
	rest := context.WithoutCancel(ctx)
	if err != nil && ctx.Err() != nil {
		grace := how.Grace
		if grace == 0 {
			grace = DefaultGrace
		}
		err = fmt.Errorf("stop the app: %w", context.Cause(ctx))
		if killErr := app.KillGroup(rest, grace); killErr != nil {
			// What does not die of SIGKILL may include the app itself, so it is not waited for.
			return 128 + int(syscall.SIGKILL), errors.Join(err, killErr)
		}
	}
	exit, waitErr := app.Wait(rest)
	return exit.Code, errors.Join(err, waitErr)
}
