package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/schemagate/schemagate/test/harness"
)

// slowSet has one migration that sleeps.
func (b *bench) slowSet(seconds float64) string {
	return b.folder(fmt.Sprint("slow", seconds), map[string]string{
		"0001_slow.up.sql": fmt.Sprintf("create table a (id int);\nselect pg_sleep(%g);\n", seconds)})
}

// crowded is what came of replicas that were started at once.
type crowded struct {
	good, most, commits int
	ends                []time.Time
	ended, complete     time.Time // the migration; our last event
	took, work          float64   // seconds: the migration, and the part of it after its sleep
}

// span is when the first and the last replica ended, from a moment on. Its exit is how up says that the gate is open.
func (c crowded) span(from time.Time) (first, last float64) {
	first, last = math.Inf(1), math.Inf(-1)
	for _, e := range c.ends {
		at := e.Sub(from).Seconds()
		first, last = min(first, at), max(last, at)
	}
	return first, last
}

// outcome is the worst of some rounds.
type outcome struct {
	good, most       int
	last, skew, took float64
}

func worst(rounds []crowded) outcome {
	w := outcome{good: math.MaxInt, most: -1}
	for _, c := range rounds {
		first, last := c.span(c.complete)
		w.good, w.most = min(w.good, c.good), max(w.most, c.most)
		w.last, w.skew, w.took = max(w.last, last), max(w.skew, last-first), max(w.took, c.took)
	}
	return w
}

func (b *bench) crowdAims(n int, w outcome, alone crowded) {
	name := fmt.Sprintf("%d replicas", n)
	b.aim(name, "nobody fails", fmt.Sprintf("%d of %d exit 0", w.good, n), w.good == n)
	b.aim(name, "at most 20 connections after the first look", fmt.Sprint(w.most), w.most >= 0 && w.most <= 20)
	b.aim(name, "the migration not slowed (within 5 %)", fmt.Sprintf("%.2f s, alone %.2f s", w.took, alone.took), w.took <= alone.took*1.05)
	if n <= 300 {
		b.aim(name, "last gate open within 1 s of complete", fmt.Sprintf("%.2f s", w.last), w.last <= 1)
		b.aim(name, "gate skew under 500 ms", fmt.Sprintf("%.0f ms", w.skew*1000), w.skew < 0.5)
	}
}

// crowd starts many replicas at once: every tool, every size.
func (b *bench) crowd() {
	asleep, rows := 7.4, 1_000_000
	if b.quick {
		asleep, rows = 1.5, 100_000
	}
	b.title("Many replicas at once, a migration of 8 s, max_connections=100", fmt.Sprintf("The migration sleeps %g s, then computes %d hashes, and notes its times in a table that was there before; %d round(s) of each. "+
		"Connections are the most that were seen, every 50 ms, since a second after the last replica was started and (ours) has said that it waits. "+
		"A peer's replica that ends while it should wait has failed or has gone on without waiting.", asleep, rows, b.rounds))
	tools := b.tools()
	ok, connections := make([][]float64, len(tools)), make([][]float64, len(tools))
	var axis []string
	alone := b.crowdOf(tools[0], 1, asleep, rows)
	var gates, floors strings.Builder
	b.printf("| replicas | | exit 0 | failed | migration committed | it took, s | last exit after its end, s | connections |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	row := func(n int, name string, c crowded) {
		_, last := c.span(c.ended)
		most := fmt.Sprint(c.most)
		if c.most < 0 {
			most = "not seen"
		}
		b.printf("| %d | %s | %d | %d | %d | %.2f | %.2f | %s |\n", n, name, c.good, n-c.good, c.commits, c.took, last, most)
	}
	row(1, "schemagate", alone)
	for _, n := range b.sizes {
		axis = append(axis, fmt.Sprint(n))
		all := make([][]crowded, len(tools))
		var contestants []func()
		for i, t := range tools {
			contestants = append(contestants, func() {
				c := b.crowdOf(t, n, asleep, rows)
				row(n, t.name, c)
				all[i] = append(all[i], c)
				if t.ours {
					first, last := c.span(c.complete)
					fmt.Fprintf(&gates, "| %d | %s | %.3f | %.3f | %.3f | %.2f | %.2f | %.2f |\n", n, t.name, first, last, last-first, c.took, alone.took, c.work/alone.work)
				}
			})
		}
		turns(b.rounds, contestants)
		fmt.Fprintf(&floors, "- %d: %.2f s\n", n, b.reconnects(n).Seconds())
		for i := range tools {
			w := worst(all[i])
			seen := float64(w.most)
			if w.most < 0 {
				seen = math.NaN()
			}
			ok[i], connections[i] = append(ok[i], float64(w.good)*100/float64(n)), append(connections[i], seen)
		}
		b.crowdAims(n, worst(all[0]), alone)
	}
	b.printf("\nOur gates (`up` ends when its gate opens):\n\n| replicas | | first open after complete, s | last, s | skew, s | the migration, s | the same alone, s | its computing part to that alone |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n%s", gates.String())
	b.printf("\nWhat this machine needs for as many connections from one process, eight at once, each with one small question (`select 1`), when nothing else runs:\n\n%s", floors.String())
	lines := func(values [][]float64) []series {
		var out []series
		for i, t := range tools {
			out = append(out, series{name: t.name, values: values[i], ours: t.ours})
		}
		return out
	}
	b.plot("crowd", plot{title: "Replicas that exit 0 (goose and dbmate take no lock; see the table)", unit: "%", axis: axis, axisName: "replicas, at max_connections=100", series: lines(ok)})
	b.plot("connections", plot{title: "Connections while they wait", unit: "connections", axis: axis, axisName: "replicas, at max_connections=100", series: lines(connections)})
}

func (b *bench) crowdOf(t tool, n int, asleep float64, rows int) crowded {
	url := b.database()
	b.psql(url, "create table took (what text, at timestamptz)")
	note := func(what string) string {
		return fmt.Sprintf("insert into took values ('%s', clock_timestamp());\n", what)
	}
	set := b.set(t, fmt.Sprint("crowd", asleep), 1, func(int) string {
		return note("began") + fmt.Sprintf("select pg_sleep(%g);\n", asleep) + note("work") +
			fmt.Sprintf("select sum(length(md5(i::text))) from (select generate_series(1, %d) i) x;\n", rows) + note("ended")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	watch, err := pgx.Connect(ctx, b.pg.URL()) // the server keeps some for such as this
	b.must(err)
	defer func() { b.must(watch.Close(context.Background())) }()

	c := crowded{most: -1}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var logs []*harness.Stream
	for range n {
		plain := t.cmd(url, set)
		cmd := exec.CommandContext(ctx, plain.Args[0], plain.Args[1:]...)
		cmd.Env = plain.Env
		if t.ours {
			said := harness.NewStream()
			cmd.Env = append(cmd.Env, "SCHEMAGATE_HTTP_ADDR=127.0.0.1:0", "SCHEMAGATE_LOG_LEVEL=info", "SCHEMAGATE_LOG_FORMAT=json")
			cmd.Stderr, logs = said, append(logs, said)
		}
		b.must(cmd.Start())
		wg.Go(func() {
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			c.ends = append(c.ends, time.Now())
			if err == nil {
				c.good++
			}
		})
	}
	settled, done := time.Now(), make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-done:
			alive = false
		case <-tick.C:
			var seen int
			b.must(watch.QueryRow(context.Background(), "select count(*) from pg_stat_activity where datname = $1", databaseOf(url)).Scan(&seen))
			// All but the leader say so once they have looked.
			logs = slices.DeleteFunc(logs, func(l *harness.Stream) bool { lines, _ := l.Grep(harness.Msg("waiting")); return lines != nil })
			if len(logs) > 1 {
				settled = time.Now()
			}
			if time.Since(settled) > time.Second { // what the first looks have left is over
				c.most = max(c.most, seen)
			}
		}
	}
	b.ledger(url, t, &c)
	b.drop(url)
	return c
}

// reconnects is the floor of a crowd's last looks: all that is in them but our question, and the end of a process for each.
func (b *bench) reconnects(n int) time.Duration {
	url := b.database()
	defer b.drop(url)
	var next atomic.Int64
	var wg sync.WaitGroup
	ask := func() error {
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(context.Background(), "select 1")
		return errors.Join(err, conn.Close(context.Background()))
	}
	errs := make([]error, 8)
	began := time.Now()
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(n) {
				errs[i] = ask()
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	b.must(errors.Join(errs...))
	return took
}

// ledger reads what the migration noted.
func (b *bench) ledger(url string, t tool, c *crowded) {
	var began, work, ended float64
	text := b.psql(url, "select count(*) filter (where what = 'ended') || ' ' || coalesce(extract(epoch from min(at) filter (where what = 'began')), 0) || ' ' || "+
		"coalesce(extract(epoch from min(at) filter (where what = 'work')), 0) || ' ' || coalesce(extract(epoch from min(at) filter (where what = 'ended')), 0) from took")
	_, err := fmt.Sscan(text, &c.commits, &began, &work, &ended)
	b.must(err)
	c.took, c.work, c.ended = ended-began, cmp.Or(ended-work, math.NaN()), moment(ended)
	if t.ours {
		var complete float64
		_, err := fmt.Sscan(b.psql(url, "select extract(epoch from at) from schemagate_history where kind = 'complete'"), &complete)
		b.must(err)
		c.complete = moment(complete)
	}
}

func moment(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }
