package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// cache is where npm's packages stay between runs; git ignores it.
func cache(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SCHEMAGATE_TEST_CACHE")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// installTypeORM installs what the example's lock file names, once.
var installTypeORM sync.Once

// example copies an example into a folder of the test's own.
func example(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	copied := exec.Command("cp", "-r", filepath.Join("..", "..", "examples", name)+"/.", dir)
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if name != "typeorm" {
		return dir
	}
	modules := filepath.Join(cache(t), "typeorm")
	installTypeORM.Do(func() {
		lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		if have, err := os.ReadFile(filepath.Join(modules, "installed")); err == nil && string(have) == string(lock) {
			return
		}
		if err := os.MkdirAll(modules, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"package.json", "package-lock.json"} {
			b, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(modules, f), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		npm := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		npm.Dir = modules
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		if err := os.WriteFile(filepath.Join(modules, "installed"), lock, 0o644); err != nil {
			t.Fatal(err)
		}
	})
	_ = os.RemoveAll(filepath.Join(dir, "node_modules")) // a developer's own
	if err := os.Symlink(filepath.Join(modules, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

const typeorm = "node_modules/.bin/typeorm migration:run -d data-source.js"

// typeORM is a service that the example's TypeORM migrates.
func typeORM(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, nil)
	s.Dir = example(t, "typeorm")
	return s.with("DATABASE_URL="+s.URL, "SCHEMAGATE_COMMAND="+typeorm, "SCHEMAGATE_MIGRATIONS=migrations/*.js", "SCHEMAGATE_LEASE_TTL=2s")
}

// serve starts n replicas of the Node app, each on a port of its own.
func (s *stage) serve(n int, release string) (apps []*harness.Replica, urls []string) {
	s.T.Helper()
	for i := range n {
		addr := harness.FreePort(s.T)
		_, port, _ := strings.Cut(addr, ":")
		apps = append(apps, s.with("PORT="+port, "SCHEMAGATE_RELEASE="+release, fmt.Sprintf("SCHEMAGATE_REPLICA=app-%s-%d", release, i)).Start("run", "--", "node", "server.js"))
		urls = append(urls, "http://"+addr+"/")
	}
	return apps, urls
}

// body is what a URL answers, "" while it does not.
func body(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }() // only read
	b, _ := io.ReadAll(res.Body)            // a broken answer is none
	if res.StatusCode != http.StatusOK {
		return ""
	}
	return string(b)
}

func TestTypeORMRunsOnceAndAllReplicasServe(t *testing.T) {
	t.Parallel()
	s := typeORM(t)
	apps, urls := s.serve(5, "1")
	for _, url := range urls {
		harness.Until(t, url+" answers", func() bool { return strings.Contains(body(url), "ada@example.org") })
	}
	ran := 0
	for _, a := range apps {
		if a.Said(`"msg":"running"`) {
			ran++
		}
		a.Signal(syscall.SIGTERM)
	}
	harness.ExitAll(t, 0, apps...)
	if got := s.Psql("select count(*) from members"); ran != 1 || got != "2" {
		t.Errorf("%d replicas ran the command, %s members", ran, got)
	}

	// The same command and files are not due again; COMMAND_ALWAYS runs them all the same, and so does a changed file.
	s.Up().NeverSays(`"msg":"running"`)
	s.with("SCHEMAGATE_COMMAND_ALWAYS=1").Up().Says(`"msg":"running"`)
	s.Write(harness.Files{"migrations/1700000200000-city.js": migrationJS("City1700000200000", "ALTER TABLE members ADD COLUMN city text")})
	s.Up().Says(`"msg":"running"`)
	s.Remove("migrations/1700000200000-city.js")
	s.Up().NeverSays(`"msg":"running"`) // the older image stays open
}

func migrationJS(class, sql string) string {
	return fmt.Sprintf("module.exports = class %s {\n  async up(runner) { await runner.query(%q); }\n  async down() {}\n};\n", class, sql)
}

func TestAFailingCommandOpensNobodyAndTheOldReleaseServesOn(t *testing.T) {
	t.Parallel()
	s := typeORM(t)
	_, old := s.serve(1, "1")
	harness.Until(t, "release 1 answers", func() bool { return body(old[0]) != "" })

	next := s.with()
	next.Dir = example(t, "typeorm")
	next.Write(harness.Files{"migrations/1700000300000-bad.js": migrationJS("Bad1700000300000", "ALTER TABLE nobody ADD COLUMN x text")})
	apps, _ := next.serve(3, "2")
	harness.ExitAll(t, 70, apps...)
	for _, a := range apps {
		a.Says(`relation "nobody" does not exist`)
		a.NeverSays("starting the app")
	}
	if body(old[0]) == "" {
		t.Error("release 1 no longer answers")
	}
}

func TestALeaderKilledInMidCommandIsReplacedAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := typeORM(t)
	s.Write(harness.Files{"migrations/1700000050000-slow.js": migrationJS("Slow1700000050000", "SELECT pg_sleep(4)")})
	first := s.with("SCHEMAGATE_REPLICA=first").Start("up")
	first.Await(`"msg":"running"`)
	others := s.StartMany(2, "up")
	harness.Until(t, "the command is at work in the database", func() bool {
		return s.Psql("select count(*) from pg_stat_activity where query like 'SELECT pg_sleep%' and application_name like 'schemagate/%/command'") == "1"
	})
	first.Kill()
	harness.Until(t, "no process of the command is left", func() bool { return !anyProcessIn(s.Dir, first.Cmd.Process.Pid) })
	harness.ExitAll(t, 0, others...)
	if got := s.Psql("select count(*) from members"); got != "2" {
		t.Errorf("%s members", got)
	}
}

// anyProcessIn tells whether a node process that the dead leader started still works in the folder.
func anyProcessIn(dir string, leader int) bool {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cwd, err := os.Readlink(filepath.Join(p, "cwd"))
		env, _ := os.ReadFile(filepath.Join(p, "environ")) // gone meanwhile: no process
		if err == nil && cwd == dir && strings.Contains(string(env), "SCHEMAGATE_REPLICA=first") && filepath.Base(p) != fmt.Sprint(leader) {
			return true
		}
	}
	return false
}

// TestTypeORMAloneRaces is the contrast: the same five starts without schemagate.
func TestTypeORMAloneRaces(t *testing.T) {
	t.Parallel()
	s := typeORM(t)
	proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	proxy.Blackhole(servers.ToServer) // everybody gets as far as connecting before anybody gets on
	var alone []*harness.Replica
	for range 5 {
		cmd := exec.Command("node", strings.Fields(typeorm)...)
		cmd.Env = append(os.Environ(), "DATABASE_URL="+proxy.Through(s.URL))
		cmd.Dir = s.Dir
		alone = append(alone, harness.Start(t, cmd))
	}
	harness.Until(t, "all five have connected", func() bool { return proxy.Accepted() >= 5 })
	proxy.Heal()
	failed := 0
	for _, a := range alone {
		<-a.Done
		if !a.Cmd.ProcessState.Success() {
			failed++
		}
	}
	if failed == 0 {
		t.Error("five at once on an empty database, and none failed: the contrast shows nothing")
	}
	t.Logf("%d of 5 failed", failed)
}

func TestAlembicRunsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.Dir = example(t, "alembic")
	s = s.with("SCHEMAGATE_COMMAND=alembic upgrade head", "SCHEMAGATE_MIGRATIONS=migrations/versions/*.py")
	replicas := s.StartMany(5, "up")
	harness.ExitAll(t, 0, replicas...)
	if got := s.Psql("select count(*), max(author) from books"); got != "1|A. L." {
		t.Errorf("got %s", got)
	}
}

func TestACommandNeedsFilesThatTellWhenItIsDue(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil).with("SCHEMAGATE_COMMAND=true")
	s.with("SCHEMAGATE_MIGRATIONS=nothing/*.js").Expect(78, "up").Says("SCHEMAGATE_MIGRATIONS")
}
