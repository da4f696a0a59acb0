package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the README's first command to its end.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := stageOn(t, "", nil).with("TMPDIR=" + t.TempDir())
	// SQLite in pure Go is some thirty times slower under the race detector, and this is what people run.
	plain := filepath.Join(t.TempDir(), "schemagate")
	if out, err := exec.Command("go", "build", "-o", plain, "github.com/schemagate/schemagate/cmd/schemagate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := s.StartCommand(exec.Command(plain, "demo"))
	r.Exits(0)
	out := r.Out.Text()
	for _, text := range []string{"is killed with SIGKILL", "serving release 2", "Every migration was applied once", "0005_build_price_history", "complete"} {
		if !strings.Contains(out, text) {
			t.Errorf("it does not show %q:\n%s", text, out)
		}
	}
	if n := strings.Count(out, "applied   0005_build_price_history"); n != 1 {
		t.Errorf("the history tells of the slow migration %d times:\n%s", n, out)
	}
	for _, kv := range s.Env {
		if dir, ok := strings.CutPrefix(kv, "TMPDIR="); ok {
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(b), plain+"\x00demo-app") {
			t.Errorf("its app %s is still there", p)
		}
	}
}
