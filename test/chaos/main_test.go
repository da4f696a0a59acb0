package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/test/servers"
)

// binary is the schemagate under test.
var binary string

func TestMain(m *testing.M) {
	for _, v := range os.Environ() { // of whoever runs the tests
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "CONSUL_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(suite{m})
}

// suite builds the binary once, and runs two tests at a time: each starts many processes.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	flag.Parse()
	_ = flag.Set("test.parallel", "2") // the flag exists in every test binary
	dir, err := os.MkdirTemp("", "schemagate-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "schemagate")
	build := exec.Command("go", "build", "-race", "-o", binary, "github.com/schemagate/schemagate/cmd/schemagate")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return servers.StopAfter(s.m).Run()
}
