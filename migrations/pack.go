package migrations

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Seal is what a packed set says of itself, so that a start with nothing to do need not read the set.
type Seal struct {
	// Digest and Format are the set's.
	Digest string `json:"digest"`
	Format string `json:"format"`
	// Deferred: the set has migrations that don't gate, of which a start wants to know more.
	Deferred bool `json:"deferred,omitempty"`
	// Source says where the files came from, for the history.
	Source string `json:"source,omitempty"`
	// Reading is how the set was read: another dialect, phase or placeholder may make another set of it.
	Reading string `json:"reading"`
	// Directory is SHA-256 over the archive's directory, which holds the names, sizes and checksums of all files.
	Directory string `json:"directory"`
}

// sealed begins the archive's comment.
const sealed = "schemagate set 1 "

// The record that ends an archive: its signature, its size without the comment, and what of it is read here.
const (
	endSignature = "PK\x05\x06"
	endSize      = 22
	endDirectory = 12 // size and offset of the directory, 32 bits each
	endComment   = 20 // length of the comment, 16 bits
	mostFiles    = 1<<16 - 2
)

// Pack reads the set in the root of fsys and writes it to w as one zip archive with a seal. The same files give the same bytes.
func Pack(w io.Writer, fsys fs.FS, o Options, source string) (*Set, error) {
	set, err := Load(fsys, o)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	z, files := zip.NewWriter(&archive), 0
	err = fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case strings.HasPrefix(path.Base(name), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := fs.Stat(fsys, name) // of what a link leads to, as in a mounted ConfigMap
		if err != nil || info.IsDir() {
			return err
		}
		if files++; files > mostFiles {
			return fmt.Errorf("more than %d files", mostFiles)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	})
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("pack the set: %w", err)
	}

	b := archive.Bytes()
	s := Seal{Digest: set.Digest, Format: set.Format, Source: source, Reading: o.reading()}
	s.Deferred = slices.ContainsFunc(set.Migrations, func(m Migration) bool { return m.Phase == Contract || m.Up.Backfill != nil && m.Up.Backfill.Background })
	if s.Directory, err = directorySum(bytes.NewReader(b), b[len(b)-endSize:]); err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	comment := append([]byte(sealed), text...)
	binary.LittleEndian.PutUint16(b[len(b)-endSize+endComment:], uint16(len(comment)))
	_, err = w.Write(append(b, comment...))
	return set, err
}

// Unseal returns the seal of a packed set, from its last bytes and its directory. ok is false for an archive without a seal, and
// for one that was packed for another way of reading: such a set is to be read. An archive that was changed behind its seal is an error.
func Unseal(r io.ReaderAt, size int64, o Options) (s Seal, ok bool, err error) {
	tail := make([]byte, min(size, 4<<10))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return s, false, err
	}
	i := bytes.LastIndex(tail, []byte(sealed))
	if i < endSize || string(tail[i-endSize:i-endSize+4]) != endSignature || int(binary.LittleEndian.Uint16(tail[i-2:])) != len(tail)-i {
		return s, false, nil
	}
	if err := json.Unmarshal(tail[i+len(sealed):], &s); err != nil {
		return s, false, fmt.Errorf("%w: the seal can't be read: pack the set again", ErrSet)
	}
	sum, err := directorySum(r, tail[i-endSize:i])
	if err != nil {
		return s, false, err
	}
	if sum != s.Directory {
		return s, false, fmt.Errorf("%w: the archive was changed after it was packed: pack the set again", ErrSet)
	}
	return s, s.Reading == o.reading(), nil
}

// directorySum hashes the directory that the end record names.
func directorySum(r io.ReaderAt, end []byte) (string, error) {
	size, offset := binary.LittleEndian.Uint32(end[endDirectory:]), binary.LittleEndian.Uint32(end[endDirectory+4:])
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, int64(offset), int64(size))); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reading names all that makes the same files another set.
func (o Options) reading() string {
	text := string(o.Dialect) + "\n" + string(o.Phase)
	for _, k := range slices.Sorted(maps.Keys(o.Placeholders)) {
		text += fmt.Sprintf("\n%q=%q", k, o.Placeholders[k])
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
