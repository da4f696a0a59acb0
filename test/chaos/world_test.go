package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// worker owns the servers that its seeds use, one after the other.
type worker struct {
	pg      *servers.PG
	consul  *servers.ConsulServer
	cluster *servers.Cluster
	program string              // "" is the one under test
	found   func(broken string) // is told what is broken, where that is no failure of the test
}

// world is one seed's run.
type world struct {
	*worker
	t       *testing.T
	ctx     context.Context // ends with the run: nothing is held any longer
	cancel  context.CancelFunc
	plan    plan
	stage   *stage
	cprox   *servers.TCPProxy // to Consul
	missing string            // what this machine lacks for the plan
	checked sync.WaitGroup
	hits    chan hit

	mu    sync.Mutex
	armed int // index of the fault that is waited for
	nodes []*node

	emu      sync.Mutex
	problems []string
}

// node is a replica with its proxy.
type node struct {
	*harness.Replica
	w     *world
	proxy *servers.TCPProxy
	net   *servers.Network // where packets get lost, if the plan has it
	// How far it came on the way to fault number `toward`.
	toward, stage int
	spared        bool // its messages are no fault's point: what it writes next is waited for
	killed        bool // by us, or cut off for good; and replaced
}

// hit is a replica that reached the armed fault; its message is held until there is a verdict.
type hit struct {
	node    *node
	fault   fault
	verdict chan servers.Verdict
}

func (w *worker) run(t *testing.T, p plan) (missed string) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newStage(t, w.pg.NewDatabase(t), set())
	s.Program = w.program
	world := &world{worker: w, t: t, ctx: ctx, cancel: cancel, plan: p, stage: s, hits: make(chan hit, len(p.faults))}
	s.Psql("CREATE TABLE effects (version text);\n" + witness)
	if p.consul {
		target := w.consul
		if p.cluster {
			target = w.cluster.Nodes[p.seed%3]
		}
		world.cprox = servers.Proxy(t, target.Addr())
		s.Env = append(s.Env, fmt.Sprintf("SCHEMAGATE_ELECTION=consul://%s/chaos/%d/%d", world.cprox.Addr(), p.seed, time.Now().UnixNano()))
	}
	t.Cleanup(func() {
		cancel()
		world.checked.Wait()
		if t.Failed() {
			t.Logf("%v\nreplay: SCHEMAGATE_TEST_SEED=%d go test -race -run TestChaos -v ./test/chaos", p, p.seed)
		}
	})
	for range p.replicas {
		world.launch()
	}
	for i := range p.faults {
		if missed = world.missing; missed != "" {
			break
		}
		select {
		case h := <-world.hits:
			missed = world.deliver(h)
		case <-world.allEnded():
			select {
			case h := <-world.hits: // it ended by an earlier fault's doing, with its message still held
				missed = world.deliver(h)
			default:
				missed = fmt.Sprintf("fault %d was not reached", i+1)
			}
		case <-time.After(harness.Patience):
			t.Fatalf("%v: fault %d was not reached, and they have not ended", p, i+1)
		}
		if missed != "" {
			break
		}
	}
	world.disarm()
	world.finish()
	return missed
}

func (w *world) launch() *node {
	w.t.Helper()
	n := &node{w: w, toward: -1}
	if w.plan.has("packets lost") {
		var err error
		if n.net, err = servers.NewNetwork(w.t); err != nil {
			n.net, w.missing = nil, "NOT RUN: "+err.Error()
		}
	}
	if n.net == nil {
		n.proxy = servers.Proxy(w.t, w.pg.Addr())
	} else {
		n.proxy = n.net.Proxy(w.pg.Addr())
	}
	w.t.Cleanup(w.cancel) // before the proxy waits for its connections
	n.proxy.Intercept(n.intercept)
	s := w.stage.at(n.proxy.Through(w.stage.URL)).with(fmt.Sprintf("SCHEMAGATE_REPLICA=replica-%d", len(w.nodes)+1))
	if n.net == nil {
		n.Replica = s.Start("up")
	} else {
		n.Replica = s.StartCommand(n.net.Command(s.Path(), "up"))
	}
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	w.checked.Go(func() {
		<-n.Done
		if n.Code() == 0 {
			w.gateOpened(n)
		}
	})
	return n
}

// gateOpened checks, as soon as a replica says that the schema fits, that it does.
func (w *world) gateOpened(n *node) {
	for w.ctx.Err() == nil {
		got, err := w.ask("SELECT count(DISTINCT version) FROM effects")
		if err != nil { // the server is down just now
			w.pass(20 * time.Millisecond)
			continue
		}
		if got != fmt.Sprint(versions) {
			w.problem("pid %d opened its gate with %s of %d effects in place", n.Cmd.Process.Pid, got, versions)
		}
		return
	}
}

func (w *world) problem(format string, args ...any) {
	w.emu.Lock()
	defer w.emu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// intercept holds the message that is the armed fault's point.
func (n *node) intercept(d servers.Direction, data []byte) servers.Verdict {
	w := n.w
	w.mu.Lock()
	if n.spared || w.armed >= len(w.plan.faults) {
		w.mu.Unlock()
		return servers.Forward
	}
	if n.toward != w.armed {
		n.toward, n.stage = w.armed, 0
	}
	f := w.plan.faults[w.armed]
	steps := f.point.steps()
	if !steps[n.stage].matches(d, data) {
		w.mu.Unlock()
		return servers.Forward
	}
	if n.stage++; n.stage < len(steps) {
		w.mu.Unlock()
		return servers.Forward
	}
	w.armed++ // the next one is waited for from now on: others go on meanwhile
	h := hit{node: n, fault: f, verdict: make(chan servers.Verdict, 1)}
	w.hits <- h // has room for all
	w.mu.Unlock()
	select {
	case v := <-h.verdict:
		return v
	case <-w.ctx.Done():
		return servers.Forward
	}
}

func (n *node) spare(on bool) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.spared = on
}

// disarm lets go of whoever is at a point whose turn will not come.
func (w *world) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = len(w.plan.faults)
	for {
		select {
		case h := <-w.hits:
			h.verdict <- servers.Forward
		default:
			return
		}
	}
}

// deliver carries a fault out, and says where the replica was past the point by then.
func (w *world) deliver(h hit) (missed string) {
	w.t.Helper()
	f, n := h.fault, h.node
	w.t.Logf("pid %d is %v", n.Cmd.Process.Pid, f)
	goOn := func() {}
	if strings.HasPrefix(f.point.name, "inside the index build") {
		if goOn, missed = w.holdBuild(h); missed != "" {
			return missed
		}
		f.after = ""
	}
	release := func() {
		goOn()
		switch f.after {
		case "delivered":
			h.verdict <- servers.Forward
		case "lost":
			h.verdict <- servers.Cut
		}
	}
	late := func() {
		if f.after == "late" {
			h.verdict <- servers.Forward
		}
	}
	longer := ttl + ttl/2
	switch f.action {
	case "kill":
		n.Kill()
		n.killed = true
		release()
		w.launch()
		if f.after == "late" { // when somebody else leads, or nobody had to
			term, _ := w.ask("SELECT term FROM schemagate_fence")
			w.checked.Go(func() {
				defer late()
				for w.ctx.Err() == nil {
					if now, err := w.ask("SELECT term FROM schemagate_fence"); err == nil && now != term {
						return
					}
					select {
					case <-w.allEnded():
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			})
		}
		return ""
	case "overtake":
		n.Signal(syscall.SIGSTOP)
		var next hit
		select {
		case next = <-w.hits:
		case <-time.After(harness.Patience):
			w.t.Fatalf("nobody overtook pid %d", n.Cmd.Process.Pid)
		}
		n.spare(true)
		n.Signal(syscall.SIGCONT)
		late()
		harness.Until(w.t, "the overtaken leader has tried to write", func() bool {
			return n.Said(harness.Msg("fenced")) || n.Said(harness.Msg("applied")) || n.Said(harness.Msg("interrupted")) || n.Ended()
		})
		n.spare(false)
		w.hits <- next
		return ""
	case "stop", "stop briefly":
		n.Signal(syscall.SIGSTOP)
		release()
		if f.action == "stop" { // till the successor is at work, or till it may well be done
			w.pass(longer * time.Duration(1+f.detail%2))
		} else {
			w.pass(ttl / 2)
		}
		n.Signal(syscall.SIGCONT)
	case "terminate":
		which := []string{"", "/migrate", "/lease/", "/t"}[f.detail]
		_ = w.stage.Psql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() " +
			"AND application_name LIKE 'schemagate/%" + which + "%'")
		release()
	case "reset":
		n.proxy.Reset()
		release()
	case "half-close":
		n.proxy.HalfClose([]servers.Direction{servers.ToServer, servers.ToClient, servers.Both, servers.ToServer}[f.detail])
		release()
	case "blackhole":
		n.proxy.Blackhole([]servers.Direction{servers.ToServer, servers.ToClient, servers.Both, servers.Both}[f.detail])
		release()
		w.pass(longer)
		n.proxy.Blackhole(0)
	case "delay":
		n.proxy.Delay(300 * time.Millisecond)
		release()
		w.pass(ttl)
		n.proxy.Delay(0)
	case "restart immediate", "restart fast":
		w.pg.Stop(map[string]servers.StopMode{"restart immediate": servers.Immediate, "restart fast": servers.Fast}[f.action])
		release()
		w.pg.Start()
	case "no connections left":
		w.exhaust(n, release)
	case "consul wiped":
		w.consul.Wipe()
		release()
	case "consul cut off":
		w.cprox.Blackhole(servers.Both)
		w.cprox.Reset()
		release()
		w.pass(longer)
		w.cprox.Blackhole(0)
	case "consul leader killed":
		raft := w.cluster.AwaitLeader(w.t)
		raft.Kill()
		release()
		w.cluster.AwaitLeader(w.t)
		w.pass(ttl)
		raft.Start()
		w.cluster.AwaitLeader(w.t)
	case "disk full":
		missed = w.fillDisk(f.detail, release)
	case "packets lost":
		missed = w.losePackets(n, f, release, longer)
	default:
		w.t.Fatalf("no such action: %s", f.action)
	}
	late()
	return missed
}

// ask is psql for when the server may be down.
func (w *world) ask(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, w.stage.URL)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	res, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(res) != 1 || len(res[0].Rows) == 0 {
		return "", err
	}
	return string(res[0].Rows[0][0]), nil
}

// allEnded is closed when no replica runs any more.
func (w *world) allEnded() <-chan struct{} {
	out := make(chan struct{})
	w.mu.Lock()
	nodes := slices.Clone(w.nodes)
	w.mu.Unlock()
	w.checked.Go(func() {
		for _, n := range nodes {
			select {
			case <-n.Done:
			case <-w.ctx.Done():
				return
			}
		}
		close(out)
	})
	return out
}
