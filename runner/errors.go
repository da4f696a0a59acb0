package runner

import (
	"errors"
	"fmt"
	"time"

	"github.com/schemagate/schemagate/database"
)

// What cmd turns into exit codes.
var (
	// ErrSet: the set does not fit the history (changed after it was applied, below the floor, on hold).
	ErrSet = errors.New("the set does not fit")
	// ErrFailed: a migration, a command or a check failed.
	ErrFailed = errors.New("failed")
	// ErrNeedsResolve: something was interrupted where only a person can tell what happened.
	ErrNeedsResolve = errors.New("needs resolve")
	// ErrTimeout: SCHEMAGATE_TIMEOUT passed before the gate opened.
	ErrTimeout = errors.New("timed out")
	// ErrStopped: asked to stop before the gate opened.
	ErrStopped = errors.New("stopped")
)

// FailedError is ErrFailed with what failed, as it was recorded.
type FailedError struct {
	Event database.Event
	Err   error // nil where another replica's leader failed
}

func (e *FailedError) Error() string {
	what := "apply"
	if e.Event.Version == "" {
		what = "run"
	}
	msg := fmt.Sprintf("%s %s", what, e.Event.Error)
	if e.Err == nil {
		msg += fmt.Sprintf(" (as the leader %s recorded at %s)", e.Event.Replica, e.Event.At.UTC().Format(time.RFC3339))
	}
	return msg
}

// Is makes a FailedError match ErrFailed.
func (e *FailedError) Is(target error) bool { return target == ErrFailed }

func (e *FailedError) Unwrap() error { return e.Err }

// fitError is ErrSet with one problem of the set.
type fitError struct{ msg string }

func (e *fitError) Error() string        { return e.msg }
func (e *fitError) Is(target error) bool { return target == ErrSet }

func misfit(format string, args ...any) error { return &fitError{fmt.Sprintf(format, args...)} }
