package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/schemagate/schemagate/process"
)

//go:embed migrations/*.sql
var files embed.FS

const (
	replicas = 5
	// slow is the migration in which the leader is killed.
	slow = "0005"
	// patience bounds each act, for a machine on which nothing moves.
	patience = 3 * time.Minute
)

// Options say where the demo shows itself.
type Options struct {
	Out io.Writer
	// Live redraws a table in place; otherwise every change is a line.
	Live, Color bool
	// Binary is the schemagate executable, and App the arguments that have it serve as the app.
	Binary string
	App    []string
}

// Run plays the whole demo, and stops every process and removes every file that it made.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "schemagate-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	reaper, err := process.Open(process.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reaper.Close()) }()
	s := &stage{o: o, dir: dir, reaper: reaper, view: newView(o)}
	defer s.stopAll()
	return s.play(ctx)
}

// stage is what one demo has running.
type stage struct {
	o      Options
	dir    string
	reaper *process.Reaper
	view   *view
	cast   []*actor
}

// actor is one replica.
type actor struct {
	name, release string
	health, app   string // addresses
	child         *process.Child
	killed        bool
	seen          status
	serves        bool
}

func (s *stage) play(ctx context.Context) error {
	s.view.title("Release 1: five replicas start at once on an empty database")
	if err := s.deploy(ctx, "1", "0004"); err != nil {
		return err
	}
	if err := s.until(ctx, "all five serve", func() bool { return s.serving("1") == replicas }); err != nil {
		return err
	}
	s.view.title("Release 2: two more migrations; its leader will be killed in the middle of the slow one")
	if err := s.deploy(ctx, "2", "9999"); err != nil {
		return err
	}
	if err := s.until(ctx, "somebody is in the slow migration", func() bool { return s.leading() != nil }); err != nil {
		return err
	}
	victim := s.leading()
	victim.killed = true
	if err := victim.child.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	s.view.title(fmt.Sprintf("%s is killed with SIGKILL; release 1 goes on serving, another replica takes over", victim.name))
	if err := s.until(ctx, "the other four serve", func() bool { return s.serving("2") == replicas-1 }); err != nil {
		return err
	}
	s.view.title("Every migration was applied once, and all gates opened together. The history:")
	return s.history(ctx)
}

// deploy starts five replicas of a release whose set ends before a version.
func (s *stage) deploy(ctx context.Context, release, before string) error {
	set := filepath.Join(s.dir, "release-"+release)
	if err := writeSet(set, before); err != nil {
		return err
	}
	for i := range replicas {
		a := &actor{name: fmt.Sprintf("r%s-%c", release, 'a'+i), release: release}
		var err error
		if a.health, err = freeAddress(); err != nil {
			return err
		}
		if a.app, err = freeAddress(); err != nil {
			return err
		}
		out, err := os.Create(filepath.Join(s.dir, a.name+".log"))
		if err != nil {
			return err
		}
		args := append([]string{s.o.Binary, "run", "--"}, append(slices.Clone(s.o.App), a.app)...)
		a.child, err = s.reaper.Start(process.Spec{Args: args, Stdout: out, Stderr: out, NoStdin: true, ParentDeathSignal: syscall.SIGKILL,
			Env: process.Environ(foreign(), s.settings(set, a))})
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
		s.cast = append(s.cast, a)
	}
	return ctx.Err()
}

func (s *stage) settings(set string, a *actor) map[string]string {
	return map[string]string{
		"SCHEMAGATE_DATABASE_URL": "sqlite:" + filepath.Join(s.dir, "shop.db"), "SCHEMAGATE_MIGRATIONS": set,
		"SCHEMAGATE_HTTP_ADDR": a.health, "SCHEMAGATE_REPLICA": a.name, "SCHEMAGATE_RELEASE": a.release,
		"SCHEMAGATE_APP_HEALTH_URL": "http://" + a.app + "/", "SCHEMAGATE_LOG_FORMAT": "json",
	}
}

// foreign are the settings of whoever runs the demo, which are none of ours.
func foreign() (names []string) {
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "SCHEMAGATE_") || k == "DATABASE_URL" {
			names = append(names, k)
		}
	}
	return names
}

func writeSet(dir, before string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() >= before {
			return err
		}
		b, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, d.Name()), b, 0o644)
	})
}

// freeAddress asks the kernel for a port that nobody has.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // only its number was wanted
	return l.Addr().String(), nil
}

func (s *stage) serving(release string) (n int) {
	for _, a := range s.cast {
		if a.release == release && a.serves && !a.killed {
			n++
		}
	}
	return n
}

func (s *stage) leading() *actor {
	for _, a := range s.cast {
		if m := a.seen.Current; m != nil && strings.HasPrefix(m.Version, slow) && a.seen.Role == "leader" {
			return a
		}
	}
	return nil
}

// until looks at everybody, draws, and goes on until what is waited for has come.
func (s *stage) until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("gave up after %v waiting until %s", patience, what))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, a := range s.cast {
			a.look(ctx)
		}
		s.view.draw(s.cast)
		if done() {
			return nil
		}
		for _, a := range s.cast {
			if a.ended() && !a.killed {
				return fmt.Errorf("%s ended: %s", a.name, s.lastLine(a))
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (a *actor) ended() bool {
	select {
	case <-a.child.Done():
		return true
	default:
		return false
	}
}

func (s *stage) lastLine(a *actor) string {
	b, err := os.ReadFile(filepath.Join(s.dir, a.name+".log"))
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(b))
	return text[strings.LastIndex(text, "\n")+1:]
}

func (s *stage) history(ctx context.Context) error {
	a := s.cast[len(s.cast)-1]
	set := filepath.Join(s.dir, "release-2")
	out := process.Lines(s.view.line)
	_, err := s.reaper.Run(ctx, process.Spec{Args: []string{s.o.Binary, "history"}, Stdout: out, Stderr: out, NoStdin: true,
		Env: process.Environ(foreign(), s.settings(set, a))}, time.Second)
	return errors.Join(err, out.Close())
}

// stopAll ends every replica with its app.
func (s *stage) stopAll() {
	ctx := context.Background() // also when the demo itself was told to stop
	for _, a := range s.cast {
		if !a.ended() {
			_ = a.child.Signal(syscall.SIGTERM) // KillGroup below sees to those that don't heed it
		}
	}
	for _, a := range s.cast {
		if err := a.child.KillGroup(ctx, 2*time.Second); err != nil {
			s.view.line("demo: " + a.name + ": " + err.Error())
		}
	}
}
