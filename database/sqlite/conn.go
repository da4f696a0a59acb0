package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	modernc "modernc.org/sqlite"

	"github.com/schemagate/schemagate/database"
)

// Options are what the adapter needs besides the URL.
type Options struct {
	Service string
}

// DB is one target database. It is used by one goroutine, but for the sessions and holdings it hands out.
type DB struct {
	path string
	opt  Options
	ctl  *conn // for looks and takeovers
}

// Open reads the URL; it does not touch the file.
func Open(url string, opt Options) (*DB, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return nil, fmt.Errorf("%w: the database URL is not of the form sqlite:PATH", database.ErrConfig)
	}
	path = strings.TrimPrefix(path, "//")
	switch {
	case path == "":
		return nil, fmt.Errorf("%w: the database URL names no file: write sqlite:PATH", database.ErrConfig)
	case strings.Contains(path, ":memory:") || strings.Contains(path, "mode=memory"):
		return nil, fmt.Errorf("%w: a database in memory can't be shared by replicas: write sqlite:PATH", database.ErrConfig)
	case strings.HasPrefix(path, "file:"), strings.ContainsAny(path, "?\x00"):
		return nil, fmt.Errorf("%w: the database URL takes a path and no options: write sqlite:PATH", database.ErrConfig)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w: the database's path: %w", database.ErrConfig, err)
	}
	return &DB{path: path, opt: opt}, nil
}

// Traits says what SQLite can promise.
func (d *DB) Traits() database.Traits {
	return database.Traits{Name: "SQLite", Fenced: true, ReleaseTransaction: true}
}

// missing tells whether the file is not there yet; the error says what stands in its way.
func (d *DB) missing() (bool, error) {
	switch info, err := os.Stat(d.path); {
	case err == nil && info.Mode().IsRegular():
		return false, nil
	case err == nil:
		return false, fmt.Errorf("%w: %s is not a file", database.ErrConfig, d.path)
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("%w: %w", database.ErrDenied, err)
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: %w", database.ErrConfig, err)
	}
	folder := filepath.Dir(d.path)
	if _, err := os.Stat(folder); err != nil {
		return false, fmt.Errorf("%w: the folder of the database does not exist: create %s, or mount the volume there", database.ErrConfig, folder)
	}
	return true, nil
}

// slice is how long SQLite itself waits for a lock. Longer waits are made of slices, because nothing ends SQLite's own early.
const slice = 100 * time.Millisecond

// conn is one connection to the file. Nothing but commit ends a transaction on it, whatever the text of a migration says.
type conn struct {
	pool *sql.DB
	c    *sql.Conn
	path string
	// committing: the commit under way is ours. loose: statements may commit by themselves.
	committing, loose bool
	// over: SQLite has rolled the transaction back.
	over bool
}

// connect opens the file, which must exist unless create is set.
func (d *DB) connect(ctx context.Context, create bool) (*conn, error) {
	gone, err := d.missing()
	if err != nil {
		return nil, err
	}
	mode := "rw" // never ro: a reader must be able to roll back what a killed writer left
	if gone {
		if !create {
			return nil, fmt.Errorf("%w: %s does not exist", database.ErrUnreachable, d.path)
		}
		mode = "rwc"
	}
	name := url.URL{Scheme: "file", Path: d.path, RawQuery: url.Values{
		"mode": {mode}, "_busy_timeout": {fmt.Sprint(slice.Milliseconds())}, "_error_rc": {"1"},
	}.Encode()}
	connector, err := modernc.NewConnector(name.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", database.ErrConfig, err)
	}
	pool := sql.OpenDB(connector)
	c, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close() // it holds nothing
		return nil, d.classify(err)
	}
	out := &conn{pool: pool, c: c, path: d.path}
	if err := out.hook(out.mayCommit, func() { out.over = true }); err != nil {
		out.close()
		return nil, err
	}
	return out, nil
}

func (d *DB) classify(err error) error { return classify(d.path, err) }

// mayCommit vetoes with 1; SQLite then rolls back.
func (c *conn) mayCommit() int32 {
	if c.committing || c.loose {
		return 0
	}
	return 1
}

func (c *conn) hook(commit modernc.CommitHookFn, rollback modernc.RollbackHookFn) error {
	return c.c.Raw(func(dc any) error {
		h, ok := dc.(modernc.HookRegisterer)
		if !ok {
			return errors.New("the SQLite driver offers no hooks")
		}
		h.RegisterCommitHook(commit)
		h.RegisterRollbackHook(rollback)
		return nil
	})
}

// close also rolls back what is open.
func (c *conn) close() {
	_ = c.hook(nil, nil) // the driver would keep them for as long as the process lives
	_ = c.c.Close()
	_ = c.pool.Close() // nothing is pending on it
}

// control returns the connection for looks and takeovers, opening it if need be.
func (d *DB) control(ctx context.Context) (*conn, error) {
	if d.ctl != nil {
		return d.ctl, nil
	}
	c, err := d.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	d.ctl = c
	return c, nil
}

// Disconnect closes the control connection.
func (d *DB) Disconnect() {
	if d.ctl != nil {
		d.ctl.close()
		d.ctl = nil
	}
}

// patiently repeats f while another process has the lock it needs, up to limit; 0 is for ever.
func (c *conn) patiently(ctx context.Context, limit time.Duration, f func() error) error {
	began := time.Now()
	for {
		err := f()
		if !busy(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", database.ErrInterrupted, context.Cause(ctx))
		}
		if limit > 0 && time.Since(began) >= limit {
			return err
		}
	}
}

func (c *conn) exec(ctx context.Context, sql string, args ...any) error {
	_, err := c.c.ExecContext(ctx, sql, args...)
	return err
}

// begin takes the write lock.
func (c *conn) begin(ctx context.Context, limit time.Duration) error {
	c.over = false
	err := c.patiently(ctx, limit, func() error { return c.exec(ctx, "begin immediate") })
	return classify(c.path, err)
}

// commit ends the transaction. It is not interrupted, so what comes of it is known, but for a failing disk.
func (c *conn) commit(ctx context.Context, limit time.Duration) error {
	c.committing = true
	defer func() { c.committing = false }()
	err := c.patiently(ctx, limit, func() error { return c.exec(context.WithoutCancel(ctx), "commit") })
	if err == nil {
		return nil
	}
	if !c.over && c.rollback() == nil { // SQLite was still in the transaction, so it had not committed
		return fmt.Errorf("commit: %w", classify(c.path, err))
	}
	return fmt.Errorf("%w: commit: %w", database.ErrUnknown, plain(err))
}

// rollback leaves the transaction, unless SQLite has left it already.
func (c *conn) rollback() error {
	if c.over {
		return nil
	}
	return c.exec(context.Background(), "rollback")
}
