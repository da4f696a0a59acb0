package servers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// Peer returns the path of a migration tool that the tests compare with: migrate (golang-migrate), goose, gooselock, dbmate (with
// few of its drivers and commands) or tern. It is built at the first call, and kept.
func Peer(tb TB, name string) string {
	tb.Helper()
	path, err := binary(name)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return path
}

// PeerSource returns the folder of a peer's source, as its owner published the version that is built, with its examples. It
// can't be written to.
func PeerSource(tb TB, name string) string {
	tb.Helper()
	dir, err := source(name)
	if err != nil {
		tb.Fatalf("the source of %s: %v", name, err)
	}
	return dir
}

func source(name string) (string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	pins, err := os.ReadFile(filepath.Join(root, "test", "peers", "go.mod"))
	if err != nil {
		return "", err
	}
	pin := regexp.MustCompile(`(?m)^\s+(github\.com/\S+/` + regexp.QuoteMeta(name) + `(?:/v\d+)?) (v\S+)$`).FindSubmatch(pins)
	if pin == nil {
		return "", fmt.Errorf("test/peers/go.mod pins no %s", name)
	}
	cmd := exec.Command("go", "mod", "download", "-json", string(pin[1])+"@"+string(pin[2]))
	cmd.Dir = os.TempDir() // outside of any module
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if err = errors.Join(err, json.Unmarshal(out, &module)); err != nil {
		return "", fmt.Errorf("%s: %w %s", cmd, err, module.Error)
	}
	return module.Dir, nil
}
