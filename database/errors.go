package database

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller branches on. Any other error of Session.Apply is the migration's own failure.
var (
	// ErrUnreachable: no answer, or none yet (refused, starting up, too many clients, a reset connection). Try again.
	ErrUnreachable = errors.New("database not reached")
	// ErrDenied: a wrong password, a missing privilege, a database that does not exist. Trying again changes nothing.
	ErrDenied = errors.New("denied")
	// ErrConfig: two sets of our tables, no schema to put them in, an option that this database can't honour.
	ErrConfig = errors.New("configuration")
	// ErrBlocked: a lock was not had in time; nothing was changed.
	ErrBlocked = errors.New("waiting for a lock")
	// ErrInterrupted: the session or the statement was ended from outside; nothing of this transaction was kept.
	ErrInterrupted = errors.New("interrupted")
	// ErrUnknown: the connection broke around a commit; only the history can tell. Never try again blindly.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNotPending: the version is in the history already.
	ErrNotPending = errors.New("not pending")
	// ErrUndecided: a statement outside a transaction may or may not have run, and the catalogue can't tell.
	ErrUndecided = errors.New("can't tell whether it ran")
	// ErrRefused: this database can't do what the set asks for (say, one transaction for the whole release).
	ErrRefused = errors.New("not possible here")
)

// StatementError is the failure of one statement of a migration. Its text never holds row data or the statement itself.
type StatementError struct {
	File    string
	Line    int
	Code    string // SQLSTATE, or the server's own code
	Message string
	Hint    string
	Err     error
}

func (e *StatementError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "%s:%d: %s", e.File, e.Line, e.Message)
	} else {
		fmt.Fprintf(&b, "%s: %s", e.File, e.Message)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " [%s]", e.Code)
	}
	return b.String()
}

func (e *StatementError) Unwrap() error { return e.Err }
