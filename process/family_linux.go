package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// stat is what is needed of /proc/PID/stat.
type stat struct {
	member
	parent int
	dead   bool // a zombie: nothing of it runs, and reaping it is its parent's
}

// looks bounds how often one answer is doubted, on a machine where unrelated processes come and go all the time.
const looks = 10

// members looks through /proc until it is sure. A look isn't atomic: a member may fork and end between the moment in which the
// processes are listed and the one in which it is read, and its child is then in no list. So an empty look counts only if
// nobody in it had just ended, or was just executing a file (its environment is empty then).
func (f *family) members() []member {
	var doubts map[identity]bool
	for range looks {
		all, sure := processes()
		if len(all) == 0 {
			return groupAlone(f.pgid) // no /proc here
		}
		living, doubtful := f.among(all)
		for m := range doubtful {
			sure = sure && doubts[m]
		}
		if sure || len(living) > 0 {
			return living
		}
		doubts = doubtful
	}
	return nil
}

// among returns the family's living members, and those who may just have had a child that isn't in all.
func (f *family) among(all map[int]stat) (living []member, doubtful map[identity]bool) {
	// While a group has members its number isn't given to a new process. So one of that number who isn't our child means
	// that our group ended and this is another.
	first, ok := all[f.pgid]
	foreign := ok && f.guard == 0 && first.start != f.leader.start

	delete(all, os.Getpid())
	delete(all, f.guard)
	in := map[int]bool{}
	doubtful = map[identity]bool{}
	for pid, p := range all {
		in[pid] = p.pgid == f.pgid && !foreign || p.identity == f.leader || f.known[p.identity]
		if !in[pid] && f.mark != "" && !p.dead {
			var empty bool
			in[pid], empty = marked(pid, f.mark)
			if empty {
				doubtful[p.identity] = true
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, p := range all {
			if !in[pid] && in[p.parent] {
				in[pid], grown = true, true
			}
		}
	}
	if f.known == nil {
		f.known = map[identity]bool{}
	}
	for pid, p := range all {
		if in[pid] {
			f.known[p.identity] = true
		}
		switch {
		case in[pid] && p.dead:
			doubtful[p.identity] = true
		case in[pid]:
			living = append(living, p.member)
		}
	}
	return living, doubtful
}

// signal makes sure that the number still belongs to the process that was seen.
func (m member) signal(sig syscall.Signal) {
	if startTime(m.pid) == m.start {
		_ = syscall.Kill(m.pid, sig)
	}
}

// startTime is empty when the process is gone.
func startTime(pid int) string {
	p, ok := readStat(pid)
	if !ok {
		return ""
	}
	return p.start
}

// processes is sure if none ended between being listed and being read. There are none where /proc is missing or is another PID
// namespace's, in which our numbers mean other processes.
func processes() (all map[int]stat, sure bool) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return nil, false
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, false
	}
	all, sure = map[int]stat{}, true
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readStat(pid); ok {
			all[pid] = p
		} else {
			sure = false
		}
	}
	return all, sure
}

func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	// PID (NAME) STATE PPID PGRP ..., the start time is field 22. NAME may hold anything, parentheses and spaces included.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 {
		return stat{}, false
	}
	p := stat{member: member{identity: identity{pid, fields[19]}, name: string(text[open+1 : end])}}
	p.dead = fields[0] == "Z" || fields[0] == "X"
	p.parent, _ = strconv.Atoi(fields[1])
	p.pgid, _ = strconv.Atoi(fields[2])
	return p, true
}

// marked reports whether a process was started with the mark, false where we may not look; and whether there was no
// environment at all.
func marked(pid int, mark string) (is, empty bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false, false
	}
	want := []byte(markName + "=" + mark)
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(entry, want) {
			return true, false
		}
	}
	return false, len(env) == 0
}
