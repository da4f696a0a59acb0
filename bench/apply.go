package main

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// apply measures migrations that are small and many, so that what is seen is the tool.
func (b *bench) apply() {
	n, rounds := b.n(1000, 50), b.n(5, 1)
	b.title("Apply 1,000 small migrations to an empty database", "One transaction each, but for `psql -1` and SCHEMAGATE_TRANSACTION=release; with fsync. The floor is psql with the same statements in as many transactions.")
	var each, all strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&each, "begin;\n%scommit;\n", small(i))
		all.WriteString(small(i))
	}
	dir := b.folder("psql", map[string]string{"each.sql": each.String(), "all.sql": all.String()})
	psql := realPsql()
	type contestant struct {
		s   *sample
		cmd func(url string) *exec.Cmd
	}
	list := []contestant{
		{&sample{name: "floor: psql, 1,000 transactions"}, func(url string) *exec.Cmd {
			return exec.Command(psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", dir+"/each.sql", url)
		}},
		{&sample{name: "psql -1"}, func(url string) *exec.Cmd {
			return exec.Command(psql, "-X", "-1", "-q", "-v", "ON_ERROR_STOP=1", "-f", dir+"/all.sql", url)
		}},
	}
	for _, t := range b.tools() {
		set := b.set(t, "small", n, small)
		list = append(list, contestant{&sample{name: t.name, peer: !t.ours}, func(url string) *exec.Cmd { return t.cmd(url, set) }})
		if t.ours {
			list = append(list, contestant{&sample{name: "schemagate, SCHEMAGATE_TRANSACTION=release"}, func(url string) *exec.Cmd { return b.schemagate(url, set, "up", "--transaction=release") }})
		}
	}
	var contestants []func()
	var samples []*sample
	for _, c := range list {
		samples = append(samples, c.s)
		contestants = append(contestants, func() {
			url := b.database()
			b.timed(c.s, c.cmd(url))
			b.drop(url)
		})
	}
	turns(rounds, contestants)
	b.table(time.Second, samples)
	floor, one, us, release, peer := samples[0].median(), samples[1].median(), samples[2].median(), samples[3].median(), best(samples)
	b.aim("apply 1,000", "at most 1.1 times the floor", ratio(us, floor), us <= floor*11/10)
	b.aim("apply 1,000", "ahead of every peer", fmt.Sprintf("%s s, %s %s s", in(time.Second, us), peer.name, in(time.Second, peer.median())), us < peer.median())
	b.aim("apply 1,000, SCHEMAGATE_TRANSACTION=release", "near psql -1 (within 10 %)", ratio(release, one), release <= one*11/10)
	p := plot{title: "Apply 1,000 small migrations: median", unit: "s"}
	for i, s := range samples {
		p.series = append(p.series, series{name: strings.TrimPrefix(strings.Replace(s.name, "schemagate, SCHEMAGATE_TRANSACTION=", "schemagate ", 1), "floor: "), values: []float64{s.median().Seconds()}, ours: i == 2 || i == 3})
	}
	p.series[0].name = "psql, each its own"
	b.plot("apply", p)
}

// realPsql is psql itself where Debian has a wrapper of that name, which takes longer to start than psql.
func realPsql() string {
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/psql"); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	return "psql"
}

// database makes an empty one, of a role as an app has it: the connections that the server keeps for superusers are not for it. It goes
// with the server.
func (b *bench) database() string {
	b.databases++
	name := fmt.Sprint("bench", b.databases)
	b.psql(b.pg.URL(), "create database "+name+" owner app")
	return strings.Replace(b.pg.DatabaseURL(name), "//postgres@", "//app@", 1)
}

func (b *bench) drop(url string) {
	b.psql(b.pg.URL(), "drop database "+databaseOf(url)+" with (force)")
}

func databaseOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
