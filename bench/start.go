package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// start measures the commonest start of all: the database is as the release wants it.
func (b *bench) start() {
	b.title("Start with nothing to do", "The floor is a program that connects with pgx, asks `select 1`, and ends. The migrations are applied before; they add a row each (at 10,000 the peers apply the first 50, and SQL completes their records). \"Lean\" is the build that leaves out what PostgreSQL and a folder don't need, \"packed\" a set that `schemagate pack` wrote.")
	axis, rounds := b.sets, b.n(30, 3)
	if b.quick {
		axis = []int{50, 1100}
	}
	tools := append(b.tools(), b.variants()...)
	lines := make([][]float64, len(tools))
	var names []string
	var floorLine []float64
	ours := map[string][]time.Duration{}
	for _, n := range axis {
		b.printf("\n%d migrations applied:\n\n", n)
		floor := &sample{name: "floor: pgx connect, one query"}
		all := []*sample{floor}
		empty := b.database()
		contestants := []func(){func() { b.timed(floor, exec.Command(b.program("pgfloor"), empty)) }}
		for _, t := range tools {
			set := b.set(t, fmt.Sprint("rows", n), n, func(i int) string {
				if i == 1 {
					return "create table seen (id int);\n"
				}
				return fmt.Sprintf("insert into seen values (%d);\n", i)
			})
			url := b.database()
			b.hasten(url, func() {
				if t.fill != nil && n > 1000 {
					b.once(t.cmd(url, filepath.Join(b.dir, "rows50-"+t.name)))
					b.psql(url, t.fill(n))
				}
				b.once(t.cmd(url, set))
				if rows := b.psql(url, "select count(*) from seen"); t.fill != nil && n > 1000 && rows != "49" {
					b.scope.Fatalf("%s had something to do: %s rows", t.name, rows)
				}
			})
			s := &sample{name: t.name, peer: !t.ours}
			all = append(all, s)
			contestants = append(contestants, func() { b.timed(s, t.cmd(url, set)) })
		}
		turns(min(rounds, max(3, 100_000/n)), contestants) // golang-migrate takes seconds for 10,000
		b.table(time.Millisecond, all)
		names = append(names, fmt.Sprint(n))
		floorLine = append(floorLine, ms(floor.median()))
		for i, s := range all[1:] {
			lines[i] = append(lines[i], ms(s.median()))
		}
		peer := best(all)
		for i, t := range tools {
			if !t.ours {
				continue
			}
			us, what := all[i+1].median(), fmt.Sprintf("start, %d applied%s", n, strings.TrimPrefix(t.name, "schemagate"))
			ours[t.name] = append(ours[t.name], us)
			b.aim(what, "at most 1.3 times the floor", ratio(us, floor.median()), us <= floor.median()*13/10)
			b.aim(what, "faster than every peer", fmt.Sprintf("%s ms, %s %s ms", in(time.Millisecond, us), peer.name, in(time.Millisecond, peer.median())), us < peer.median())
		}
	}
	for _, t := range tools {
		if us := ours[t.name]; t.ours {
			first, last := us[0], us[len(us)-1]
			b.aim("start"+strings.TrimPrefix(t.name, "schemagate"), "flat in the number of migrations (within 10 %)",
				ratio(last, first)+" times the time at "+names[len(names)-1]+" as at "+names[0], last <= first*11/10)
		}
	}
	p := plot{title: "Start with nothing to do: median wall time", unit: "ms", axis: names, axisName: "migrations applied", decades: true}
	for i, t := range tools {
		p.series = append(p.series, series{name: t.name, values: lines[i], ours: t.ours})
	}
	p.series = append(p.series, series{name: "floor", values: floorLine})
	b.plot("start", p)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// hasten lets what is only preparation not wait for the disk.
func (b *bench) hasten(url string, do func()) {
	b.psql(url, "do $$begin execute format('alter database %I set synchronous_commit = off', current_database()); end$$")
	do()
	b.psql(url, "do $$begin execute format('alter database %I reset synchronous_commit', current_database()); end$$")
	b.psql(url, "vacuum analyze")
}
