package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/prove"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/secret"
	"github.com/schemagate/schemagate/source"
)

// The exit codes are a contract; docs/exit-codes.md is made of this table.
const (
	exitOpen        = 0
	exitUsage       = 64
	exitSet         = 65
	exitUnreachable = 69
	exitFailed      = 70
	exitTimeout     = 75
	exitConfig      = 78
	exitTerm        = 143
	exitInt         = 130
)

// exits explains each code.
var exits = []struct {
	code    int
	meaning string
}{
	{exitOpen, "the gate is open; under `run`, whatever the app exits with (128+n for a signal, 127 not found, 126 not executable)"},
	{exitUsage, "wrong usage: an unknown command or flag, a secret in a flag, a command that this version does not have"},
	{exitSet, "the set is broken or does not fit: unparsable, duplicate, changed after it was applied, below the floor, on hold, another tool's record that does not go with it; `lint` found something at or above `--fail-on`"},
	{exitUnreachable, "the database, Consul, the git server or the secrets manager was not reached in time"},
	{exitFailed, "a migration, BEFORE, AFTER, a check or `test` failed, or a migration was interrupted and needs `schemagate resolve`; another tool left one half-way"},
	{exitTimeout, "timed out waiting for the gate or for a lock (`SCHEMAGATE_TIMEOUT`)"},
	{exitConfig, "wrong configuration, password or privilege"},
	{exitTerm, "ended by SIGTERM"},
	{exitInt, "ended by SIGINT"},
}

// codes maps errors to exit codes; the first match counts.
var codes = []struct {
	err  error
	code int
}{
	{config.ErrUsage, exitUsage},
	{runner.ErrFailed, exitFailed},
	{runner.ErrNeedsResolve, exitFailed},
	{prove.ErrFailed, exitFailed},
	{adopt.ErrUnfinished, exitFailed},
	{adopt.ErrRecord, exitSet},
	{runner.ErrSet, exitSet},
	{migrations.ErrSet, exitSet},
	{lint.ErrFindings, exitSet},
	{config.ErrConfig, exitConfig},
	{database.ErrConfig, exitConfig},
	{database.ErrDenied, exitConfig},
	{database.ErrRefused, exitConfig},
	{database.ErrUnreachable, exitUnreachable},
	{source.ErrUnreachable, exitUnreachable},
	{secret.ErrUnreachable, exitUnreachable},
	{runner.ErrTimeout, exitTimeout},
	{database.ErrBlocked, exitTimeout},
}

// exitCode is what the process ends with.
func exitCode(err error) int {
	if err == nil {
		return exitOpen
	}
	var sig *signalError
	if errors.As(err, &sig) {
		if sig.signal == syscall.SIGINT {
			return exitInt
		}
		return exitTerm
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return exitFailed
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "received " + e.signal.String() }

// signalled returns a context that ends on SIGTERM or SIGINT with the signal as its cause. Its stop waits for the goroutine.
func signalled(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-ch:
			cancel(&signalError{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel(context.Canceled)
		<-done
	}
}

// terminationLog is where Kubernetes looks for a pod's last words.
const terminationLog = "/dev/termination-log"

// lastWords writes the error where Kubernetes shows it, if that place exists.
func lastWords(text string) {
	if f, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		const most = 4096 // what the kubelet reads
		if len(text) > most {
			text = text[:most]
		}
		_, _ = f.WriteString(strings.TrimSpace(text) + "\n")
		_ = f.Close()
	}
}
