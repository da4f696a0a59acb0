package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/schemagate/schemagate/database"
)

// code is SQLite's extended result code; 0 where the error is not SQLite's.
func code(err error) int {
	var e *modernc.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// primary is the result code without its details.
func primary(err error) int { return code(err) & 0xff }

// busy: another connection has the lock.
func busy(err error) bool {
	p := primary(err)
	return p == sqlite3.SQLITE_BUSY || p == sqlite3.SQLITE_PROTOCOL
}

// class is what a failure means for us, whatever the statement; nil where it is the statement's own fault.
func class(err error) error {
	switch primary(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL:
		return database.ErrBlocked
	case sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return database.ErrInterrupted // disk full, out of memory: nobody's fault, and it may pass
	case 0:
		if errors.Is(err, database.ErrInterrupted) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return database.ErrInterrupted
		}
	}
	return nil
}

// classify sorts an error of our own statements.
func classify(path string, err error) error {
	if err == nil {
		return nil
	}
	if c := class(err); c != nil {
		if errors.Is(c, database.ErrBlocked) {
			return fmt.Errorf("%w: another process has %s locked: %w", c, path, plain(err))
		}
		if errors.Is(err, c) {
			return err
		}
		return fmt.Errorf("%w: %w", c, plain(err))
	}
	switch primary(err) {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %s: %w: give the path of a SQLite database, or of a file that does not exist yet", database.ErrConfig, path, plain(err))
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH:
		return fmt.Errorf("%w: %s: %w: this user needs to read and write the file and its folder", database.ErrDenied, path, plain(err))
	}
	return plain(err)
}

// noTable: our tables are not there.
func noTable(err error) bool {
	return primary(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such table")
}

// plain is SQLite's message and code without the driver's frame.
func plain(err error) error {
	c := code(err)
	if c == 0 {
		return err
	}
	return &database.StatementError{File: "SQLite", Message: message(err), Code: strconv.Itoa(c), Err: err}
}

// message takes SQLite's own words out of "what the code means: words (code)".
func message(err error) string {
	s := strings.TrimSuffix(err.Error(), " (SQLITE_BUSY)")
	s = strings.TrimSuffix(s, fmt.Sprintf(" (%d)", code(err)))
	if _, words, ok := strings.Cut(s, ": "); ok && code(err) != 0 {
		return words
	}
	return s
}

// vetoed is the code of a commit that our hook refused.
const vetoed = sqlite3.SQLITE_CONSTRAINT_COMMITHOOK
