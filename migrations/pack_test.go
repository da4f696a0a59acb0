package migrations

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"
	"testing/fstest"
	"time"
)

func packed(t *testing.T, files fstest.MapFS, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Pack(&b, files, o, "commit abc"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPack(t *testing.T) {
	files := fstest.MapFS{
		"0001_a.up.sql":   {Data: []byte("create table a (id int);\n"), ModTime: time.Unix(1, 0)},
		"0001_a.down.sql": {Data: []byte("drop table a;\n"), ModTime: time.Unix(2, 0)},
		".hidden":         {Data: []byte("x")},
	}
	o := Options{Dialect: Postgres, Phase: Expand}
	b := packed(t, files, o)
	files["0001_a.up.sql"].ModTime = time.Unix(3, 0)
	if !bytes.Equal(b, packed(t, files, o)) {
		t.Error("the same files give other bytes")
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 2 {
		t.Errorf("%d files are in it, want 2", len(z.File))
	}
	want, err := Load(files, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(z, o)
	if err != nil || got.Digest != want.Digest || got.Migrations[0].Down == nil {
		t.Errorf("read back: %v, %+v", err, got)
	}
	s, ok, err := Unseal(bytes.NewReader(b), int64(len(b)), o)
	if err != nil || !ok || s.Digest != want.Digest || s.Format != native || s.Source != "commit abc" || s.Deferred {
		t.Errorf("the seal is %+v, %v, %v", s, ok, err)
	}
	for name, other := range map[string]Options{
		"dialect": {Dialect: MySQL, Phase: Expand}, "phase": {Dialect: Postgres, Phase: Cutover},
		"placeholders": {Dialect: Postgres, Phase: Expand, Placeholders: map[string]string{"a": "b"}},
	} {
		if _, ok, err := Unseal(bytes.NewReader(b), int64(len(b)), other); ok || err != nil {
			t.Errorf("another %s: %v, %v", name, ok, err)
		}
	}
}

func TestSealSaysWhatIsDeferred(t *testing.T) {
	for name, text := range map[string]string{
		"contract":   "-- schemagate: phase=contract\nalter table a drop column b;\n",
		"background": "-- schemagate: backfill table=a key=id where=\"b is null\" background\nupdate a set b = 1 where :batch;\n",
	} {
		b := packed(t, fstest.MapFS{"0001_a.up.sql": {Data: []byte("create table a (id int);\n")}, "0002_b.up.sql": {Data: []byte(text)}}, Options{Dialect: Postgres})
		if s, ok, err := Unseal(bytes.NewReader(b), int64(len(b)), Options{Dialect: Postgres}); !s.Deferred || !ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", name, s, ok, err)
		}
	}
}

// Whatever byte of the directory, of its place or of the seal's own words is changed, nobody takes the archive for a sealed one.
func TestSealOfAChangedArchive(t *testing.T) {
	o := Options{Dialect: Postgres}
	b := packed(t, fstest.MapFS{"0001_a.up.sql": {Data: []byte("create table a (id int);\n")}}, o)
	size := int64(len(b))
	good, _, _ := Unseal(bytes.NewReader(b), size, o)
	begin := bytes.Index(b, []byte("PK\x01\x02"))
	for i := begin; i < len(b); i++ {
		bad := bytes.Clone(b)
		bad[i] ^= 0x20
		s, ok, err := Unseal(bytes.NewReader(bad), size, o)
		if err != nil && !errors.Is(err, ErrSet) {
			t.Errorf("byte %d: %v is not of the set", i, err)
		}
		inSeal := i >= bytes.Index(b, []byte(sealed))
		if ok && !inSeal && string(b[i:i+1]) != string(bad[i:i+1]) && !insideEnd(b, i) {
			t.Errorf("byte %d of the directory was changed, and the seal is taken", i)
		}
		if ok && s.Directory != good.Directory {
			t.Errorf("byte %d: taken with another directory", i)
		}
	}
	for n := range size {
		if _, ok, err := Unseal(bytes.NewReader(b[:n]), n, o); ok || err != nil && !errors.Is(err, ErrSet) {
			t.Errorf("cut to %d bytes: %v, %v", n, ok, err)
		}
	}
}

// insideEnd: the end record also holds counts, which are read by nobody here.
func insideEnd(b []byte, i int) bool {
	end := bytes.LastIndex(b, []byte(endSignature))
	return i >= end+4 && i < end+endDirectory
}
