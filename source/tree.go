//go:build !no_git

package source

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const (
	// mostBytes of files are a set of migrations; more is a wrong folder.
	mostBytes = 256 << 20
	// mostLinks are followed for one file.
	mostLinks = 8
)

// checkout packs a folder of the commit into an archive in memory, which the standard library reads as a file system.
func checkout(commit *object.Commit, sub string) (fs.FS, error) {
	root, err := commit.Tree()
	if err != nil {
		return nil, err
	}
	tree := root
	if sub != "." {
		e, err := root.FindEntry(sub)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: folder %q is not in this commit", ErrNotFound, sub)
		case e.Mode == filemode.Submodule:
			return nil, fmt.Errorf("%w: folder %q is a submodule: name the repository that it comes from", ErrNotFound, sub)
		case e.Mode != filemode.Dir:
			return nil, fmt.Errorf("%w: %q is a file in this commit, and not a folder", ErrNotFound, sub)
		}
		if tree, err = root.Tree(sub); err != nil {
			return nil, err
		}
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	total := int64(0)
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, e, err := walker.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if e.Mode == filemode.Dir || e.Mode == filemode.Submodule {
			continue
		}
		text, err := contents(root, path.Join(sub, name), mostLinks)
		if err != nil {
			return nil, err
		}
		if total += int64(len(text)); total > mostBytes {
			return nil, fmt.Errorf("%w: folder %q holds more than %d MiB: name the folder of the migrations after // in the URL", ErrLocation, sub, mostBytes>>20)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: commit.Committer.When})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
}

// contents reads a file and follows symbolic links within the repository.
func contents(root *object.Tree, name string, links int) (string, error) {
	f, err := root.File(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if f.Size > mostBytes {
		return "", fmt.Errorf("%w: %s is larger than %d MiB", ErrLocation, name, mostBytes>>20)
	}
	text, err := f.Contents()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if f.Mode == filemode.Symlink {
		target := path.Join(path.Dir(name), text)
		if _, err := root.File(target); links == 0 || path.IsAbs(text) || err != nil {
			return "", fmt.Errorf("%w: %s is a symbolic link to %q, which is no file in the repository", ErrNotFound, name, text)
		}
		return contents(root, target, links-1)
	}
	if strings.HasPrefix(text, "version https://git-lfs.github.com/") {
		return "", fmt.Errorf("%w: %s is stored with Git LFS, which is not supported: keep migrations in git itself", ErrLocation, name)
	}
	return text, nil
}
