package migrations

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoFiles: a command was given without files that tell when it is due.
var ErrNoFiles = errors.New("no files tell when the command is due")

// ForCommand returns the set of a release that another tool migrates: it holds no migrations, and its digest is over the
// command and the files that pattern names, a folder (with all below it) or a glob. A release's name is not part of it, so
// that `latest`, deployed twice with other files, is due twice.
func ForCommand(command, pattern string) (*Set, error) {
	files, err := matching(pattern)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: %s names none", ErrNoFiles, pattern)
	}
	h := sha256.New()
	fmt.Fprintf(h, "command %q\n", command)
	for _, f := range files {
		sum, err := checksumOf(f)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoFiles, err)
		}
		fmt.Fprintf(h, "%q %s\n", f, sum)
	}
	return &Set{Format: "command", Digest: hex.EncodeToString(h.Sum(nil))}, nil
}

// matching lists files in one order on every host; what a package manager or an editor keeps beside them does not count.
func matching(pattern string) (files []string, err error) {
	if info, err := os.Stat(pattern); err != nil || !info.IsDir() {
		if files, err = filepath.Glob(pattern); err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrNoFiles, pattern, err)
		}
		files = slices.DeleteFunc(files, func(f string) bool {
			info, err := os.Stat(f)
			return err != nil || !info.Mode().IsRegular()
		})
		slices.Sort(files)
		return files, nil
	}
	err = filepath.WalkDir(pattern, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != pattern && d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "__pycache__"):
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), "."):
			return nil
		}
		// Through links: in a ConfigMap's mount every file is one.
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoFiles, err)
	}
	return files, nil
}

func checksumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
