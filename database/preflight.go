package database

import (
	"context"
	"fmt"
	"strings"
)

// Preflighter tells, before anything is changed, which privileges are missing.
type Preflighter interface {
	// Preflight looks at what our own records need, and at what the changes say of themselves. It changes nothing, takes no lock that
	// anybody would wait for, and where it can't tell it says nothing: the server has the last word.
	Preflight(ctx context.Context, changes []Change) ([]Missing, error)
}

// Missing is one privilege that the role has not.
type Missing struct {
	// What it is needed for: "create tables in schema public (0007_add_email.up.sql:3)".
	What string
	// Grant is the statement that gives it.
	Grant string
	// Advice: nothing fails without it, but something is slower or weaker.
	Advice bool
}

func (m Missing) String() string { return m.What + ": " + m.Grant }

// DeniedError is ErrDenied with all that is missing.
type DeniedError struct{ Missing []Missing }

func (e *DeniedError) Error() string {
	lines := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		lines[i] = m.String()
	}
	return fmt.Sprintf("privileges are missing, and nothing was changed:\n  %s", strings.Join(lines, "\n  "))
}

// Is makes a DeniedError match ErrDenied.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }
