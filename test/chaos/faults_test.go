package chaos

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// pass lets a fault last.
func (w *world) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.ctx.Done():
	}
}

// holdBuild returns when the server works on the index, which is not valid, and will not be before goOn is called.
func (w *world) holdBuild(h hit) (goOn func(), missed string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, harness.Patience)
	conn, err := pgconn.Connect(ctx, w.stage.URL)
	if err == nil {
		_, err = conn.Exec(ctx, building).ReadAll()
	}
	if err != nil {
		w.t.Fatalf("hold the build: %v", err)
	}
	goOn = func() {
		_ = conn.Close(ctx) // which may be gone by now, with the server
		cancel()
	}
	h.verdict <- servers.Forward
	harness.Until(w.t, "the index is being built", func() bool {
		got := w.stage.Psql("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('items_" + version(h.fault.point.n) + "')")
		if got == "t" || got == "" && h.node.Ended() {
			missed = h.fault.point.String() + ": it was over too soon"
		}
		return got != "" || h.node.Ended()
	})
	if missed != "" {
		goOn()
	}
	return goOn, missed
}

// exhaust takes every connection that the server has, ends the leader's, and gives them back a while later.
func (w *world) exhaust(n *node, release func()) {
	w.t.Helper()
	var conns []*pgconn.PgConn
	ctx, cancel := context.WithTimeout(w.ctx, harness.Patience)
	defer cancel()
	defer func() {
		for _, c := range conns {
			_ = c.Close(ctx)
		}
	}()
	fill := func() {
		for {
			c, err := pgconn.Connect(ctx, w.stage.URL)
			var pe *pgconn.PgError
			if errors.As(err, &pe) && pe.Code == "53300" {
				return
			}
			if err != nil {
				w.t.Fatalf("take all connections: %v", err)
			}
			conns = append(conns, c)
		}
	}
	fill()
	n.proxy.Reset()
	release()
	for end := time.Now().Add(ttl); time.Now().Before(end); { // what the others give back is taken too
		w.pass(100 * time.Millisecond)
		fill()
	}
}

// fillDisk has the server run out of space, which somebody has to meet, and gives it back a while later. In half of the cases
// its WAL is what needs room next: then the server ends itself.
func (w *world) fillDisk(detail int, release func()) (missed string) {
	w.t.Helper()
	before := w.pg.LogSize()
	if err := w.pg.FillDisk(); err != nil {
		release()
		return "NOT RUN: " + err.Error()
	}
	defer w.awaitServer()
	defer w.pg.FreeDisk()
	if detail%2 == 1 {
		_, _ = w.ask("SELECT pg_switch_wal()")
	}
	release()
	ended := w.allEnded()
	missed = "the disk was full, and nobody minded"
	for end := time.Now().Add(harness.Patience); missed != "" && time.Now().Before(end); {
		select {
		case <-ended:
			end = time.Now()
		case <-time.After(50 * time.Millisecond):
		}
		if err := w.pg.FillDisk(); err != nil { // what was given back is taken too
			w.t.Fatal(err)
		}
		if strings.Contains(w.pg.LogSince(before), servers.OutOfSpace) {
			missed = ""
		}
	}
	for end := time.Now().Add(ttl / 2 * time.Duration(1+detail)); missed == "" && time.Now().Before(end); {
		w.pass(50 * time.Millisecond)
		if err := w.pg.FillDisk(); err != nil {
			w.t.Fatal(err)
		}
	}
	if missed != "" {
		w.t.Logf("PostgreSQL's log meanwhile:\n%s", w.pg.LogSince(before))
	}
	return missed
}

// awaitServer returns when the server answers again, which may have ended for want of space.
func (w *world) awaitServer() {
	w.t.Helper()
	harness.Until(w.t, "PostgreSQL answers again", func() bool {
		if w.pg.Pid() == 0 {
			w.pg.Start()
		}
		_, err := w.ask("SELECT 1")
		return err == nil
	})
}

// losePackets cuts the replica off below TCP: for a while, or until it is killed, of which its server hears nothing either.
func (w *world) losePackets(n *node, f fault, release func(), longer time.Duration) (missed string) {
	w.t.Helper()
	n.net.Cut([]servers.Direction{servers.Both, servers.Both, servers.ToClient, servers.ToServer}[f.detail])
	release()
	if !f.heals() {
		n.killed = true
		w.launch()
	}
	w.pass(longer)
	if n.net.Lost() == 0 {
		missed = "no packet was lost"
	}
	if f.heals() {
		n.net.Heal()
	} else {
		n.Kill()
	}
	return missed
}
