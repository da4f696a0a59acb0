package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/schemagate/schemagate/database"
)

// lockPath names the file whose lock is the lease. It lies beside the database itself, however the path leads there.
func (d *DB) lockPath() string {
	path := d.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	path += "-schemagate"
	if d.opt.Service == "default" {
		return path
	}
	name := url.PathEscape(d.opt.Service)
	if len(name) > 100 {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:16])
	}
	return path + "-" + name
}

// leaseError sorts an error of the lease's file.
func leaseError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: lease: %w", database.ErrDenied, err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOLCK), errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("%w: lease: this file system has no locks: %w", database.ErrConfig, err)
	}
	return fmt.Errorf("%w: lease: %w", database.ErrUnreachable, err)
}

// Acquire takes the lock if nobody has it. Force means nothing here: the kernel gives no lock away.
func (d *DB) Acquire(ctx context.Context, c database.Claim) (database.Holding, error) {
	path := d.lockPath()
	for range 5 {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", database.ErrInterrupted, context.Cause(ctx))
		}
		h, err := d.tryLock(path)
		if err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		if err := h.write(claim{c.Holder, c.Replica, c.Release, c.Address, c.Token, c.Exclusive}); err != nil {
			return nil, errors.Join(leaseError(err), h.Release(ctx))
		}
		return h, nil
	}
	return nil, fmt.Errorf("%w: lease: somebody keeps replacing %s", database.ErrBlocked, path)
}

// tryLock makes one try; nil without an error is for the lock on a file that is no longer there.
func (d *DB) tryLock(path string) (*holding, error) {
	f, err := d.openLock(path)
	if err != nil {
		return nil, leaseError(err)
	}
	got, err := lock(f)
	if err != nil || !got {
		_ = f.Close() // nothing was written
		if err != nil {
			return nil, leaseError(err)
		}
		return nil, database.ErrHeld
	}
	h := &holding{file: f, path: path}
	if !h.inPlace() {
		_ = f.Close() // nothing was written
		return nil, nil
	}
	return h, nil
}

// openLock opens the file, and makes it with the mode and the owner of the database, as SQLite does with its own.
func (d *DB) openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return nil, err
	}
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, info.Mode().Perm())
	if err != nil {
		return nil, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			_ = f.Close() // nothing was written
			return nil, err
		}
	}
	return f, nil
}

type holding struct {
	file *os.File
	path string
}

// inPlace: the file that is locked is the one that others would lock.
func (h *holding) inPlace() bool {
	mine, err := h.file.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(h.path)
	return err == nil && os.SameFile(mine, theirs)
}

// claim is what the file says; it is read as a database.Lease.
type claim struct {
	Holder    string `json:"holder"`
	Replica   string `json:"replica"`
	Release   string `json:"release"`
	Address   string `json:"address"`
	Token     string `json:"token"`
	Exclusive bool   `json:"exclusive"`
}

// write tells the others who holds the lease; without it they still see that somebody does.
func (h *holding) write(c claim) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := h.file.Truncate(0); err != nil {
		return err
	}
	_, err = h.file.WriteAt(append(text, '\n'), 0)
	return err
}

// Renew makes sure that the lock still means something; it has no time to extend.
func (h *holding) Renew(context.Context) error {
	if !h.inPlace() {
		return fmt.Errorf("%w: %s was removed or replaced", database.ErrHeld, h.path)
	}
	return nil
}

// Release empties the file, so that nobody reads a death out of it, and unlocks it.
func (h *holding) Release(context.Context) error {
	return errors.Join(h.file.Truncate(0), unlock(h.file), h.file.Close())
}

// lease asks the kernel whether the lock is held, without taking it, and reads who holds it.
func (d *DB) lease() (database.Lease, error) {
	f, err := os.Open(d.lockPath())
	if errors.Is(err, fs.ErrNotExist) {
		return database.Lease{}, nil
	} else if err != nil {
		return database.Lease{}, leaseError(err)
	}
	defer func() { _ = f.Close() }() // only read
	held, err := locked(f)
	if err != nil {
		return database.Lease{}, leaseError(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return database.Lease{}, leaseError(err)
	}
	var l database.Lease
	if json.Unmarshal(text, &l) != nil { // empty, or just being written
		l = database.Lease{}
	}
	l.Alive, l.Dead = held, !held && l.Holder != ""
	return l, nil
}
