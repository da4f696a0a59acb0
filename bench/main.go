// Command bench measures what the README claims, on real servers, and writes bench/RESULTS.md. Whatever is compared is run in
// turns within one round, so that a machine that changes its speed changes it for all. It asserts nothing.
//
//	go run ./bench            all scenarios
//	go run ./bench takeover   those whose name holds a word
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/schemagate/schemagate/test/servers"
)

// bench is one run of the program.
type bench struct {
	scope     *servers.Scope
	dir       string
	gate      string // our binary
	floor     string // the quickest program that there can be
	pg        *servers.PG
	out       bytes.Buffer
	scenarios []scenario
}

type scenario struct {
	name string
	run  func(*bench)
}

func main() {
	want := ""
	if len(os.Args) > 1 {
		want = os.Args[1]
	}
	b := &bench{scope: servers.NewScope("bench"), scenarios: []scenario{
		{"start with nothing to do", (*bench).idle},
		{"apply 1,000 small migrations", (*bench).thousand},
		{"takeover", (*bench).takeover},
		{"crowd", (*bench).crowd},
	}}
	defer b.scope.Close()
	b.prepare()
	fmt.Fprintf(&b.out, "# Results\n\nWritten by `make bench` on %s; %s, %d MiB binary. Times are wall clock: n, min / **median** / max. "+
		"What is compared took turns within each round.\n", time.Now().UTC().Format("2006-01-02"), machine(), size(b.gate))
	for _, s := range b.scenarios {
		if strings.Contains(s.name, want) {
			fmt.Fprintf(os.Stderr, "bench: %s\n", s.name)
			s.run(b)
		}
	}
	if want != "" {
		fmt.Print(b.out.String())
		return
	}
	b.must(os.WriteFile(filepath.Join("bench", "RESULTS.md"), b.out.Bytes(), 0o644))
}

func (b *bench) must(err error) {
	if err != nil {
		b.scope.Fatalf("%v", err)
	}
}

func (b *bench) prepare() {
	dir, err := os.MkdirTemp("", "schemagate-bench-")
	b.must(err)
	b.scope.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary folder does no harm
	b.dir, b.gate, b.floor = dir, filepath.Join(dir, "schemagate"), filepath.Join(dir, "floor")
	for binary, pkg := range map[string]string{b.gate: "./cmd/schemagate", b.floor: "./bench/floor"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.scope.Fatalf("%v\n%s", err, out)
		}
	}
	b.pg = servers.Postgres(b.scope, servers.Fsync())
}

func machine() string {
	cores, _ := exec.Command("nproc").Output() // unknown is printed as nothing
	return strings.TrimSpace(string(cores)) + " cores"
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size() >> 20
}

// sample is the times of one contestant.
type sample struct {
	name  string
	times []time.Duration
	peak  int64 // KiB resident, the largest seen
}

func (s *sample) row(unit time.Duration, base *sample) string {
	slices.Sort(s.times)
	n := len(s.times)
	median := s.times[n/2]
	f := func(d time.Duration) string { return fmt.Sprintf("%.4g", float64(d)/float64(unit)) }
	slices.Sort(base.times)
	ratio := float64(median) / float64(base.times[len(base.times)/2])
	return fmt.Sprintf("| %s | %d | %s / **%s** / %s | %.2f | %.1f |\n", s.name, n, f(s.times[0]), f(median), f(s.times[n-1]), ratio, float64(s.peak)/1024)
}

// timed runs a command to its end, which has to be a good one.
func (b *bench) timed(s *sample, cmd *exec.Cmd) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	s.times = append(s.times, time.Since(began))
	if err != nil {
		b.scope.Fatalf("%s: %v\n%s", s.name, err, out.String())
	}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = max(s.peak, ru.Maxrss)
	}
}

func (b *bench) schemagate(url, set string, args ...string) *exec.Cmd {
	cmd := exec.Command(b.gate, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SCHEMAGATE_DATABASE_URL=" + url, "SCHEMAGATE_MIGRATIONS=" + set,
		"SCHEMAGATE_HTTP_ADDR=off", "SCHEMAGATE_LOG_LEVEL=warn"}
	return cmd
}

// set writes n small migrations.
func (b *bench) set(n int) string {
	dir := filepath.Join(b.dir, fmt.Sprint("set", n))
	b.must(os.MkdirAll(dir, 0o755))
	for i := 1; i <= n; i++ {
		sql := fmt.Sprintf("create table t%d (id int primary key, v text);\n", i)
		b.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d_t.up.sql", i)), []byte(sql), 0o644))
	}
	return dir
}

const header = "\n| | n | time, %s | median / floor | peak MiB |\n| --- | --- | --- | --- | --- |\n"

func (b *bench) idle() {
	fmt.Fprintf(&b.out, "\n## Start with nothing to do\n"+header, "ms")
	floor := &sample{name: "floor: pgx connect, one query"}
	all := []*sample{floor}
	type contestant struct {
		s   *sample
		url string
		set string
	}
	var cs []contestant
	for _, n := range []int{50, 1000, 10000} {
		url, set := b.pg.NewDatabase(b.scope), b.set(n)
		b.timed(&sample{}, b.schemagate(url, set, "up"))
		s := &sample{name: fmt.Sprintf("schemagate up, %d migrations applied", n)}
		cs, all = append(cs, contestant{s, url, set}), append(all, s)
	}
	for range 30 {
		b.timed(floor, exec.Command(b.floor, cs[0].url))
		for _, c := range cs {
			b.timed(c.s, b.schemagate(c.url, c.set, "up"))
		}
	}
	for _, s := range all {
		b.out.WriteString(s.row(time.Millisecond, floor))
	}
}

func (b *bench) thousand() {
	fmt.Fprintf(&b.out, "\n## Apply 1,000 small migrations to an empty database\n"+header, "s")
	set := b.set(1000)
	var script bytes.Buffer
	files, err := filepath.Glob(filepath.Join(set, "*.sql"))
	b.must(err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		b.must(err)
		fmt.Fprintf(&script, "begin;\n%scommit;\n", text)
	}
	path := filepath.Join(b.dir, "thousand.sql")
	b.must(os.WriteFile(path, script.Bytes(), 0o644))
	psql, ours := &sample{name: "floor: psql, 1,000 transactions"}, &sample{name: "schemagate up"}
	one := &sample{name: "schemagate up, SCHEMAGATE_TRANSACTION=release"}
	for range 5 {
		b.timed(psql, exec.Command("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", path, b.pg.NewDatabase(b.scope)))
		b.timed(ours, b.schemagate(b.pg.NewDatabase(b.scope), set, "up"))
		b.timed(one, b.schemagate(b.pg.NewDatabase(b.scope), set, "up", "--transaction=release"))
	}
	for _, s := range []*sample{psql, ours, one} {
		b.out.WriteString(s.row(time.Second, psql))
	}
}
