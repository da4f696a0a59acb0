package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what is written in the end.
type report struct {
	head  string
	parts map[string]*part // of each scenario
	*part                  // of the one that runs
	plots map[string]string
}

// part is kept as JSON too, so that a run of some scenarios leaves the others as they were measured.
type part struct {
	Body string
	Aims []string
}

// record has the parts of all scenarios that were ever run into a folder.
const record = "results.json"

// recall is what this run measured, and of the other scenarios what others have written there by now.
func (r *report) recall(folder string) (map[string]*part, error) {
	all := map[string]*part{}
	b, err := os.ReadFile(filepath.Join(folder, record))
	if err == nil {
		err = json.Unmarshal(b, &all)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	maps.Copy(all, r.parts)
	return all, err
}

// begin makes room for a scenario.
func (r *report) begin(scenario string) {
	if r.parts == nil {
		r.parts = map[string]*part{}
	}
	r.part = &part{}
	r.parts[scenario] = r.part
}

func (r *report) printf(format string, args ...any) { r.Body += fmt.Sprintf(format, args...) }

// title begins a scenario's text.
func (r *report) title(title, note string) {
	share := busy()
	r.printf("\n## %s\n\n%s\nBegun %s; the processors were busy for %.0f %% of the second before.\n\n", title, note, time.Now().UTC().Format("2006-01-02 15:04"), share*100)
	if share > .25 {
		r.printf("**The machine was busy with other work: what is compared suffered alike, but the times say little, and aims may be missed or met by chance.**\n\n")
	}
}

// busy is the share of the processors' time that is in use, over a second: the load average still tells of the scenario before.
func busy() float64 {
	ticks := func() (idle, all float64) {
		first, _, _ := strings.Cut(fileText("/proc/stat"), "\n")
		for i, field := range strings.Fields(first) {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil || i > 8 { // the name; a guest's time is part of another's
				continue
			}
			all += n
			if i == 4 || i == 5 { // idle; waiting for the disk
				idle += n
			}
		}
		return idle, all
	}
	idle, all := ticks()
	<-time.After(time.Second)
	idleNow, allNow := ticks()
	return 1 - (idleNow-idle)/max(1, allNow-all)
}

// load is the machine's load averages.
func load() string {
	return strings.Join((strings.Fields(fileText("/proc/loadavg") + " ? ? ?"))[:3], " ")
}

// aim puts a figure beside what was aimed at. Nothing measured is not met.
func (r *report) aim(what, aim, got string, met bool) {
	verdict := "**not met**"
	if met {
		verdict = "met"
	}
	r.Aims = append(r.Aims, fmt.Sprintf("| %s | %s | %s | %s |\n", what, aim, got, verdict))
}

// plot keeps a picture that the report shows.
func (r *report) plot(name string, p plot) {
	if r.plots == nil {
		r.plots = map[string]string{}
	}
	r.plots[name] = p.svg()
	r.printf("\n![%s](%s.svg)\n", p.title, name)
}

// text has the scenarios in the order of their list, however they were run.
func (r *report) text(parts map[string]*part) string {
	var aims, bodies string
	for _, s := range scenarioNames {
		if p := parts[s]; p != nil {
			aims += strings.Join(p.Aims, "")
			bodies += p.Body
		}
	}
	if aims != "" {
		aims = "\n## Aims\n\n| | aim | measured | |\n| --- | --- | --- | --- |\n" + aims
	}
	return r.head + aims + bodies
}

// write writes all that there is so far.
func (r *report) write(folder string) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.plots)) {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), []byte(r.plots[name]), 0o644); err != nil {
			return err
		}
	}
	parts, err := r.recall(folder)
	if err != nil {
		return err
	}
	kept, err := json.MarshalIndent(parts, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, record), append(kept, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "RESULTS.md"), []byte(r.text(parts)), 0o644)
}

// describe says when, where, and of what.
func (r *report) describe(quick bool) {
	version := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			return "" // what is not installed has none
		}
		first, _, _ := strings.Cut(string(out), "\n")
		return strings.TrimSpace(first)
	}
	var model, memory string
	for line := range strings.Lines(fileText("/proc/cpuinfo")) {
		if k, v, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == "model name" {
			model = strings.TrimSpace(v)
		}
	}
	for line := range strings.Lines(fileText("/proc/meminfo")) {
		if kib := 0; strings.HasPrefix(line, "MemTotal:") {
			if _, err := fmt.Sscan(strings.TrimPrefix(line, "MemTotal:"), &kib); err == nil {
				memory = fmt.Sprintf("%d GiB", kib>>20)
			}
		}
	}
	var peers []string
	for line := range strings.Lines(fileText("test/peers/go.mod")) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[1], "v") {
			peers = append(peers, strings.Join(f, " "))
		}
	}
	r.head = "# Results\n\nWritten by `make bench`. What is compared took turns within each round, on the same server and the same data. " +
		"CPU and peak memory are medians. What is asked for in the table of aims and is not met is written so.\n"
	if quick {
		r.head += "\n**A quick run, to try the program: these figures mean nothing.**\n"
	}
	r.head += fmt.Sprintf("\n- begun %s; load average then %s (scenarios may be of several runs, each has its own)\n- %s cores, %s, %s, Linux %s\n- %s; %s; Node %s; wrk of Debian\n- peers: %s; dbmate is its library with only two of its drivers; "+
		"goose+lock is goose's library with its session lock, since its command line takes none; migrate-mongo from npm\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), load(), version("nproc"), model, memory, version("uname", "-r"),
		version("go", "version"), version("psql", "--version"), version("node", "--version"), strings.Join(peers, ", "))
}

// fileText is a file's text; what can't be read is nothing.
func fileText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}
