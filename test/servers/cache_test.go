package servers

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCachedBuildsOnceAndOnlyWhatSucceeded(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(cacheVariable, cache)
	broken := errors.New("broken")
	if _, err := cached("things/one", func(string) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("error %v, want the build's", err)
	}
	var builds atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			path, err := cached("things/one", func(path string) error {
				builds.Add(1)
				return os.WriteFile(path, []byte("whole"), 0o600)
			})
			if err != nil || path != filepath.Join(cache, "things", "one") {
				t.Errorf("cached: %q, %v", path, err)
				return
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "whole" {
				t.Errorf("content %q, %v", b, err)
			}
		})
	}
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("%d builds, want one", n)
	}
}

func TestCacheDirIsInTheRepository(t *testing.T) {
	t.Setenv(cacheVariable, "")
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(dir) != ".cache" || !exists(filepath.Join(filepath.Dir(dir), "go.mod")) {
		t.Errorf("cache %s, want .cache beside go.mod", dir)
	}
	t.Chdir(t.TempDir())
	if _, err := CacheDir(); err == nil {
		t.Error("outside of the repository, there is no error")
	}
}
