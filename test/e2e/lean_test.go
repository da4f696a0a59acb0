package e2e

import (
	"debug/buildinfo"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

// leanTags are what the Makefile's lean build leaves out.
func leanTags(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^LEAN := (.+)$`).FindSubmatch(text)
	if line == nil {
		t.Fatal("the Makefile has no LEAN")
	}
	return string(line[1])
}

// A lean build migrates PostgreSQL from a folder, links nothing of what it leaves out, and says what it can't do.
func TestLeanBuild(t *testing.T) {
	t.Parallel()
	tags := leanTags(t)
	program := harness.Program(t, "-tags", tags)
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		for _, out := range []string{"aws", "vault", "go-git", "mongo-driver", "goja", "esbuild", "go-sql-driver", "modernc.org/sqlite", "hashicorp/consul"} {
			if strings.Contains(m.Path, out) {
				t.Errorf("the lean build has %s", m.Path)
			}
		}
	}

	s := &stage{newStage(t, numbered(3)).Running(program)}
	harness.ExitAll(t, 0, s.StartMany(3, "up")...)
	s.appliedOnce(3)
	s.Expect(0, "version").SaysOut(strings.Fields(tags)...)
	s.Expect(78, "demo").Says("built without SQLite")
	for _, url := range []string{"mysql://root@127.0.0.1/x", "mongodb://127.0.0.1/x", "sqlite:x.db"} {
		scheme, _, _ := strings.Cut(url, ":")
		s.At(url).Expect(78, "up").Says("this binary was built without "+scheme+"://", "take the full build")
	}
	s.with("SCHEMAGATE_ELECTION=consul://127.0.0.1:8500/x").Expect(78, "up").Says("SCHEMAGATE_ELECTION", "built without Consul", "take the full build")
	s.with("SCHEMAGATE_MIGRATIONS=git+https://127.0.0.1/x.git").Expect(78, "up").Says("built without git", "take the full build")
	secret := s.with("SCHEMAGATE_DATABASE_URL=", "SCHEMAGATE_DATABASE_SECRET=vault://secret/shop#url")
	secret.Expect(78, "up").Says("built without secrets managers", "SCHEMAGATE_DATABASE_URL_FILE")
}
