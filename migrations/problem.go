package migrations

import (
	"errors"
	"strconv"
	"strings"
)

// ErrSet matches every problem of a set: it is broken as it stands in the release, and no retry helps.
var ErrSet = errors.New("migrations: the set is broken")

// Problem is one thing that is wrong with a set, where it is, and what to do about it.
type Problem struct {
	// File is the path inside the migrations folder; "." is the folder itself.
	File string
	// Line is 1-based; 0 where the problem has none.
	Line   int
	Msg    string
	Remedy string

	cause error
}

// Error reads file:line: msg: remedy.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File == "." {
		b.WriteString("migrations folder: ")
	} else if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Msg)
	if p.Remedy != "" {
		b.WriteString(": ")
		b.WriteString(p.Remedy)
	}
	return b.String()
}

// Is matches ErrSet.
func (p *Problem) Is(target error) bool { return target == ErrSet }

// Unwrap is the file system's error where there was one.
func (p *Problem) Unwrap() error { return p.cause }

// Problems lists the problems in err, in the order in which they were found.
func Problems(err error) []*Problem {
	switch e := err.(type) { // it walks the tree itself, to find them all
	case nil:
		return nil
	case *Problem:
		return []*Problem{e}
	case interface{ Unwrap() []error }:
		var ps []*Problem
		for _, err := range e.Unwrap() {
			ps = append(ps, Problems(err)...)
		}
		return ps
	case interface{ Unwrap() error }:
		return Problems(e.Unwrap())
	}
	return nil
}

// joinProblems is errors.Join without turning an empty list into a typed nil.
func joinProblems(ps []*Problem) error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
}
