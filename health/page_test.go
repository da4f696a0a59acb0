package health

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPageIsSelfContained(t *testing.T) {
	html := string(pageHTML)
	for what, pattern := range map[string]string{
		"a way to make markup of text": `innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|new Function`,
		"an inline handler":            `(?i)<[^>]+\son\w+\s*=`,
		"an inline style":              `(?i)<[^>]+\sstyle\s*=`,
		"an outside resource":          `(?i)(src|href|url\()\s*=?\s*["'(]?\s*(https?:)?//|@import`,
	} {
		if m := regexp.MustCompile(pattern).FindString(html); m != "" {
			t.Errorf("%s: %q", what, m)
		}
	}
	if n := strings.Count(html, "<script"); n != 1 {
		t.Errorf("%d scripts; the policy names one", n)
	}
	if n := strings.Count(html, "<style"); n != 1 {
		t.Errorf("%d styles; the policy names one", n)
	}
	for _, needed := range []string{`lang="en"`, `name="viewport"`, "<main", "<header", "<footer", "<h1", `aria-live="polite"`, "prefers-color-scheme: dark", "prefers-reduced-motion", "<noscript>"} {
		if !strings.Contains(html, needed) {
			t.Errorf("no %s", needed)
		}
	}
}

func TestPagePolicy(t *testing.T) {
	resp, body := serve(t, NewGate(), Options{}).do(t, http.MethodGet, "/")
	policy := resp.Header.Get("Content-Security-Policy")
	if body != string(pageHTML) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%v", resp.Header)
	}
	if !regexp.MustCompile(`^default-src 'none';.* style-src 'sha256-[\w+/]{43}='; script-src 'sha256-[\w+/]{43}='$`).MatchString(policy) ||
		strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q", policy)
	}
}

// TestPageInABrowser is the proof that the policy lets the page's own script run, and
// that no text of a status becomes markup.
func TestPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("needs chromium on the PATH, and no -short")
	}
	hostile := func(field string) string {
		return field + ` <img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script><b class=injected>`
	}
	g := NewGate()
	g.Update(func(s *Status) {
		s.State, s.Reason, s.LastError = Failed, hostile("reason"), hostile("error")
		s.Service, s.Release, s.Replica, s.Leader = hostile("service"), hostile("release"), hostile("replica"), hostile("leader")
		s.Role, s.Digest, s.DatabaseKind = Role(hostile("role")), "<b class=injected>", hostile("kind")
		s.Database = Database{Note: hostile("database")}
		s.CurrentMigration = &CurrentMigration{Version: hostile("current"), Name: hostile("name"), Progress: Progress{Done: 3, Unit: hostile("unit")}, Note: hostile("note")}
		s.Migrations = []Migration{{Version: hostile("version"), Name: hostile("file"), State: hostile("done"), AppliedAt: time.Now(), Release: hostile("in"), WaitsFor: hostile("waits")}}
		s.Replicas = []Replica{{Name: hostile("peer"), Release: hostile("peerrelease"), State: hostile("peerstate")}}
		s.Batches = []Batch{{Version: hostile("batch"), State: "__proto__", ThrottledBy: hostile("throttle")}}
	})
	g.SetApp(false, hostile("app"))
	s := serve(t, g, Options{})
	cmd := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=5000", "--dump-dom", "http://"+s.Addr()+"/")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dom := string(out)
	if title := regexp.MustCompile(`(?s)<title>(.*?)</title>`).FindStringSubmatch(dom); title == nil || !strings.HasPrefix(title[1], "Failed · service &lt;img") {
		t.Errorf("title %q", title)
	}
	for _, bad := range []string{"<img", "<b ", "<script>document.title"} {
		if strings.Contains(dom, bad) {
			t.Errorf("%s became markup", bad)
		}
	}
	for _, field := range []string{
		"reason", "error", "service", "release", "replica", "leader", "role", "kind", "database", "current", "name", "unit", "note",
		"version", "file", "done", "in", "waits", "peer", "peerrelease", "peerstate", "batch", "throttle", "app",
	} {
		if !strings.Contains(dom, field+" &lt;img src=x onerror=") {
			t.Errorf("%s is not shown as text", field)
		}
	}
}
