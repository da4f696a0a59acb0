package source

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// IsPacked tells whether a location is a packed set: one zip archive.
func IsPacked(raw string) bool { return !IsGit(raw) && strings.HasSuffix(strings.ToLower(raw), ".zip") }

// openPacked holds the archive in memory, as a repository's files are.
func openPacked(name string) (fs.FS, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no zip archive: %w; write it with schemagate pack", ErrLocation, name, err)
	}
	return z, nil
}
