package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// Start starts a child. The error is ErrNotFound or ErrNotExecutable where that was the cause; see CodeOf.
func (r *Reaper) Start(spec Spec) (*Child, error) {
	if len(spec.Args) == 0 || spec.Args[0] == "" {
		return nil, errors.New("start: no command was given")
	}
	name := spec.Args[0]
	c, err := r.start(name, spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

func (r *Reaper) start(name string, spec Spec) (_ *Child, err error) {
	if spec.Dir != "" { // exec's ENOENT would not say which of the two is missing
		if info, err := os.Stat(spec.Dir); err != nil {
			return nil, fmt.Errorf("its working directory: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("its working directory %s is not a directory", spec.Dir)
		}
	}
	path, err := lookup(name)
	if err != nil {
		return nil, err
	}
	c := newChild(r, name)
	c.terminal = spec.Terminal
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Sys: &syscall.SysProcAttr{Setpgid: true}}
	if attr.Env == nil {
		attr.Env = os.Environ()
	}
	setParentDeathSignal(attr.Sys, spec.ParentDeathSignal)

	if spec.Guard && canGuard {
		g, guardErr := r.startGuard(spec.ParentDeathSignal)
		if guardErr != nil {
			return nil, fmt.Errorf("start its guard: %w", guardErr)
		}
		defer func() {
			if err != nil {
				g.end()
			}
		}()
		c.guard, c.pgid, attr.Sys.Pgid = g, g.child.pid, g.child.pid
		attr.Env = append(slices.Clip(attr.Env), markName+"="+g.mark)
	}

	stdio, err := openStdio(spec)
	if err != nil {
		return nil, err
	}
	defer stdio.closeChildSide()
	attr.Files = stdio.files
	if err := r.forkChild(c, path, spec.Args, attr); err != nil {
		stdio.closeOurSide()
		if errors.Is(err, ErrClosed) {
			return nil, err
		}
		return nil, explain(path, spec.Dir, err)
	}
	c.out = r.copyOutput(stdio)
	return c, nil
}

// forkChild has the forking thread do it.
func (r *Reaper) forkChild(c *Child, path string, args []string, attr *syscall.ProcAttr) error {
	f := fork{child: c, path: path, args: args, attr: attr, done: make(chan error, 1)}
	select {
	case r.forks <- f:
		return <-f.done
	case <-r.closing:
		return ErrClosed
	}
}
