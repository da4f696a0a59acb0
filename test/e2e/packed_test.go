package e2e

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// pack has the program write the stage's folder as one file, and returns its name and a stage that migrates from it.
func (s *stage) pack() (name string, packed *stage) {
	s.T.Helper()
	name = filepath.Join(s.T.TempDir(), "migrations.zip")
	s.Expect(0, "pack", name).SaysOut("migrations, native, digest ")
	return name, s.with("SCHEMAGATE_MIGRATIONS=" + name)
}

func contents(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func replace(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A packed set is applied as its folder is, and a start with nothing to do goes by its seal.
func TestPackedSet(t *testing.T) {
	t.Parallel()
	folder := newStage(t, numbered(3))
	name, packed := folder.pack()
	harness.ExitAll(t, 0, packed.StartMany(3, "up")...)
	packed.appliedOnce(3)
	packed.Expect(0, "validate", "--database")
	run, mark := packed.marked()
	packed.Expect(0, run...)
	if lines(mark) != 1 {
		t.Error("the app was not started")
	}
	folder.Expect(0, "up").NeverSays(harness.Msg("elected")) // it is the same set

	t.Log("what is not asked for is not read: the files' own bytes")
	good := contents(t, name)
	z, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	at, err := z.File[0].DataOffset()
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[at] ^= 0xff
	replace(t, name, bad)
	packed.Expect(0, "up")
	packed.Expect(0, "wait")
	packed.Expect(65, run...).Says("can't be read") // it stays, and will need the whole set

	t.Log("rolled back, there is something to do")
	replace(t, name, good)
	packed.Expect(0, "down", "1")
	replace(t, name, bad)
	packed.Expect(65, "up", "--again").Says("can't be read")
	replace(t, name, good)
	packed.Expect(0, "up", "--again")
	packed.Expect(0, "up", "--contract")
}

// An archive that does not fit its seal keeps the gate shut, though its digest is complete.
func TestPackedSetThatWasChanged(t *testing.T) {
	t.Parallel()
	folder := newStage(t, numbered(3))
	name, packed := folder.pack()
	packed.Up()
	packed.appliedOnce(3)

	b := contents(t, name)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var changed bytes.Buffer
	w := zip.NewWriter(&changed)
	for _, f := range z.File {
		if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	add, err := w.Create("0004_step.up.sql")
	if err == nil {
		_, err = add.Write([]byte(traceOf(4)))
	}
	if err == nil {
		err = w.SetComment(z.Comment) // as zip programs do
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	replace(t, name, changed.Bytes())
	for _, args := range [][]string{{"up"}, {"wait"}, {"validate"}} {
		packed.Expect(65, args...).Says(name, "changed after it was packed: pack the set again")
	}

	t.Log("a newer set, packed again, is applied")
	folder.Write(harness.Files{"0004_step.up.sql": traceOf(4)})
	folder.Expect(0, "pack", name)
	packed.Up()
	packed.appliedOnce(4)

	t.Log("without a seal it is an archive of files like any other")
	w = zip.NewWriter(&changed)
	changed.Reset()
	if err := w.AddFS(os.DirFS(folder.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	replace(t, name, changed.Bytes())
	packed.Expect(0, "up").NeverSays(harness.Msg("elected"))
}

func TestPackingWhatCantBe(t *testing.T) {
	t.Parallel()
	s := newStage(t, harness.Files{"0001_a.up.sql": "select 'a;\n"})
	zipped := filepath.Join(t.TempDir(), "x.zip")
	s.Expect(65, "pack", zipped).Says("0001_a.up.sql:1")
	if _, err := os.Stat(zipped); err == nil {
		t.Error("a broken set was packed")
	}
	s.Expect(64, "pack", "migrations.tar").Says("name the file .zip")
	s.Expect(64, "pack").Says("pack")
	s.Expect(64, "pack", "--dialect", "oracle", zipped).Says("write postgres, mysql, sqlite or mongodb")
	s.with("SCHEMAGATE_MIGRATIONS="+zipped).Expect(78, "up").Says("SCHEMAGATE_MIGRATIONS", "not found")
	replace(t, zipped, []byte("-- no archive"))
	s.with("SCHEMAGATE_MIGRATIONS="+zipped).Expect(78, "up").Says("is no zip archive", "schemagate pack")
	s.with("SCHEMAGATE_MIGRATIONS="+zipped).Expect(64, "new", "x").Says("is no folder")
}
