package servers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// What runs of Node: migrate-mongo, and the driver whose behaviour scripts rely on.
const (
	migrateMongo = "migrate-mongo@14.0.7"
	nodeDriver   = "mongodb@7.8.0"
)

// nodeModules is a folder with migrate-mongo and the Node driver installed; npm fetches them once into the cache.
var nodeModules = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", err
	}
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		return "", err
	}
	// The driver of today needs it.
	if major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), "."); len(major) < 2 || major < "20" {
		return "", exec.ErrNotFound
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, migrateMongo+"+"+nodeDriver)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Another test binary may want the same.
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", migrateMongo, nodeDriver)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return dir, os.WriteFile(done, nil, 0o644)
})

// NodeModules returns the folder whose node_modules hold migrate-mongo and the driver; ok is false where there is no npm with Node
// 20 or newer.
func NodeModules(tb TB) (dir string, ok bool) {
	tb.Helper()
	dir, err := nodeModules()
	if errors.Is(err, exec.ErrNotFound) {
		return "", false
	}
	if err != nil {
		tb.Fatalf("node: %v", err)
	}
	return dir, true
}
