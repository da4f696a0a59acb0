package sourcetest

import (
	"io"
	"log"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repository is a repository with a work tree, made by git itself.
type Repository struct {
	tb  testing.TB
	Dir string
}

// New makes an empty repository whose branch is main.
func New(tb testing.TB) *Repository {
	tb.Helper()
	r := &Repository{tb: tb, Dir: filepath.Join(tb.TempDir(), "repo.git")}
	if err := os.Mkdir(r.Dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	r.Git("init", "-q", "-b", "main", ".")
	return r
}

// Git runs git in the repository and returns what it prints.
func (r *Repository) Git(args ...string) string {
	r.tb.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.tb.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Write puts a file into the work tree.
func (r *Repository) Write(name, text string) {
	r.tb.Helper()
	path := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

// Commit commits everything and returns the hash.
func (r *Repository) Commit(message string) string {
	r.tb.Helper()
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// HTTPS serves the repositories below a folder by git's own CGI program, to who knows the token, and returns the server.
func HTTPS(tb testing.TB, root, token string) *httptest.Server {
	tb.Helper()
	backend := strings.TrimSpace(run(tb, "git", "--exec-path")) + "/git-http-backend"
	h := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}, Stderr: io.Discard}
	s := httptest.NewUnstartedServer(tokenOnly(h, token))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test breaks off
	s.StartTLS()
	tb.Cleanup(s.Close)
	return s
}

func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
