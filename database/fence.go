package database

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// Term is one leader's time in charge, numbered by the database that it protects. Neither number nor holder is ever reused.
type Term struct {
	Number int64
	Holder string
}

// ErrFenced says that the fence names another term or holder: somebody else has taken over.
var ErrFenced = errors.New("fenced")

// FencedError is ErrFenced with both sides.
type FencedError struct{ Mine, Current Term }

func (e *FencedError) Error() string {
	return fmt.Sprintf("fenced: term %d of %.8s is over, the fence is at term %d of %.8s",
		e.Mine.Number, e.Mine.Holder, e.Current.Number, e.Current.Holder)
}

// Is makes a FencedError match ErrFenced.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

// Check compares the fence row, as read under its lock by the transaction that is about to write, with the writer's term.
// It is the one place where safety is decided; every adapter calls it, and so does the simulation.
func (t Term) Check(current Term) error {
	if t != current {
		return &FencedError{Mine: t, Current: current}
	}
	return nil
}

// NewHolder makes the random id of one attempt to lead: 128 bits in hex.
func NewHolder() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}
