package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// resident is a sidecar that lives as long as the run.
type resident struct {
	cmd   *exec.Cmd
	began time.Time
	first memory
}

// settle starts it.
func (b *bench) settle() *resident {
	s, _ := b.sidecar(b.set(tool{name: "stay", file: func(i int, sql string) (string, string) { return fmt.Sprintf("%06d_t.up.sql", i), sql }}, "stay", 50, small), "sidecar")
	b.scope.Cleanup(func() { b.stop(s.cmd) })
	b.probe(s.addr, 200)
	r := &resident{cmd: s.cmd, began: time.Now()}
	r.first = b.memory(s.cmd.Process.Pid)
	return r
}

// memory is what a process has resident, in KiB: all, and what is its own and no part of a file.
type memory struct{ all, own int64 }

func (m memory) String() string {
	return fmt.Sprintf("%.1f | %.1f", float64(m.all)/1024, float64(m.own)/1024)
}

func (b *bench) memory(pid int) (m memory) {
	for line := range strings.Lines(fileText(fmt.Sprintf("/proc/%d/status", pid))) {
		for key, value := range map[string]*int64{"VmRSS:": &m.all, "RssAnon:": &m.own} {
			if rest, ok := strings.CutPrefix(line, key); ok {
				_, err := fmt.Sscan(rest, value)
				b.must(err)
			}
		}
	}
	if m.all == 0 {
		b.scope.Fatalf("no memory of process %d", pid)
	}
	return m
}

// size measures what a replica takes of a machine.
func (b *bench) size() {
	b.title("Size and memory", "Binaries are static and stripped. Memory is what is resident; its own is without the pages of the binary, which replicas on one machine share and the kernel may drop.")
	bytes := func(path string) float64 {
		info, err := os.Stat(path)
		b.must(err)
		return float64(info.Size()) / (1 << 20)
	}
	ours := bytes(b.program("schemagate"))
	b.printf("| binary | MiB |\n| --- | --- |\n| schemagate | %.1f |\n| schemagate, lean | %.1f |\n", ours, bytes(b.program("lean")))
	for _, peer := range []string{"migrate", "goose", "tern", "dbmate"} {
		b.printf("| %s | %.1f |\n", peer, bytes(servers.Peer(b.scope, peer)))
	}
	b.aim("binary (the image adds certificates only)", "under 45 MiB", fmt.Sprintf("%.1f MiB", ours), ours < 45)

	patience := time.Duration(b.n(20, 2)) * time.Second
	waiting, lean := b.waiting("schemagate", patience), b.waiting("lean", patience)
	<-time.After(time.Until(b.stay.began.Add(b.longest)))
	last := b.memory(b.stay.cmd.Process.Pid)
	minutes := time.Since(b.stay.began).Minutes()
	b.printf("\n| memory | MiB | its own |\n| --- | --- | --- |\n| waiting at the gate, for %v | %s |\n| the same, lean | %s |\n| a sidecar, just started | %s |\n| the same after %.0f minutes | %s |\n",
		patience, waiting, lean, b.stay.first, minutes, last)
	b.aim("memory while waiting", "under 20 MiB", fmt.Sprintf("%.1f MiB", float64(waiting.all)/1024), waiting.all < 20<<10)
	b.aim("memory while waiting, lean", "under 20 MiB", fmt.Sprintf("%.1f MiB", float64(lean.all)/1024), lean.all < 20<<10)
	b.aim(fmt.Sprintf("memory as a sidecar after %.0f minutes", minutes), "under 20 MiB", fmt.Sprintf("%.1f MiB", float64(last.all)/1024), last.all < 20<<10)
}

// waiting is a follower's memory after some time.
func (b *bench) waiting(program string, patience time.Duration) memory {
	url, set := b.database(), b.slowSet(60)
	start := func() (*exec.Cmd, *harness.Stream) {
		cmd := b.variant(program, url, set, "up")
		said := harness.NewStream()
		cmd.Env, cmd.Stderr = append(cmd.Env, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_LOG_LEVEL=info", "SCHEMAGATE_LOG_FORMAT=json"), said
		b.must(cmd.Start())
		return cmd, said
	}
	leader, said := start()
	defer b.stop(leader)
	b.await(said, "term minted")
	follower, heard := start()
	defer b.stop(follower)
	b.await(heard, "waiting")
	<-time.After(patience)
	return b.memory(follower.Process.Pid)
}
