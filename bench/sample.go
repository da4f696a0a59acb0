package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// sample is what was seen of one contestant.
type sample struct {
	name string
	peer bool
	wall []time.Duration
	cpu  []time.Duration
	peak []int64 // KiB resident at most
}

func median[T time.Duration | int64 | float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func (s *sample) median() time.Duration { return median(s.wall) }

// in is a time as a number of units.
func in(unit, d time.Duration) string { return fmt.Sprintf("%.3g", float64(d)/float64(unit)) }

// spread is min / median / max.
func (s *sample) spread(unit time.Duration) string {
	if len(s.wall) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s / **%s** / %s", in(unit, slices.Min(s.wall)), in(unit, s.median()), in(unit, slices.Max(s.wall)))
}

func ratio(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

// best is the peer with the smallest median; nil without peers.
func best(all []*sample) *sample {
	var b *sample
	for _, s := range all {
		if s.peer && len(s.wall) > 0 && (b == nil || s.median() < b.median()) {
			b = s
		}
	}
	return b
}

// table compares samples; the first is the floor.
func (r *report) table(unit time.Duration, all []*sample) {
	r.printf("| | n | wall, %s: min / **median** / max | to the floor | to the best peer | CPU, %[1]s | peak MiB |\n| --- | --- | --- | --- | --- | --- | --- |\n",
		map[time.Duration]string{time.Millisecond: "ms", time.Second: "s"}[unit])
	peer := best(all)
	for _, s := range all {
		against := ""
		if peer != nil {
			against = ratio(s.median(), peer.median())
		}
		r.printf("| %s | %d | %s | %s | %s | %s | %.1f |\n", s.name, len(s.wall), s.spread(unit), ratio(s.median(), all[0].median()), against,
			in(unit, median(s.cpu)), float64(median(s.peak))/1024)
	}
}

// measured is what launch prints.
type measured struct {
	Wall, CPU time.Duration
	Peak      int64
	Code      int
}

// timed runs a command to its end, which has to be a good one. A small program starts it: the kernel counts the memory of
// who starts a process as that of the process.
func (b *bench) timed(s *sample, cmd *exec.Cmd) {
	var out, figures bytes.Buffer
	read, write, err := os.Pipe()
	b.must(err)
	launched := exec.Command(b.program("launch"), cmd.Args...)
	launched.Env, launched.Dir, launched.Stdout, launched.Stderr, launched.ExtraFiles = cmd.Env, cmd.Dir, &out, &out, []*os.File{write}
	b.must(launched.Start())
	b.must(write.Close())
	_, err = figures.ReadFrom(read)
	b.must(err)
	b.must(read.Close())
	if err := launched.Wait(); err != nil {
		b.scope.Fatalf("%s: %v\n%s", s.name, err, out.String())
	}
	var m measured
	b.must(json.Unmarshal(figures.Bytes(), &m))
	if m.Code != 0 {
		b.scope.Fatalf("%s: exit code %d\n%s", s.name, m.Code, out.String())
	}
	s.wall, s.cpu, s.peak = append(s.wall, m.Wall), append(s.cpu, m.CPU), append(s.peak, m.Peak)
}

// turns runs each contestant once in every round, another one first each time.
func turns(rounds int, contestants []func()) {
	for round := range rounds {
		for i := range contestants {
			contestants[(round+i)%len(contestants)]()
		}
	}
}
