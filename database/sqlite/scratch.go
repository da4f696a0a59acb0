package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// scratch is a file of its own beside the one of the URL.
type scratch struct{ *DB }

// NewScratch names a file; Prepare makes it.
func (d *DB) NewScratch(context.Context) (database.Scratch, error) {
	if _, err := d.missing(); err != nil {
		return nil, err
	}
	return &scratch{&DB{path: filepath.Join(filepath.Dir(d.path), database.NewScratchName()), opt: d.opt}}, nil
}

func (s *scratch) Name() string { return s.path }

func (s *scratch) Drop(context.Context) error {
	s.Disconnect()
	return remove(s.path)
}

// remove takes away the file and what SQLite and the lease keep beside it.
func remove(path string) error {
	var problems []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", "-schemagate"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("drop the scratch database: %w", err))
		}
	}
	return errors.Join(problems...)
}

// Sweep looks into the folder of the URL's file.
func (d *DB) Sweep(_ context.Context, age time.Duration) (dropped []string, err error) {
	folder := filepath.Dir(d.path)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", database.ErrConfig, err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "-") || !database.ScratchOlder(e.Name(), age) { // -wal and the like go with theirs
			continue
		}
		path := filepath.Join(folder, e.Name())
		if err := remove(path); err != nil {
			return dropped, err
		}
		dropped = append(dropped, path)
	}
	return dropped, nil
}

// Try runs in one transaction on a fresh connection.
func (s *scratch) Try(ctx context.Context, ch database.Change, _ string, keep bool) error {
	c, err := s.connect(ctx, false)
	if err != nil {
		return err
	}
	defer c.close() // rolls back what was not committed
	limit := patience(ch)
	if err := c.begin(ctx, limit); err != nil {
		return err
	}
	for _, st := range ch.Statements {
		if err := c.statement(ctx, ch, st); err != nil {
			return err
		}
	}
	if err := c.verify(ctx, ch); err != nil || !keep {
		return err
	}
	return blameCommit(c.commit(ctx, limit), ch)
}

var _ database.Scratcher = (*DB)(nil)
