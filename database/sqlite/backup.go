package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/schemagate/schemagate/database"
)

// Backup writes a copy with VACUUM INTO, which is consistent whoever writes meanwhile, and has SQLite check it. Its name holds
// this host's time, and the term, so that no two are alike.
func (d *DB) Backup(ctx context.Context, folder string, t database.Term) (location string, err error) {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%w: %q is no folder: create it, or mount the volume there, and write SCHEMAGATE_BEFORE=backup:FOLDER", database.ErrConfig, folder)
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return "", fmt.Errorf("%w: %w", database.ErrConfig, err)
	}
	location = filepath.Join(folder, fmt.Sprintf("%s-%s-term%d.db", filepath.Base(d.path), time.Now().UTC().Format("20060102T150405Z"), t.Number))
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(location)) // half a backup must not be taken for one
		}
	}()
	c, err := d.connect(ctx, false)
	if err != nil {
		return "", err
	}
	defer c.close()
	c.loose = true
	err = c.patiently(ctx, readWait, func() error { return c.exec(ctx, "vacuum into ?", location) })
	if err != nil {
		return "", d.classify(err)
	}
	if err := (&DB{path: location}).check(ctx); err != nil {
		return "", err
	}
	return location, nil
}

// check has SQLite read all of the file, once it has reached the disk.
func (d *DB) check(ctx context.Context) (err error) {
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	c, err := d.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close()
	verdict := ""
	if err := c.c.QueryRowContext(ctx, "pragma integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("read the backup: %w", d.classify(err))
	}
	if verdict != "ok" {
		return fmt.Errorf("the backup is broken: %s", verdict)
	}
	return nil
}

var _ database.Backuper = (*DB)(nil)
