package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzURL: the file that is made is the one that the URL names, whatever its name holds, and nothing else is.
func FuzzURL(f *testing.F) {
	f.Add("app.db")
	f.Add("a b%20c#d&e=f;g'h\"i\\ü.db")
	f.Add("//x")
	f.Add("file:x?mode=memory")
	f.Add(":memory:")
	f.Add("x\x00y")
	f.Fuzz(func(t *testing.T, name string) {
		folder := t.TempDir()
		d, err := Open("sqlite:"+folder+"/"+name, Options{Service: "s"})
		if err != nil || filepath.Dir(d.path) != folder {
			return // refused, or another folder
		}
		c, err := d.connect(t.Context(), true)
		if err != nil {
			if len(d.path) < 200 {
				t.Fatalf("%q: %v", name, err)
			}
			return // longer than a file's name may be
		}
		_, err = c.c.ExecContext(t.Context(), "create table t (x)")
		c.close()
		entries, rerr := os.ReadDir(folder)
		if rerr != nil {
			t.Fatal(rerr)
		}
		for _, e := range entries {
			if e.Name() != filepath.Base(d.path) {
				t.Errorf("%q: it made %q", name, e.Name())
			}
		}
		if err != nil && !strings.Contains(err.Error(), "constraint") { // the commit hook's veto outside of a transaction of ours
			t.Errorf("%q: %v", name, err)
		}
	})
}
