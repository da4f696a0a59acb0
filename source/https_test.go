package source_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/source"
	"github.com/schemagate/schemagate/source/sourcetest"
)

func TestHTTPS(t *testing.T) {
	const token = "hunter2hunter2"
	h := newHistory(t)
	server := sourcetest.HTTPS(t, filepath.Dir(h.Dir), token)
	host := strings.TrimPrefix(server.URL, "https://")
	o := source.Options{Token: token}
	open := func(suffix string) (fs.FS, source.Info, error) {
		return source.Open(t.Context(), "git+https://"+host+"/repo.git"+suffix, o)
	}
	// The folder that the work tree lies in is not bare: git serves its .git.
	t.Run("as git serves by default", func(t *testing.T) { checkRefs(t, h, open) })
	h.Git("config", "uploadpack.allowReachableSHA1InWant", "true")
	t.Run("with bare hashes", func(t *testing.T) { checkBare(t, h, open) })
	if _, _, err := source.Open(t.Context(), "git+https://me:"+token+"@"+host+"/repo.git", source.Options{}); err != nil {
		t.Errorf("password in the URL: %v", err)
	}
	_, port, _ := strings.Cut(host, ":")
	status := 0
	answers := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusFound {
			w.Header().Set("Location", "http://"+host+r.URL.Path+"?"+r.URL.RawQuery)
		}
		w.WriteHeader(status)
	}))
	defer answers.Close()
	other := strings.TrimPrefix(answers.URL, "https://")
	for _, c := range []struct {
		name, url string
		status    int
		token     string
		sentinel  error
		want      string
	}{
		{"no token", host + "/repo.git", 0, "", source.ErrDenied, "asks for a token"},
		{"wrong token", host + "/repo.git", 0, "hunter3hunter3", source.ErrDenied, "does not accept the token"},
		{"no repository", host + "/none.git", 0, token, source.ErrNotFound, "knows no such repository"},
		{"certificate", "localhost:" + port + "/repo.git", 0, token, source.ErrDenied, "a name that the server's certificate holds"},
		{"forbidden", other + "/r", http.StatusForbidden, token, source.ErrDenied, "may not read"},
		{"overloaded", other + "/r", http.StatusServiceUnavailable, token, source.ErrUnreachable, "503"},
		{"told to slow down", other + "/r", http.StatusTooManyRequests, token, source.ErrUnreachable, "429"},
		{"redirect to plain HTTP", other + "/r", http.StatusFound, token, source.ErrDenied, "redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status = c.status
			_, _, err := source.Open(t.Context(), "git+https://me:hunter4@"+c.url, source.Options{Token: c.token})
			if c.token == "" {
				_, _, err = source.Open(t.Context(), "git+https://"+c.url, source.Options{})
			}
			if !errors.Is(err, c.sentinel) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("%v; want %v, %q", err, c.sentinel, c.want)
			}
		})
	}
	answers.Close()
	if _, _, err := source.Open(t.Context(), "git+https://"+other+"/r", o); !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}
