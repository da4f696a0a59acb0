package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// get asks a replica's endpoint; code 0 is no answer.
func get(t *testing.T, addr, path string) (code int, body string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// answers checks a replica's endpoints: code by path.
func answers(t *testing.T, addr string, want map[string]int) {
	t.Helper()
	for path, code := range want {
		if got, body := get(t, addr, path); got != code {
			t.Errorf("%s answers %d %s, want %d", path, got, body, code)
		}
	}
}

func awaitCode(t *testing.T, addr, path string, want int) (body string) {
	t.Helper()
	harness.Until(t, path+" answers "+http.StatusText(want), func() (ok bool) {
		var code int
		code, body = get(t, addr, path)
		return code == want
	})
	return body
}

// status is what GET /status has of interest here.
type status struct {
	State, Reason, Role, Leader, Release, Replica, Service string
	Ready, Draining                                        bool
	Term                                                   int
	Applied, Pending                                       int
	Digest                                                 string
	LastError                                              string           `json:"last_error"`
	Current                                                *json.RawMessage `json:"current_migration"`
	Migrations                                             []struct{ Version, Name, State string }
}

func statusOf(t *testing.T, addr string) (s status) {
	t.Helper()
	code, body := get(t, addr, "/status")
	if code != http.StatusOK {
		t.Fatalf("/status answers %d %s", code, body)
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// serving is an app that tells that it runs, and ends when it is told to. What it starts is over at once, so that nothing
// stays behind where it is killed.
const serving = `trap 'echo told TERM; exit 0' TERM; trap 'echo told HUP' HUP; trap 'echo told USR1' USR1
echo serving $$; while :; do sleep 0.1; done`

// The whole life of a start under `run`, as the endpoints tell it.
func TestRunThroughItsLife(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 3))
	open := s.closeBarrier()
	leaders, followers := harness.FreePort(t), harness.FreePort(t)
	app := []string{"run", "--", "sh", "-c", serving}
	leader := s.with("SCHEMAGATE_HTTP_ADDR="+leaders, "SCHEMAGATE_REPLICA=one", "SCHEMAGATE_RELEASE=v2").Start(app...)
	s.atBarrier(1)
	follower := s.with("SCHEMAGATE_HTTP_ADDR="+followers, "SCHEMAGATE_REPLICA=two", "SCHEMAGATE_RELEASE=v2").Start(app...)
	follower.Await(harness.Msg("waiting"))

	closed := map[string]int{"/livez": 200, "/readyz": 503, "/healthz": 503, "/startupz": 503, "/status": 200, "/migrations/0003": 404, "/metrics": 200, "/": 200, "/nothing": 404}
	answers(t, leaders, closed)
	answers(t, followers, closed)
	answers(t, leaders, map[string]int{"/migrations/0001": 200, "/migrations/1": 200, "/migrations/0002": 404})
	if got := statusOf(t, leaders); got.State != "migrating" || got.Role != "leader" || got.Leader != "one" || got.Term != 1 || got.Applied != 1 ||
		got.Pending != 2 || got.Release != "v2" || got.Replica != "one" || got.Current == nil || got.Ready {
		t.Errorf("the leader's status is %+v", got)
	}
	if got := statusOf(t, followers); got.State != "waiting" || got.Role != "follower" || got.Leader != "one" || got.Ready {
		t.Errorf("the follower's status is %+v", got)
	}
	for _, r := range []*harness.Replica{leader, follower} {
		if r.Out.Text() != "" {
			t.Errorf("an app was started before the gate opened: %s", r)
		}
	}
	for _, what := range []string{"live", "startup", "ready"} {
		code := map[string]int{"live": 0, "startup": 1, "ready": 1}[what]
		s.with("SCHEMAGATE_HTTP_ADDR="+leaders).Expect(code, "health", what)
	}

	open()
	leader.AwaitOut("serving")
	follower.AwaitOut("serving")
	opened := map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/startupz": 200, "/migrations/0003": 200, "/migrations/0004": 404}
	answers(t, leaders, opened)
	answers(t, followers, opened)
	if got := statusOf(t, followers); got.State != "open" || !got.Ready || got.Applied != 3 || got.Pending != 0 || got.LastError != "" {
		t.Errorf("the follower's status is %+v", got)
	}
	for _, what := range []string{"live", "startup", "ready"} {
		s.with("SCHEMAGATE_HTTP_ADDR="+followers).Expect(0, "health", what)
	}
	if _, page := get(t, leaders, "/"); !strings.Contains(page, "<html") {
		t.Errorf("the page is %.100q", page)
	}

	t.Log("signals reach the app")
	leader.Signal(syscall.SIGHUP)
	leader.AwaitOut("told HUP")
	leader.Signal(syscall.SIGUSR1)
	leader.AwaitOut("told USR1")
	leader.Signal(syscall.SIGTERM)
	leader.AwaitOut("told TERM")
	leader.Exits(0)

	t.Log("another one going does not matter")
	answers(t, followers, opened)

	t.Log("the gate closes when one of its migrations is rolled back, and opens again")
	s.Expect(65, "down").Says("--force") // the follower needs it
	s.Expect(0, "down", "--force")
	follower.Await(harness.Msg("gate closed"))
	if body := awaitCode(t, followers, "/readyz", 503); !strings.Contains(body, "0003 was rolled back") {
		t.Errorf("readyz says %q", body)
	}
	answers(t, followers, map[string]int{"/livez": 200, "/startupz": 200})
	s.with("SCHEMAGATE_HTTP_ADDR="+followers).Expect(1, "health")
	s.Expect(0, "up", "--again")
	awaitCode(t, followers, "/readyz", 200)
	follower.Await(harness.Msg("gate open again"))
	follower.Signal(syscall.SIGTERM)
	follower.Exits(0)
	s.with("SCHEMAGATE_HTTP_ADDR="+followers).Expect(1, "health").Says("connection refused")
}

// The exit code is the app's own.
func TestRunExitCodes(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	s.Up()
	script := filepath.Join(s.folder(harness.Files{"script": "#!/bin/sh\n"}).Dir, "script") // without the right to execute it
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"its own":        {[]string{"sh", "-c", "exit 7"}, 7, ""},
		"zero":           {[]string{"true"}, 0, ""},
		"not found":      {[]string{"no-such-command"}, 127, "no-such-command"},
		"not executable": {[]string{script}, 126, "script"},
		"by SIGTERM":     {[]string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		"by SIGKILL":     {[]string{"sh", "-c", "kill -KILL $$"}, 137, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.Expect(c.code, append([]string{"run", "--"}, c.args...)...)
			if c.says != "" {
				r.Says(c.says)
			}
		})
	}
}

// A signal that comes while the gate is closed ends the waiting; no app is started.
func TestRunEndedBeforeTheGateOpens(t *testing.T) {
	t.Parallel()
	s := newStage(t, heldAt(2, 2))
	open := s.closeBarrier()
	run, mark := s.marked()
	leader := s.Start(run...)
	s.atBarrier(1)
	follower := s.Start(run...)
	follower.Await(harness.Msg("waiting"))
	follower.Signal(syscall.SIGTERM)
	follower.Exits(143)
	leader.Signal(syscall.SIGINT)
	leader.Exits(130)
	if lines(mark) != 0 {
		t.Error("an app was started")
	}
	open()
	s.Up()
	s.appliedOnce(2)
}

// What the app inherits: its own environment, without our secrets.
func TestRunEnvironment(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1)).with("SCHEMAGATE_HTTP_TOKEN=the token", "SCHEMAGATE_RELEASE=v9", "APP_SETTING=kept", "DATABASE_URL=postgres://the-apps-own/db")
	r := s.Expect(0, "run", "--", "env")
	env := "\n" + r.Out.Text()
	for _, name := range []string{"SCHEMAGATE_DATABASE_URL", "SCHEMAGATE_HTTP_TOKEN"} {
		if strings.Contains(env, "\n"+name+"=") {
			t.Errorf("the app is given %s", name)
		}
	}
	for _, want := range []string{"\nAPP_SETTING=kept\n", "\nSCHEMAGATE_RELEASE=v9\n", "\nDATABASE_URL=postgres://the-apps-own/db\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("the app is not given %q:%s", want, env)
		}
	}
}

// With a drain the load balancers learn of the end before the app does.
func TestRunDrains(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	addr := harness.FreePort(t)
	app := []string{"run", "--", "sh", "-c", serving}
	r := s.with("SCHEMAGATE_HTTP_ADDR="+addr, "SCHEMAGATE_DRAIN=1h").Start(app...)
	r.AwaitOut("serving")
	awaitCode(t, addr, "/readyz", 200)
	r.Signal(syscall.SIGTERM)
	if body := awaitCode(t, addr, "/readyz", 503); !strings.Contains(body, "draining") {
		t.Errorf("readyz says %q", body)
	}
	answers(t, addr, map[string]int{"/livez": 200})
	if strings.Contains(r.Out.Text(), "told") {
		t.Errorf("the app was told before the drain was over: %s", r)
	}
	r.Signal(syscall.SIGTERM) // who asks twice does not want to wait
	r.AwaitOut("told TERM")
	r.Exits(0)

	r = s.with("SCHEMAGATE_DRAIN=50ms").Start(app...)
	r.AwaitOut("serving")
	r.Signal(syscall.SIGTERM)
	r.AwaitOut("told TERM")
	r.Exits(0)
}

// The address of the endpoints is taken: who could be asked nowhere does not start; who only passes by goes on.
func TestAddressIsTaken(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	addr := harness.FreePort(t)
	first := s.with("SCHEMAGATE_HTTP_ADDR="+addr).Start("run", "--", "sh", "-c", serving)
	first.AwaitOut("serving")
	second := s.with("SCHEMAGATE_HTTP_ADDR=" + addr)
	run, mark := second.marked()
	second.Expect(78, run...).Says(addr)
	second.Expect(78, "sidecar").Says(addr)
	if lines(mark) != 0 {
		t.Error("an app was started")
	}
	second.Expect(0, "up").Says(harness.Msg("no health endpoints"))
	second.Expect(0, "wait").Says(harness.Msg("no health endpoints"))
	first.Signal(syscall.SIGTERM)
	first.Exits(0)
}

// The app's own health counts for readiness, and is asked in the background.
func TestAppHealth(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	addr, apps := harness.FreePort(t), harness.FreePort(t)
	r := s.with("SCHEMAGATE_HTTP_ADDR="+addr, "SCHEMAGATE_APP_HEALTH_URL=tcp://"+apps).Start("run", "--", "sh", "-c", serving)
	r.AwaitOut("serving")
	if body := awaitCode(t, addr, "/readyz", 503); !strings.Contains(body, "the app does not answer") {
		t.Errorf("readyz says %q", body)
	}
	server := http.Server{Addr: apps}
	served := make(chan error)
	go func() { served <- server.ListenAndServe() }()
	awaitCode(t, addr, "/readyz", 200)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	awaitCode(t, addr, "/readyz", 503)
	answers(t, addr, map[string]int{"/livez": 200, "/startupz": 200})
	r.Signal(syscall.SIGTERM)
	r.Exits(0)
}

// An outage of the database behind an open gate closes nothing.
func TestOutageBehindAnOpenGate(t *testing.T) {
	t.Parallel()
	s := newStage(t, numbered(1))
	proxy := servers.Proxy(t, servers.SharedPostgres(t).Addr())
	addr := harness.FreePort(t)
	r := s.at(proxy.Through(s.URL)).with("SCHEMAGATE_HTTP_ADDR=" + addr).Start("sidecar")
	r.Await(harness.Msg("gate open"))
	proxy.Refuse()
	proxy.Reset()
	r.Await(harness.Msg("the database does not answer; the gate stays as it is"))
	answers(t, addr, map[string]int{"/readyz": 200, "/livez": 200})
	proxy.Accept()
	r.Signal(syscall.SIGTERM)
	r.Exits(143)
}
