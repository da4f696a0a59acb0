package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/process"
)

// errCutover ends the app, and not this process.
var errCutover = errors.New("another release cuts over")

// app is the child of `run`. It is stopped for a cutover of another release, and started again if that is withdrawn.
type app struct {
	reaper *process.Reaper
	spec   process.Spec
	how    process.Supervision
	drain  time.Duration // between the closed gate and the app's SIGTERM
	log    *zap.Logger

	mu    sync.Mutex
	allow chan struct{}           // closed while the app may run
	end   context.CancelCauseFunc // of the running app; nil while none runs
	ended chan struct{}           // closed when it has ended
}

func newApp(reaper *process.Reaper, spec process.Spec, how process.Supervision, drain time.Duration, log *zap.Logger) *app {
	a := &app{reaper: reaper, spec: spec, how: how, drain: drain, log: log, allow: make(chan struct{})}
	close(a.allow)
	return a
}

// run keeps the app running until it ends by itself, and returns its code. A signal ends the waiting of a stopped one.
func (a *app) run(ctx context.Context) (int, error) {
	for {
		actx, ended, ok := a.begin(ctx)
		if !ok {
			if err := a.wait(ctx); err != nil {
				return 0, err
			}
			a.log.Info("gate open again, starting the app")
			continue
		}
		code, err := a.reaper.Supervise(actx, a.spec, a.how)
		a.mu.Lock()
		a.end = nil
		a.mu.Unlock()
		close(ended)
		if !errors.Is(context.Cause(actx), errCutover) {
			return code, err
		}
		a.log.Info("the app was stopped for a cutover", zap.Int("code", code))
	}
}

// begin notes that the app runs, if it may.
func (a *app) begin(ctx context.Context) (actx context.Context, ended chan struct{}, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.allow:
	default:
		return nil, nil, false
	}
	actx, a.end = context.WithCancelCause(ctx)
	a.ended = make(chan struct{})
	return actx, a.ended, true
}

func (a *app) wait(ctx context.Context) error {
	waiting, stop := signalled(ctx)
	defer stop()
	a.mu.Lock()
	allow := a.allow
	a.mu.Unlock()
	select {
	case <-allow:
		return nil
	case <-waiting.Done():
		return context.Cause(waiting)
	}
}

// Stop gives the app its time to drain and ends it. Once it has returned nothing of the app runs until Start.
func (a *app) Stop(ctx context.Context) {
	if !pause(ctx, a.drain) {
		return
	}
	a.mu.Lock()
	a.allow = make(chan struct{})
	end, ended := a.end, a.ended
	a.mu.Unlock()
	if end != nil {
		end(errCutover)
		<-ended
	}
}

// Start lets a stopped app run again.
func (a *app) Start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.allow:
	default:
		close(a.allow)
	}
}

// beside is the app beside a sidecar: nobody here can stop it, so it gets its time to drain behind the closed gate.
type beside struct{ drain time.Duration }

// Stop waits for the time to drain.
func (b beside) Stop(ctx context.Context) { pause(ctx, b.drain) }

// Start has nothing to do: the gate tells.
func (beside) Start() {}

// pause says whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
