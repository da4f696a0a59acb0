package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// cacheVariable names the directory for what is built once and kept between runs.
const cacheVariable = "SCHEMAGATE_TEST_CACHE"

const modulePath = "github.com/schemagate/schemagate"

// CacheDir is .cache in the root of the repository, or what SCHEMAGATE_TEST_CACHE says.
func CacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", fmt.Errorf("%w; set %s", err, cacheVariable)
	}
	return filepath.Join(root, ".cache"), nil
}

// repositoryRoot looks upwards for our go.mod: tests run in the folder of their package.
func repositoryRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module "+modulePath+"\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the repository of %s", wd, modulePath)
		}
	}
}

// cached returns the path of an entry of the cache, and makes it first if it is missing. Several test binaries may
// ask at once: one makes it, under a temporary name, while the others wait.
func cached(name string, build func(path string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name)
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if exists(path) {
		return path, nil
	}
	temporary := path + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return "", err
	}
	if err := build(temporary); err != nil {
		return "", fmt.Errorf("make %s: %w", path, err)
	}
	return path, os.Rename(temporary, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// binary returns the path of a server that `make setup` builds, and builds it now if that was left out.
func binary(name string) (string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(root, "test", "setup", "build.sh"), name, cache)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}
