// Command bench measures what the README claims, on real servers, and writes bench/RESULTS.md and its plots. Whatever is compared
// is run in turns within one round, so that a machine that changes its speed changes it for all. It asserts nothing: an aim that is
// not met is written as not met.
//
//	go run ./bench                      all scenarios
//	go run ./bench -run start,apply     some, to standard output; with -out bench, into the report beside the others
//	go run ./bench -quick -run crowd    with few rounds, to try the program itself
//	go run ./bench -run crowd -crowd 1000
//	go run ./bench -run crowd -crowd 300 -rounds 5 -against /tmp/schemagate-before    another build, in turns with this one
//	go run ./bench -run size -stay 8h
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/schemagate/schemagate/test/servers"
)

// bench is one run of the program.
type bench struct {
	scope *servers.Scope
	dir   string // of this run, removed at its end
	bin   string // where what is measured lies
	pg    *servers.PG
	quick bool
	sizes []int // of crowds
	sets  []int // how many migrations are applied where nothing is to be done
	stay  *resident
	// rounds is how often each crowd starts; against is another build of schemagate, which then takes the peers' place.
	rounds  int
	against string

	longest time.Duration // that it lives at least

	databases int // made so far
	report
}

type scenario struct {
	name string
	run  func(*bench)
}

// scenarioNames is the order of the report.
var scenarioNames = []string{"start", "apply", "crowd", "takeover", "ready", "mongo", "size"}

var scenarios = []scenario{
	{"start", (*bench).start},
	{"apply", (*bench).apply},
	{"crowd", (*bench).crowd},
	{"takeover", (*bench).takeover},
	{"ready", (*bench).ready},
	{"mongo", (*bench).mongo},
	{"size", (*bench).size},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	only := flag.String("run", "", "some scenarios in this order, with commas between: "+strings.Join(scenarioNames, ","))
	quick := flag.Bool("quick", false, "few rounds and small sets: figures that mean nothing")
	crowd := flag.String("crowd", "50,100,200,300", "how many replicas at once")
	applied := flag.String("applied", "50,1000,10000", "how many migrations are applied where nothing is to be done, 50 first")
	rounds := flag.Int("rounds", 1, "how often each crowd starts")
	against := flag.String("against", "", "another build of schemagate, in turns with this one instead of the peers: crowd, takeover")
	stay := flag.Duration("stay", 0, "how long the sidecar whose memory is measured lives at least; else as long as the run")
	out := flag.String("out", "", "the folder for RESULTS.md and the plots (bench for a whole run, else standard output)")
	flag.Parse()
	b := &bench{scope: servers.NewScope("bench"), quick: *quick, longest: *stay, rounds: *rounds, against: *against}
	for _, list := range []struct {
		flag, text string
		into       *[]int
	}{{"-crowd", *crowd, &b.sizes}, {"-applied", *applied, &b.sets}} {
		for s := range strings.SplitSeq(list.text, ",") {
			n, err := strconv.Atoi(s)
			if err != nil || n < 2 {
				return fmt.Errorf("%s: %q is no number above 1", list.flag, s)
			}
			*list.into = append(*list.into, n)
		}
	}
	chosen := scenarios
	if *only != "" {
		chosen = nil
		for name := range strings.SplitSeq(*only, ",") {
			i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
			if i < 0 {
				return fmt.Errorf("-run: there is no scenario %q", name)
			}
			chosen = append(chosen, scenarios[i])
		}
	} else if *out == "" && !*quick {
		*out = "bench"
	}
	defer b.scope.Close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() { // as long as the program
		<-interrupted
		b.scope.Close() // what it started
		os.Exit(130)
	}()
	b.prepare()
	var failed error
	for _, s := range chosen {
		fmt.Fprintf(os.Stderr, "bench: %s %s\n", time.Now().Format(time.TimeOnly), s.name)
		failed = errors.Join(failed, b.guarded(s))
		// After each, so that what was measured is not lost.
		if err := b.write(*out); err != nil {
			return err
		}
	}
	if *out == "" {
		fmt.Print(b.text(b.parts))
	}
	return failed
}

// guarded runs a scenario; one that fails says so in the report, and the others are run.
func (b *bench) guarded(s scenario) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", s.name, r)
			b.printf("\n**The scenario %s failed: no figures.**\n", s.name)
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	b.begin(s.name)
	s.run(b)
	return nil
}

// n is how often, or how many.
func (b *bench) n(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func (b *bench) must(err error) {
	if err != nil {
		b.scope.Fatalf("%v", err)
	}
}

func (b *bench) prepare() {
	b.report.describe(b.quick)
	dir, err := os.MkdirTemp("", "schemagate-bench-")
	b.must(err)
	b.scope.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary folder does no harm
	b.dir, b.bin = dir, filepath.Join(dir, "bin")
	for _, what := range [][]string{{"/", "./cmd/schemagate", "./bench/pgfloor", "./bench/mongofloor", "./bench/constant", "./bench/launch"}, {"/lean", "-tags=" + lean, "./cmd/schemagate"}} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", b.bin + what[0]}, what[1:]...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		b.must(os.MkdirAll(b.bin, 0o755))
		if out, err := cmd.CombinedOutput(); err != nil {
			b.scope.Fatalf("%v\n%s", err, out)
		}
	}
	b.pg = servers.Postgres(b.scope, servers.Fsync(), servers.Setting("shared_buffers", "128MB"))
	b.psql(b.pg.URL(), "create role app login")
	b.stay = b.settle()
}

// lean is what the Makefile's lean build leaves out.
const lean = "no_consul,no_git,no_mongodb,no_mysql,no_secrets,no_sqlite"

func (b *bench) program(name string) string { return filepath.Join(b.bin, name) }

// psql asks the server something.
func (b *bench) psql(url, sql string) string { return servers.Psql(b.scope, url, sql) }

// folder writes files into a new folder.
func (b *bench) folder(name string, files map[string]string) string {
	dir := filepath.Join(b.dir, name)
	b.must(os.MkdirAll(dir, 0o755))
	for file, text := range files {
		b.must(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	return dir
}

// once runs a command that has to end well.
func (b *bench) once(cmd *exec.Cmd) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		b.scope.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.String())
	}
}
