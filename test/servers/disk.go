package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// disk is a small file system that holds a server's data.
type disk struct {
	size    int64 // 0 for none of its own
	err     error // why there is none though it was asked for
	mu      sync.Mutex
	ballast *os.File
	taken   int64 // by the ballast
}

// OutOfSpace is what the server's log says of a full disk.
const OutOfSpace = "No space left on device"

// Disk puts the server's data on a file system of its own, in memory, with room for so many bytes; FillDisk fills it. Where nothing can be
// mounted, the server has the usual place for its data, and FillDisk says so. Old WAL goes at once, so that its next piece needs room.
func Disk(bytes int64) PGOption {
	return func(p *PG) { p.disk.size, p.settings["wal_recycle"] = bytes, "off" }
}

func (p *PG) mountDisk() error {
	if p.disk.size == 0 {
		return nil
	}
	if err := os.Mkdir(p.data(), 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", p.data(), "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", p.disk.size)); err != nil {
		p.disk.err = fmt.Errorf("mount a file system: %w", err)
		return os.Remove(p.data())
	}
	p.unmount = func() error {
		p.disk.mu.Lock()
		defer p.disk.mu.Unlock()
		if p.disk.ballast != nil {
			_ = p.disk.ballast.Close()
		}
		return unix.Unmount(p.data(), 0)
	}
	return nil
}

// FillDisk leaves no room on the server's disk, whatever was free or became free since the last call.
func (p *PG) FillDisk() error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	switch {
	case p.disk.size == 0:
		return errors.New("the server has no disk of its own")
	case p.disk.err != nil:
		return p.disk.err
	}
	if p.disk.ballast == nil {
		var err error
		if p.disk.ballast, err = os.Create(filepath.Join(p.data(), "ballast")); err != nil {
			return err
		}
	}
	for {
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(p.disk.ballast.Fd()), &st); err != nil {
			return err
		}
		for blocks := int64(st.Bfree); ; blocks /= 2 { // the server takes some, too
			if blocks == 0 {
				return nil
			}
			// Allocated, not written: before a full disk is met nobody should have the time to finish.
			err := unix.Fallocate(int(p.disk.ballast.Fd()), 0, p.disk.taken, blocks*st.Bsize)
			if err == nil {
				p.disk.taken += blocks * st.Bsize
				break
			}
			if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
}

// FreeDisk ends FillDisk. The server may be down: one that can't write its WAL ends itself.
func (p *PG) FreeDisk() {
	p.tb.Helper()
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if p.disk.ballast == nil {
		return
	}
	err := errors.Join(p.disk.ballast.Close(), os.Remove(p.disk.ballast.Name()))
	p.disk.ballast, p.disk.taken = nil, 0
	if err != nil {
		p.tb.Fatalf("free the disk: %v", err)
	}
}
