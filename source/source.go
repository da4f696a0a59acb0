package source

import (
	"context"
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

// Open returns the files at the location: a folder, a packed set (.zip), or a git URL (git+ssh://, git+https://, git+file://) with a folder in it and
// a ref. There is nothing to clean up: a repository is held in memory for as long as the files are.
func Open(ctx context.Context, raw string, o Options) (fs.FS, Info, error) {
	if IsPacked(raw) {
		files, err := openPacked(raw)
		return files, Info{}, err
	}
	if !IsGit(raw) {
		return openFolder(raw), Info{}, nil
	}
	l, err := parse(raw)
	if err != nil {
		return nil, Info{}, err
	}
	return l.open(ctx, o)
}
