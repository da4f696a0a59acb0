package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Options are how to get in.
type Options struct {
	// Key is a private key for git+ssh://, in PEM; without one the agent at SSH_AUTH_SOCK is asked.
	Key []byte
	// Token is the password for git+https://.
	Token string
	// KnownHosts is a known_hosts file; without one the files in SSH_KNOWN_HOSTS count, else the user's and the system's.
	KnownHosts string
	// Timeout bounds one attempt; 0 is two minutes.
	Timeout time.Duration
}

// Info says what was opened.
type Info struct {
	// Commit is the full hash; empty for a folder.
	Commit string
}

// errSlow is the cause of a context that ended an attempt.
var errSlow = errors.New("no answer in time")

// Open returns the files at the location: a folder, or a git URL (git+ssh://, git+https://, git+file://) with a folder in it and
// a ref. There is nothing to clean up: a repository is held in memory for as long as the files are.
func Open(ctx context.Context, raw string, o Options) (fs.FS, Info, error) {
	if !IsGit(raw) {
		return openFolder(raw), Info{}, nil
	}
	l, err := parse(raw)
	if err != nil {
		return nil, Info{}, err
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errSlow)
	defer cancel()
	commit, err := l.commit(ctx, o)
	if err != nil {
		return nil, Info{}, fmt.Errorf("%s: %w", l, err)
	}
	files, err := checkout(commit, l.sub)
	if err != nil {
		return nil, Info{}, fmt.Errorf("%s at %s: %w", l, commit.Hash, err)
	}
	return files, Info{Commit: commit.Hash.String()}, nil
}
