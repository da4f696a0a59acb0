package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/test/servers"
)

// binary is the schemagate under test, built with the race detector.
var binary string

// Binary is the path of the program under test.
func Binary() string { return binary }

// Main is a package's TestMain. It builds the program once, and runs few tests at a time: each starts several processes.
func Main(m *testing.M, parallel int) {
	for _, v := range os.Environ() { // of whoever runs the tests
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "CONSUL_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(suite{m, parallel})
}

type suite struct {
	m        *testing.M
	parallel int
}

func (s suite) Run() int {
	flag.Parse()
	_ = flag.Set("test.parallel", strconv.Itoa(s.parallel)) // the flag exists in every test binary
	dir, err := os.MkdirTemp("", "schemagate-under-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = build(dir, "-race"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return servers.StopAfter(s.m).Run()
}

// Plain builds the program as it is shipped: under the race detector a hundred of them would test the machine.
func Plain(t *testing.T) string { t.Helper(); return Program(t) }

// Program builds it with flags of one's own.
func Program(t *testing.T, flags ...string) string {
	t.Helper()
	path, err := build(t.TempDir(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build(dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "schemagate")
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, "github.com/schemagate/schemagate/cmd/schemagate")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build schemagate: %w\n%s", err, out)
	}
	return path, nil
}

// sources has go test's cache depend on what the program is made of: it sees only what a test imports or opens.
var sources = sync.OnceFunc(func() {
	_ = filepath.WalkDir("../..", func(_ string, d os.DirEntry, err error) error {
		if name := d.Name(); err == nil && d.IsDir() && (name == "node_modules" || len(name) > 2 && name[0] == '.') {
			return filepath.SkipDir
		}
		return nil
	})
})
