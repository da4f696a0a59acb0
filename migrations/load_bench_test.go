package migrations

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		for _, way := range []string{"up", "down"} {
			name := filepath.Join(dir, fmt.Sprintf("%04d_step.%s.sql", i, way))
			if err := os.WriteFile(name, fmt.Appendf(nil, "insert into seen values (%d);\n", i), 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	files := os.DirFS(dir)
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			if _, err := Load(files, Options{Dialect: Postgres}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Skim", func(b *testing.B) {
		for b.Loop() {
			if _, ok := Skim(files, Options{Dialect: Postgres}); !ok {
				b.Fatal("it is to be read")
			}
		}
	})
}
