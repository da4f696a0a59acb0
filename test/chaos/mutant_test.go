package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// Without the comparison of terms, a leader that was overtaken writes. That the checks of a seed find it shows that they can fail.
func TestTheLossOfTheTermCheckIsFound(t *testing.T) {
	t.Parallel()
	source, err := filepath.Abs("../../database/fence.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const check = "if t != current {"
	if strings.Count(string(text), check) != 1 {
		t.Fatalf("%s does not compare terms by %q", source, check)
	}
	dir := t.TempDir()
	mutant, overlay := filepath.Join(dir, "fence.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string][]byte{mutant: []byte(strings.Replace(string(text), check, "if false && t != current {", 1)), overlay: replace} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	w := &worker{pg: servers.Postgres(t), program: harness.Program(t, "-race", "-overlay="+overlay), found: func(broken string) { found = append(found, broken) }}
	if missed := w.run(t, plan{replicas: 3, faults: overtaking("kill", 0)}); missed != "" {
		t.Fatal(missed)
	}
	const want = "written under another term than the fence's: applied 0001 by term 1, the fence being at 2"
	if len(found) != 1 || found[0] != want {
		t.Errorf("found %q, want %q", found, want)
	}
}
