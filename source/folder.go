package source

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// folder is os.DirFS with a cheaper ReadFile. The set is read before anything is asked of the database, on every start, and of
// a small file's cost the most is what package os does to have the poller look after it: four calls do instead of nine.
type folder struct {
	fs.FS
	root    string
	buffers sync.Pool // for small files
}

func openFolder(root string) *folder {
	return &folder{FS: os.DirFS(root), root: root, buffers: sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}
}

// ReadDir reads the folder as os.DirFS does.
func (f *folder) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(f.FS, name) }

// ReadFile reads one file; a large or unusual one as os.DirFS does.
func (f *folder) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	fd, err := again(func() (int, error) {
		return syscall.Open(filepath.Join(f.root, filepath.FromSlash(name)), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	lent := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(lent)
	buf, n := *lent, 0
	for n < len(buf) { // some file systems give less than there is
		var m int
		if m, err = again(func() (int, error) { return syscall.Read(fd, buf[n:]) }); m <= 0 || err != nil {
			break
		}
		n += m
	}
	_ = syscall.Close(fd) // nothing was written
	if err != nil || n == len(buf) {
		return fs.ReadFile(f.FS, name)
	}
	return bytes.Clone(buf[:n]), nil
}

// again repeats a call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
