package script

import (
	"bytes"
	"os"
	"testing"

	"github.com/schemagate/schemagate/test/servers"
)

// node returns a folder in which Node finds the modules; it is the test's own.
func node(t *testing.T) string {
	t.Helper()
	modules, ok := servers.NodeModules(t)
	if !ok {
		t.Skip("there is no npm with Node 18 or newer: nothing to compare with")
	}
	dir, err := os.MkdirTemp(modules, "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// runNode runs node in dir and returns what it printed.
func runNode(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := servers.Node(t.Context(), args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("node %v: %v\n%s\n%s", args, err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}
