package migrations_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/schemagate/schemagate/migrations"
)

func TestForCommandIsDueWhenCommandOrFilesChange(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(command, pattern string) string {
		t.Helper()
		set, err := migrations.ForCommand(command, pattern)
		if err != nil {
			t.Fatal(err)
		}
		return set.Digest
	}
	write("1-users.js", "one")
	first := digest("migrate", dir)
	if again := digest("migrate", dir); again != first {
		t.Error("the same command and files give another digest")
	}
	if other := digest("migrate --fast", dir); other == first {
		t.Error("another command gives the same digest")
	}
	for _, ignored := range []string{"node_modules/x.js", ".git/HEAD", ".DS_Store", "__pycache__/env.pyc"} {
		write(ignored, "noise")
	}
	if again := digest("migrate", dir); again != first {
		t.Error("files that are none of ours change the digest")
	}
	if err := os.Symlink(filepath.Join(dir, "1-users.js"), filepath.Join(dir, "linked.js")); err != nil {
		t.Fatal(err)
	}
	linked := digest("migrate", dir)
	if linked == first {
		t.Error("a link to a file does not count, as in a ConfigMap's mount")
	}
	first = linked
	write("sub/2-orders.js", "two")
	if again := digest("migrate", dir); again == first {
		t.Error("a new file below the folder does not change the digest")
	}
	glob := digest("migrate", filepath.Join(dir, "*.js"))
	write("1-users.js", "changed")
	if again := digest("migrate", filepath.Join(dir, "*.js")); again == glob {
		t.Error("a changed file does not change the digest of its glob")
	}
}

func TestForCommandNeedsFiles(t *testing.T) {
	for _, pattern := range []string{"", filepath.Join(t.TempDir(), "none"), t.TempDir(), "[", filepath.Join(t.TempDir(), "*.js")} {
		if _, err := migrations.ForCommand("migrate", pattern); !errors.Is(err, migrations.ErrNoFiles) {
			t.Errorf("%q: got %v, want ErrNoFiles", pattern, err)
		}
	}
}
