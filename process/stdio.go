package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// stdio holds a child's three descriptors and our ends of its pipes.
type stdio struct {
	files  []uintptr
	theirs []*os.File // opened for the child only
	pipes  []pipe
}

type pipe struct {
	from *os.File
	to   io.Writer
}

func openStdio(spec Spec) (_ *stdio, err error) {
	s := &stdio{files: []uintptr{0, 1, 2}}
	defer func() {
		if err != nil {
			s.closeChildSide()
			s.closeOurSide()
		}
	}()
	if spec.NoStdin {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		s.theirs = append(s.theirs, null)
		s.files[0] = null.Fd()
	}
	if s.files[1], err = s.connect(spec.Stdout, 1); err != nil {
		return nil, err
	}
	if spec.Stderr != nil && same(spec.Stdout, spec.Stderr) {
		s.files[2] = s.files[1]
		return s, nil
	}
	if s.files[2], err = s.connect(spec.Stderr, 2); err != nil {
		return nil, err
	}
	return s, nil
}

// connect returns the descriptor that the child writes to.
func (s *stdio) connect(w io.Writer, inherited uintptr) (uintptr, error) {
	switch w := w.(type) {
	case nil:
		return inherited, nil
	case *os.File:
		return w.Fd(), nil
	default:
		from, to, err := os.Pipe()
		if err != nil {
			return 0, fmt.Errorf("open a pipe for its output: %w", err)
		}
		s.theirs = append(s.theirs, to)
		s.pipes = append(s.pipes, pipe{from: from, to: w})
		return to.Fd(), nil // Fd makes it blocking, as the child expects
	}
}

// same compares two writers, of which either may be of a type that can't be compared.
func same(a, b io.Writer) (equal bool) {
	defer func() {
		if recover() != nil {
			equal = false
		}
	}()
	return a == b
}

func (s *stdio) closeChildSide() {
	for _, f := range s.theirs {
		f.Close()
	}
}

func (s *stdio) closeOurSide() {
	for _, p := range s.pipes {
		p.from.Close()
	}
}

// output is the copying of one child's output, which ends when no one holds the other ends of the pipes any more.
type output struct {
	pipes []pipe
	done  chan struct{}
	err   error // readable after done
}

// copyOutput starts copying; nil when there is nothing to copy.
func (r *Reaper) copyOutput(s *stdio) *output {
	if len(s.pipes) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		s.closeOurSide()
		return nil
	}
	out := &output{pipes: s.pipes, done: make(chan struct{})}
	r.copying[out] = struct{}{}
	r.copies.Go(func() { // ends with the pipes; Wait and Close cut them
		var copies sync.WaitGroup
		errs := make([]error, len(out.pipes))
		for i, p := range out.pipes {
			copies.Go(func() { errs[i] = p.copy() })
		}
		copies.Wait()
		out.err = errors.Join(errs...)
		close(out.done)
		r.mu.Lock()
		delete(r.copying, out)
		r.mu.Unlock()
	})
	return out
}

// copy goes on after an error of the writer: a log that can't be written must not end a migration by SIGPIPE.
func (p pipe) copy() error {
	defer p.from.Close()
	buffer := make([]byte, 32<<10)
	var failed error
	for {
		n, err := p.from.Read(buffer)
		if n > 0 && failed == nil {
			if _, err := p.to.Write(buffer[:n]); err != nil {
				failed = fmt.Errorf("write its output: %w", err)
			}
		}
		if err != nil {
			return failed // the end of the pipe, or cut
		}
	}
}

// cut stops copying what a descendant who outlived the child may still write.
func (o *output) cut() {
	for _, p := range o.pipes {
		p.from.Close()
	}
	<-o.done
}
