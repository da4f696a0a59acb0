package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is what all servers have in common: a directory, a reserved port per purpose, and one process (with
// children) that comes and goes. The exported types embed it.
type server struct {
	tb          TB
	name        string
	dir         string // everything of the server; removed at the end
	host        string
	credential  *syscall.Credential
	stopSignal  syscall.Signal // ends it in good order
	deathSignal syscall.Signal // ends it when the test binary dies
	// command says what to run; it is asked at every start, so that ports and settings may have changed.
	command func() (launch, error)
	// probe asks the server as a client would.
	probe func(ctx context.Context) error
	// killed removes what a killed server leaves outside its directory; nil for nothing.
	killed func() error
	// unmount lets go of what is mounted in the directory; nil for nothing.
	unmount func() error

	mu     sync.Mutex
	ports  []*port
	proc   *process
	guard  *guard
	paused bool
}

// newServer makes the directory, its guard and the cleanup; start follows. runAs names the system user that the
// server runs as when the test runs as root; death is the signal that ends it when the test binary dies.
func newServer(tb TB, name, runAs string, death syscall.Signal) *server {
	tb.Helper()
	s := &server{tb: tb, name: name, host: "127.0.0.1", stopSignal: syscall.SIGTERM, deathSignal: death}
	if err := s.prepare(runAs); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return s
}

func (s *server) prepare(runAs string) error {
	if os.Geteuid() == 0 && runAs != "" {
		var err error
		if s.credential, err = credentialOf(runAs); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "schemagate-"+s.name+"-")
	if err != nil {
		return err
	}
	// The links are resolved because the working directories of processes are compared with it.
	if s.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	if s.guard, err = startGuard(s.dir, s.deathSignal); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	s.tb.Cleanup(s.close)
	return s.own(s.dir)
}

// own gives a file to the user that the server runs as.
func (s *server) own(path string) error {
	if s.credential == nil {
		return nil
	}
	return os.Chown(path, int(s.credential.Uid), int(s.credential.Gid))
}

// databaseName is one that no server has yet.
func databaseName() string { return "test_" + strings.ToLower(rand.Text()[:12]) }

func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("%w (run `make setup`)", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

var portTaken = regexp.MustCompile(`(?i)address already in use`)

// open starts the server for the first time, with n ports free on all hosts. What takes a port between our check and the
// server's bind is no test of ours (those reserve theirs), but exists: then other ports are tried.
func (s *server) open(n int, hosts ...string) {
	s.tb.Helper()
	if len(hosts) == 0 {
		hosts = []string{s.host}
	}
	var err error
	for range 5 {
		if err = s.reserve(n, hosts); err != nil {
			break
		}
		if err = s.start(); err == nil || !portTaken.MatchString(s.Log()) {
			break
		}
		_ = os.Truncate(s.logFile(), 0)
	}
	if err != nil {
		s.tb.Fatalf("start %s: %v\n%s", s.name, err, s.logTail())
	}
}

func (s *server) reserve(n int, hosts []string) error {
	s.releasePorts()
	for range n {
		p, err := reservePort(hosts...)
		if err != nil {
			return err
		}
		s.ports = append(s.ports, p)
	}
	return nil
}

func (s *server) releasePorts() {
	for _, p := range s.ports {
		p.release()
	}
	s.ports = nil
}

// start runs the server and waits until it answers.
func (s *server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked()
}

func (s *server) startLocked() error {
	if s.proc != nil && !s.proc.ended() {
		return errors.New("it is running already")
	}
	l, err := s.command()
	if err != nil {
		return err
	}
	l.log, l.credential, l.deathSignal = s.logFile(), s.credential, s.deathSignal
	if l.dir == "" {
		l.dir = s.dir
	}
	if s.proc, err = startProcess(l); err != nil {
		return err
	}
	s.paused = false
	if err := s.await(s.proc); err != nil {
		return errors.Join(err, s.killLocked())
	}
	return nil
}

// await asks until the server answers, ends, or takes unreasonably long.
func (s *server) await(p *process) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), stopTimeout, fmt.Errorf("no answer within %s", stopTimeout))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		// An attempt is bounded too: a connection that another program accepted must not eat the whole time.
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		last = s.probe(attempt)
		done()
		if last == nil && !p.ended() {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended before it answered: %w", exitError(p.err))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Addr is the host and port that the server listens on.
func (s *server) Addr() string {
	return net.JoinHostPort(s.host, s.ports[0].String())
}

// Pid is the server's main process, 0 when it is down.
func (s *server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.ended() {
		return 0
	}
	return s.proc.pid
}

// answers tells whether the server is up and not paused.
func (s *server) answers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc != nil && !s.proc.ended() && !s.paused
}

// Dir is the server's own directory.
func (s *server) Dir() string { return s.dir }

// Kill ends all of the server's processes with SIGKILL. Nothing happens when it is down.
func (s *server) Kill() {
	s.tb.Helper()
	s.must("kill", s.kill)
}

// Stop ends the server in good order and waits for it. Nothing happens when it is down.
func (s *server) Stop() {
	s.tb.Helper()
	s.must("stop", func() error { return s.stop(s.stopSignal) })
}

// Start brings a killed or stopped server back, with its data and at the same address.
func (s *server) Start() {
	s.tb.Helper()
	s.must("start", s.start)
}

// Restart stops the server if it is running and starts it again, with its data and at the same address.
func (s *server) Restart() {
	s.tb.Helper()
	s.must("restart", func() error {
		if err := s.stop(s.stopSignal); err != nil {
			return err
		}
		return s.start()
	})
}

// Pause stops all of the server's processes with SIGSTOP: connections stay, and nothing answers.
func (s *server) Pause() {
	s.tb.Helper()
	s.must("pause", s.pause)
}

// Resume lets a paused server go on.
func (s *server) Resume() {
	s.tb.Helper()
	s.must("resume", s.resume)
}

func (s *server) must(what string, f func() error) {
	s.tb.Helper()
	if err := f(); err != nil {
		s.tb.Fatalf("%s %s: %v\n%s", what, s.name, err, s.logTail())
	}
}

func (s *server) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killLocked()
}

func (s *server) killLocked() error {
	s.paused = false
	if p := s.proc; p != nil && !p.ended() {
		// The main process first: it must not see its children die and start others.
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		<-p.done
	}
	if err := killMembers(s.dir); err != nil || s.killed == nil {
		return err
	}
	return s.killed()
}

func (s *server) stop(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proc
	if p == nil || p.ended() { // maybe by a signal that was not ours
		return s.killLocked()
	}
	if err := s.resumeLocked(); err != nil {
		return err
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
		return killMembers(s.dir)
	case <-timeout.C:
		return errors.Join(fmt.Errorf("it did not end within %s of %s", stopTimeout, sig), s.killLocked())
	}
}

func (s *server) pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.ended() {
		return errDown
	}
	// The main process first, so that it starts no child behind our back.
	if err := syscall.Kill(s.proc.pid, syscall.SIGSTOP); err != nil {
		return err
	}
	s.paused = true
	deadline := time.Now().Add(stopTimeout)
	for time.Now().Before(deadline) {
		if _, err := signalMembers(s.dir, syscall.SIGSTOP); err != nil {
			return err
		}
		if all, err := stopped(s.dir); all || err != nil {
			return err
		}
	}
	return fmt.Errorf("not all of its processes stopped within %s", stopTimeout)
}

func (s *server) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.ended() {
		return errDown
	}
	return s.resumeLocked()
}

func (s *server) resumeLocked() error {
	if !s.paused {
		return nil
	}
	s.paused = false
	_, err := signalMembers(s.dir, syscall.SIGCONT)
	return err
}

// close ends everything; it is the cleanup. A server that misbehaves at its end fails the test.
func (s *server) close() {
	s.tb.Helper()
	if s.tb.Failed() {
		s.tb.Logf("%s", s.logTail())
	}
	err := s.stop(s.deathSignal)
	s.releasePorts()
	if s.unmount != nil {
		err = errors.Join(err, s.unmount())
	}
	err = errors.Join(err, os.RemoveAll(s.dir), s.guard.release())
	if err != nil {
		s.tb.Fatalf("end %s: %v", s.name, err)
	}
}
