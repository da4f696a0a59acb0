//go:build unix && !linux

package sqlite

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock tries more than once, because asking for its state (locked) takes it for a moment.
func lock(f *os.File) (got bool, err error) {
	for range 5 {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err == nil, err
		}
		<-time.After(2 * time.Millisecond)
	}
	return false, nil
}

func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }

func locked(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, unlock(f)
}
