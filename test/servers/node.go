package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	major, err := nodeMajor()
	if err != nil {
		return "", err
	}
	if major < 18 { // the driver of today runs on none of these
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

var nodeMajor = sync.OnceValues(func() (int, error) {
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		return 0, err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	return strconv.Atoi(major)
})

// NodeIsOld tells of a Node before 20, Debian's 18 say: its require does not load ES modules.
func NodeIsOld() bool {
	major, err := nodeMajor()
	return err == nil && major < 20
}

// Node is a command that runs Node, with what the driver needs of an old one.
func Node(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if NodeIsOld() {
		cmd.Env = append(cmd.Env, "NODE_OPTIONS=--experimental-global-webcrypto")
	}
	return cmd
}

// NodeModules returns the folder whose node_modules hold migrate-mongo and the driver; ok is false where there is no npm with Node
// 18 or newer. Run what is there with Node.
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
