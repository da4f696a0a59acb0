package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// TestGettingStarted types what docs/getting-started.md says, from an empty folder on.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	page := contentsOf(t, filepath.Join("..", "..", "docs", "getting-started.md"))
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		script.WriteString(block[1])
	}
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(harness.Binary(), filepath.Join(bin, "schemagate")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-eu", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{"release 1 serves\n", "release 1 serves again\n", "replica 1 serves\n", "replica 2 serves\n", "replica 3 serves\n",
		"0003_broken.up.sql:1", "rolled back"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if strings.Contains(text, "release 3 serves") {
		t.Errorf("a release whose migration failed serves:\n%s", text)
	}
	if n := strings.Count(text, `"msg":"applied"`); n != 2 {
		t.Errorf("%d migrations were applied, want 2:\n%s", n, text)
	}
}
