package main

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
)

// TestMigrate starts five replicas at once, and one more when there is nothing left to do.
func TestMigrate(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "visits.db")
	var wg sync.WaitGroup
	results := make([]error, 5)
	for i := range results {
		wg.Go(func() { results[i] = migrate(t.Context(), url) })
	}
	wg.Wait()
	if err := errors.Join(append(results, migrate(t.Context(), url))...); err != nil {
		t.Fatal(err)
	}
}
