// Command backfill measures data migrations in batches on a real PostgreSQL, and documents on FerretDB, and writes
// bench/RESULTS-backfill.md. It compares with a loop that a person would write by hand: the same batches, each with its cursor in one
// transaction.
//
//	go run ./bench/backfill               5 million rows
//	go run ./bench/backfill -n 1000000    fewer
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/servers"
)

type bench struct {
	scope     *servers.Scope
	dir, gate string
	n, size   int
	docs      int
	pg        *servers.PG
	out       bytes.Buffer
}

// fifth: what is compared with the loop takes its turn on a fifth of the rows.
const fifth = 5

func main() {
	b := &bench{scope: servers.NewScope("bench")}
	flag.IntVar(&b.n, "n", 5_000_000, "rows")
	flag.IntVar(&b.size, "size", 2000, "keys in a batch")
	flag.IntVar(&b.docs, "docs", 20_000, "documents on FerretDB")
	flag.Parse()
	defer b.scope.Close()
	b.prepare()
	cores, _ := exec.Command("nproc").Output() // unknown is printed as nothing
	fmt.Fprintf(&b.out, "# Results: backfills\n\nWritten by `go run ./bench/backfill -n %d -size %d -docs %d` on %s; %s cores, shared with other work. PostgreSQL with fsync.\n",
		b.n, b.size, b.docs, time.Now().UTC().Format("2006-01-02"), strings.TrimSpace(string(cores)))
	b.throughput()
	b.killed()
	if b.docs > 0 {
		b.ferret()
	}
	b.must(os.WriteFile(filepath.Join("bench", "RESULTS-backfill.md"), b.out.Bytes(), 0o644))
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
	b.dir, b.gate = dir, filepath.Join(dir, "schemagate")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.gate, "./cmd/schemagate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.scope.Fatalf("%v\n%s", err, out)
	}
	b.pg = servers.Postgres(b.scope, servers.Fsync(), servers.Setting("max_wal_size", "8GB"))
	b.write("cents.up.sql", fmt.Sprintf("-- schemagate: backfill table=items key=id where=\"cents is null\" size=%d\n"+
		"UPDATE items SET cents = price * 100, changed = changed + 1 WHERE :batch;\n", b.size))
}

// write makes a set of one migration.
func (b *bench) write(name, text string) {
	b.must(os.MkdirAll(filepath.Join(b.dir, name), 0o755))
	b.must(os.WriteFile(filepath.Join(b.dir, name, "0001_"+name), []byte(text), 0o644))
}

// table makes a database with n rows.
func (b *bench) table(n int) string {
	url := b.pg.NewDatabase(b.scope)
	servers.Psql(b.scope, url, "create table items (id bigint primary key, price bigint not null, cents bigint, changed int not null default 0, touched int not null default 0)")
	for i := 1; i <= n; i += 500_000 {
		servers.Psql(b.scope, url, fmt.Sprintf("insert into items (id, price) select i, i %% 1000 from generate_series(%d, %d) i", i, min(n, i+499_999)))
	}
	servers.Psql(b.scope, url, "vacuum analyze items")
	servers.Psql(b.scope, url, "checkpoint")
	return url
}

func (b *bench) up(url, set string) *exec.Cmd {
	cmd := exec.Command(b.gate, "up")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SCHEMAGATE_DATABASE_URL=" + url, "SCHEMAGATE_MIGRATIONS=" + filepath.Join(b.dir, set),
		"SCHEMAGATE_HTTP_ADDR=off", "SCHEMAGATE_LOG_LEVEL=warn", "SCHEMAGATE_LEASE_TTL=2s", "SCHEMAGATE_TIMEOUT=10m"}
	return cmd
}

// loop is what a person writes: the next keys, the statement, the cursor, commit.
func (b *bench) loop(url string) time.Duration {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	b.must(err)
	defer func() { _ = conn.Close(ctx) }() // nothing is pending on it
	_, err = conn.Exec(ctx, "create table place (id bigint); insert into place values (0)")
	b.must(err)
	began := time.Now()
	for at := int64(0); ; {
		tx, err := conn.Begin(ctx)
		b.must(err)
		var last *int64
		b.must(tx.QueryRow(ctx, "select max(id) from (select id from items where id > $1 and cents is null order by id limit $2) k", at, b.size).Scan(&last))
		if last == nil {
			b.must(tx.Rollback(ctx))
			break
		}
		_, err = tx.Exec(ctx, "update items set cents = price * 100, changed = changed + 1 where id > $1 and id <= $2 and cents is null", at, *last)
		b.must(err)
		_, err = tx.Exec(ctx, "update place set id = $1", *last)
		b.must(err)
		b.must(tx.Commit(ctx))
		at = *last
	}
	left := 0
	b.must(conn.QueryRow(ctx, "select count(*) from items where cents is null").Scan(&left))
	return time.Since(began)
}

// run is schemagate to its end; it returns the time and the peak of its memory in KiB.
func (b *bench) run(url, set string) (time.Duration, int64) {
	cmd := b.up(url, set)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.scope.Fatalf("%v\n%s", err, out.String())
	}
	return time.Since(began), peak(cmd)
}

func peak(cmd *exec.Cmd) int64 {
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		return ru.Maxrss
	}
	return 0
}

func (b *bench) throughput() {
	fmt.Fprintf(os.Stderr, "bench: throughput\n")
	n := b.n / fifth
	byHand := b.loop(b.table(n))
	ours, memory := b.run(b.table(n), "cents.up.sql")
	perSecond := func(d time.Duration) float64 { return float64(n) / d.Seconds() }
	fmt.Fprintf(&b.out, "\n## Throughput, without a writer\n\n%d rows in batches of at most %d; n = 1 run each.\n\n| | s | rows/s | of the loop | peak MiB |\n| --- | --- | --- | --- | --- |\n"+
		"| loop by hand | %.1f | %.0f | 100 %% | |\n| schemagate up | %.1f | %.0f | %.0f %% | %.1f |\n",
		n, b.size, byHand.Seconds(), perSecond(byHand), ours.Seconds(), perSecond(ours), 100*byHand.Seconds()/ours.Seconds(), float64(memory)/1024)
}

// writer changes one row after the other until stop is called, and returns how long each change took.
func (b *bench) writer(url string, n int) (stop func() []time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgx.Connect(ctx, url)
	b.must(err)
	var times []time.Duration
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			_, err := conn.Exec(context.WithoutCancel(ctx), "update items set touched = touched + 1 where id = $1", 1+rand.IntN(n))
			b.must(err)
			times = append(times, time.Since(began))
		}
	})
	return func() []time.Duration {
		cancel()
		done.Wait()
		_ = conn.Close(context.WithoutCancel(ctx)) // nothing is pending on it
		slices.Sort(times)
		return times
	}
}

func quantile(times []time.Duration, q float64) float64 {
	return times[min(len(times)-1, int(q*float64(len(times))))].Seconds() * 1000
}

func (b *bench) killed() {
	fmt.Fprintf(os.Stderr, "bench: killed every 5 s beside a writer\n")
	url := b.table(b.n)
	stop := b.writer(url, b.n)
	<-time.After(10 * time.Second) // the writer alone
	quiet := stop()
	stop = b.writer(url, b.n)
	began := time.Now()
	kills, memory := b.killEvery(5*time.Second, func() *exec.Cmd { return b.up(url, "cents.up.sql") })
	took := time.Since(began)
	busy := stop()
	other := b.table(b.n / fifth)
	stop = b.writer(other, b.n/fifth)
	b.loop(other)
	hand := stop()
	exact := servers.Psql(b.scope, url, "select count(*) filter (where changed = 1 and cents = price * 100) || ' of ' || count(*) from items")
	touched := servers.Psql(b.scope, url, "select sum(touched) from items")
	fmt.Fprintf(&b.out, "\n## Killed every 5 s, beside a writer\n\n%d rows; one client changes one random row at a time, as fast as it can. SIGKILL to the leader, and the next start takes over.\n\n"+
		"| | |\n| --- | --- |\n| time | %.1f s |\n| leaders killed | %d |\n| rows changed exactly once | %s |\n| the writer's changes kept | %s of %d |\n| peak memory of a leader | %.1f MiB |\n"+
		"| the writer, quiet (10 s) | p50 %.2f ms, p99 %.2f ms, n = %d |\n| the writer, beside the backfill | p50 %.2f ms, p99 %.2f ms, n = %d |\n| p99, beside / quiet | %.1f |\n| the writer, beside the loop by hand (a fifth of the rows) | p50 %.2f ms, p99 %.2f ms, n = %d |\n",
		b.n, took.Seconds(), kills, exact, touched, len(quiet)+len(busy), float64(memory)/1024,
		quantile(quiet, .5), quantile(quiet, .99), len(quiet), quantile(busy, .5), quantile(busy, .99), len(busy), quantile(busy, .99)/quantile(quiet, .99),
		quantile(hand, .5), quantile(hand, .99), len(hand))
}

// killEvery starts a leader again and again until one comes to the end.
func (b *bench) killEvery(d time.Duration, start func() *exec.Cmd) (kills int, memory int64) {
	for {
		cmd := start()
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		b.must(cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				b.scope.Fatalf("%v\n%s", err, out.String())
			}
			return kills, max(memory, peak(cmd))
		case <-time.After(d):
			_ = cmd.Process.Kill() // it may have ended just now
			if err := <-done; err == nil {
				return kills, max(memory, peak(cmd))
			}
			kills++
			memory = max(memory, peak(cmd))
		}
	}
}

func (b *bench) ferret() {
	fmt.Fprintf(os.Stderr, "bench: FerretDB\n")
	f := servers.FerretDB(b.scope, "postgresql")
	url := f.NewDatabase()
	users := f.Client(b.scope).Database(url[strings.LastIndex(url, "/")+1:]).Collection("users")
	ctx := context.Background()
	for i := 0; i < b.docs; i += 1000 {
		var docs []any
		for j := i; j < min(i+1000, b.docs); j++ {
			docs = append(docs, bson.D{{Key: "_id", Value: j}, {Key: "first", Value: "F"}, {Key: "last", Value: fmt.Sprint(j)}})
		}
		_, err := users.InsertMany(ctx, docs)
		b.must(err)
	}
	b.write("full.up.json", `{"backfill": {"collection": "users", "key": "_id", "filter": {"full": {"$exists": false}}, "update": {"$set": {"full": true}, "$inc": {"changed": 1}}}}`)
	began := time.Now()
	kills, _ := b.killEvery(15*time.Second, func() *exec.Cmd { return b.up(url, "full.up.json") })
	took := time.Since(began)
	once, err := users.CountDocuments(ctx, bson.D{{Key: "changed", Value: 1}})
	b.must(err)
	fmt.Fprintf(&b.out, "\n## FerretDB 1.24 on PostgreSQL\n\n%d documents by a filter and an update, the leader killed every 15 s (a successor waits out the lease, 2 s here).\n\n"+
		"| | |\n| --- | --- |\n| time | %.1f s |\n| leaders killed | %d |\n| documents changed exactly once | %d of %d |\n", b.docs, took.Seconds(), kills, once, b.docs)
}
