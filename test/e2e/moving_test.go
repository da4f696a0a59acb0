package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// commandsOf are the blocks of shell in docs/moving.md, by the title of their section.
func commandsOf(t *testing.T) map[string][]string {
	t.Helper()
	text := contentsOf(t, filepath.Join("..", "..", "docs", "moving.md"))
	out := map[string][]string{}
	for _, section := range strings.Split(text, "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(body, -1) {
			out[title] = append(out[title], block[1])
		}
	}
	return out
}

// TestMovingOver runs every command of docs/moving.md, as it stands there, on a database that the tool has managed.
func TestMovingOver(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	link := func(path, name string) {
		t.Helper()
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(harness.Binary(), "schemagate")
	for _, name := range []string{"migrate", "goose", "dbmate", "tern"} {
		link(servers.Peer(t, name), name)
	}
	// follow runs the section's blocks and returns what they said.
	follow := func(t *testing.T, s *stage, blocks []string) (said string) {
		t.Helper()
		home := t.TempDir()
		if err := os.Symlink(s.Dir, filepath.Join(home, "migrations")); err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks {
			cmd := exec.Command("sh", "-eu", "-c", block)
			cmd.Dir, cmd.WaitDelay = home, 5*time.Second
			cmd.Env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "DATABASE_URL=" + s.URL, "GORACE=atexit_sleep_ms=0",
				"SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_TIMEOUT=75s"}, s.Env...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", block, err, out)
			}
			said += string(out)
		}
		return said
	}
	blocks := commandsOf(t)
	seen := 0
	section := func(title string, wants []string, prepare func(t *testing.T) *stage) {
		if len(blocks[title]) == 0 {
			t.Errorf("docs/moving.md has no commands for %s", title)
		}
		seen++
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			said := follow(t, prepare(t), blocks[title])
			for _, want := range wants {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in\n%s", want, said)
				}
			}
		})
	}
	status := map[string]string{"dbmate": "Pending: 0", "tern": "up to date"}
	for _, p := range peers() {
		nothing := p.nothing
		if s := status[p.name]; s != "" {
			nothing = s
		}
		section(p.name, []string{"2 version(s) to adopt from " + p.name, "3 version(s) handed back to " + p.name, nothing}, func(t *testing.T) *stage {
			s := newStage(t, p.set(2))
			p.migrate(s)
			s.Write(p.set(3))
			return s
		})
	}
	for _, r := range theRecorded() {
		section(r.name, []string{"2 version(s) to adopt from " + r.name, "4 version(s) handed back to " + r.name}, func(t *testing.T) *stage {
			s := newStage(t, r.set(4)).with("SCHEMAGATE_PLACEHOLDERS=index=books_title")
			for _, step := range steps[:2] {
				s.Psql(step.up)
			}
			s.Psql(r.record(2))
			return s
		})
	}
	section("migrate-mongo", []string{"1 version(s) to adopt from migrate-mongo", "2 version(s) handed back"}, func(t *testing.T) *stage {
		s, db := mongoStage(t, harness.Files{"20240101000000-seed.js": seedScript, "20240102000000-two.js": seedScript})
		if _, err := db.Collection("changelog").InsertOne(t.Context(), bson.M{"fileName": "20240101000000-seed.js", "appliedAt": time.Now()}); err != nil {
			t.Fatal(err)
		}
		return s
	})
	section("A database without any record", []string{"2 version(s) marked as applied"}, func(t *testing.T) *stage {
		s := newStage(t, numbered(3))
		s.Psql("create table tally (version text)")
		return s
	})
	if seen != len(blocks) {
		t.Errorf("%d sections have commands, and %d were run", len(blocks), seen)
	}
}
