//go:build !linux

package process

import (
	"errors"
	"os"
	"syscall"
)

const canGuard = false

// setSubreaper: other systems hand orphans to PID 1 only.
func setSubreaper(on bool) error {
	if on {
		return errors.ErrUnsupported
	}
	return nil
}

func setParentDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

func realtime() []os.Signal { return nil }
