package rollout

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

func TestMain(m *testing.M) { harness.Main(m, 1) }

// site is a database, a load balancer with a number of places, and what runs in them.
type site struct {
	t       *testing.T
	stage   *harness.Stage
	app     string // the example's program
	balance string // where the load balancer listens
	stats   string
	places  []place
}

// place is one backend of the load balancer: an app's address and its schemagate's.
type place struct{ app, health string }

// replica is a release that runs in a place.
type replica struct {
	*harness.Replica
	place int
}

const haproxy = "/usr/sbin/haproxy"

func newSite(t *testing.T, places int) *site {
	s := &site{t: t, stage: harness.New(t, servers.SharedPostgres(t).NewDatabase(t), nil), app: filepath.Join(t.TempDir(), "app"),
		balance: harness.FreePort(t), stats: harness.FreePort(t)}
	s.stage.Program = harness.Plain(t)
	if out, err := exec.Command("go", "build", "-o", s.app, "github.com/schemagate/schemagate/examples/rolling/app").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf := fmt.Sprintf(`global
  maxconn 200
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  retries 0
frontend site
  bind %s
  default_backend replicas
backend replicas
  option httpchk GET /readyz
  http-check expect status 200
  default-server check inter 100ms fall 1 rise 1
`, s.balance)
	for i := range places {
		p := place{harness.FreePort(t), harness.FreePort(t)}
		s.places = append(s.places, p)
		_, port, err := net.SplitHostPort(p.health)
		if err != nil {
			t.Fatal(err)
		}
		conf += fmt.Sprintf("  server place%d %s port %s\n", i, p.app, port)
	}
	conf += fmt.Sprintf("listen stats\n  bind %s\n  stats enable\n  stats uri /\n", s.stats)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, exec.Command(haproxy, "-db", "-f", file))
	for i := range s.places {
		s.await(i, "DOWN")
	}
	return s
}

// await waits until the load balancer has the place in the state.
func (s *site) await(place int, state string) {
	s.t.Helper()
	harness.Until(s.t, fmt.Sprintf("place %d is %s", place, state), func() bool {
		res, err := http.Get("http://" + s.stats + "/;csv")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }() // it is read to its end or given up
		b := make([]byte, 1<<16)
		n := 0
		for {
			m, err := res.Body.Read(b[n:])
			if n += m; err != nil {
				break
			}
		}
		for line := range strings.Lines(string(b[:n])) {
			f := strings.Split(line, ",")
			if len(f) > 17 && f[0] == "replicas" && f[1] == fmt.Sprintf("place%d", place) {
				return strings.HasPrefix(f[17], state)
			}
		}
		return false
	})
}

// start runs a release in a place, behind its gate.
func (s *site) start(release string, place int) *replica {
	s.t.Helper()
	p := s.places[place]
	stage := s.stage.With("SCHEMAGATE_RELEASE="+release, fmt.Sprintf("SCHEMAGATE_REPLICA=%s-in-place-%d", release, place),
		"SCHEMAGATE_HTTP_ADDR="+p.health, "SCHEMAGATE_APP_HEALTH_URL=http://"+p.app+"/healthz", "SCHEMAGATE_DRAIN=2s",
		"APP_RELEASE="+release, "APP_ADDR="+p.app, "DATABASE_URL="+s.stage.URL)
	dir, err := filepath.Abs("../../examples/rolling/" + release)
	if err != nil {
		s.t.Fatal(err)
	}
	stage.Env = append(stage.Env, "SCHEMAGATE_MIGRATIONS="+dir)
	return &replica{stage.Start("run", "--", s.app), place}
}

// roll replaces the replicas one by one, each once its successor takes traffic: maxSurge 1, maxUnavailable 0.
func (s *site) roll(release string, old []*replica, into []int) (out []*replica) {
	s.t.Helper()
	for i, place := range into {
		r := s.start(release, place)
		s.await(place, "UP")
		out = append(out, r)
		if i < len(old) {
			s.stop(old[i])
		}
	}
	return out
}

func (s *site) stop(r *replica) {
	s.t.Helper()
	r.Signal(syscall.SIGTERM)
	r.Exits(0)
	s.await(r.place, "DOWN")
}

// applied is when a version came into force.
func (s *site) applied(version string) time.Time {
	s.t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05.999999-07", s.stage.Psql("select at from schemagate_history where kind = 'applied' and version = '"+version+"'"))
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// TestARollingDeployOfFourReleases: expand, dual write, read new, contract, with an app rollback on the way.
func TestARollingDeployOfFourReleases(t *testing.T) {
	s := newSite(t, 6)
	even, odd := []int{0, 2, 4}, []int{1, 3, 5}
	v1 := s.roll("v1", nil, even)
	f := begin(t, "http://"+s.balance, 4)
	v2 := s.roll("v2", v1, odd)

	// The old image serves again, and goes again.
	before := f.served("v1")
	back := s.roll("v1", nil, []int{0})
	harness.Until(t, "the first release serves again", func() bool { return f.served("v1") > before })
	s.stop(back[0])

	v3 := s.roll("v3", v2, even)
	v4 := s.roll("v4", v3, odd)
	harness.Until(t, "the contract is in force", func() bool {
		return s.stage.Psql("select count(*) from schemagate_history where kind = 'applied' and version = '0005'") == "1"
	})
	n := f.served("v4")
	harness.Until(t, "the fourth release has served on", func() bool { return f.served("v4") > n+100 })
	log := f.end()
	for _, r := range v4 {
		s.stop(r)
	}

	needs := map[string]time.Time{"v1": s.applied("0001"), "v2": s.applied("0002"), "v3": s.applied("0003"), "v4": s.applied("0004")}
	contracted := s.applied("0005")
	count := map[string]int{}
	for _, r := range log {
		count[r.release]++
		switch {
		case r.note != "":
			t.Errorf("%s: failed with %d by %q: %s", r.at.Format(time.StampMicro), r.code, r.release, r.note)
		case r.at.Before(needs[r.release]):
			t.Errorf("%s answered at %s, before its schema was there", r.release, r.at.Format(time.StampMicro))
		case r.release != "v4" && r.at.After(contracted):
			t.Errorf("%s answered at %s, after the contract", r.release, r.at.Format(time.StampMicro))
		}
	}
	t.Logf("%d requests: %v", len(log), count)
	for release := range needs {
		if count[release] == 0 {
			t.Errorf("%s served no request: the test does not show what it is to show", release)
		}
	}
}

// TestACutoverBehindALoadBalancer: between the old release's last answer and the new one's first nobody serves, and nobody
// serves on a schema that does not fit.
func TestACutoverBehindALoadBalancer(t *testing.T) {
	s := newSite(t, 4)
	v4 := s.roll("v4", nil, []int{0, 2})
	f := begin(t, "http://"+s.balance, 4)
	harness.Until(t, "the old release serves", func() bool { return f.served("v4") > 100 })
	v5 := []*replica{s.start("v5", 1), s.start("v5", 3)}
	harness.Until(t, "the new release serves", func() bool { return f.served("v5") > 100 })
	log := f.end()
	for _, r := range v4 {
		r.Signal(syscall.SIGTERM)
		r.Exits(143)
	}
	for _, r := range v5 {
		s.stop(r)
	}
	renamed := s.applied("0006")
	var last, first time.Time
	refused := 0
	for _, r := range log {
		switch {
		case r.release == "" && r.code == http.StatusServiceUnavailable:
			refused++ // the load balancer has nobody to send it to
		case r.note != "":
			t.Errorf("%s: failed with %d by %q: %s", r.at.Format(time.StampMicro), r.code, r.release, r.note)
		case r.release == "v4":
			last = r.at
		case first.IsZero():
			first = r.at
		}
	}
	if !last.Before(renamed) || !first.After(renamed) {
		t.Errorf("the old release answered last at %v, the column was renamed at %v, the new one answered first at %v", last, renamed, first)
	}
	t.Logf("closed for %v; %d of %d requests refused meanwhile", first.Sub(last).Round(time.Millisecond), refused, len(log))
}
