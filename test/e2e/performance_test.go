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

// TestWhatAStartInitialises runs the command of docs/performance.md, and finds none of the packages whose cost was taken away.
func TestWhatAStartInitialises(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(contentsOf(t, filepath.Join("..", "..", "docs", "performance.md")))
	if block == nil {
		t.Fatal("docs/performance.md has no command")
	}
	bin := t.TempDir()
	if err := os.Symlink(harness.Binary(), filepath.Join(bin, "schemagate")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-eu", "-c", block[1])
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "\ninit github.com/prometheus/client_golang/prometheus @") {
		t.Errorf("it lists no packages:\n%s", out)
	}
	for _, gone := range []string{"aws-sdk-go-v2/config", "service/sso", "service/signin", "k8s.io/client-go"} {
		if strings.Contains(string(out), gone) {
			t.Errorf("%s is initialised at every start", gone)
		}
	}
}
