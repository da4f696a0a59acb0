package secrettest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Token is the token that the Vault stand-in takes.
const Token = "hvs.EXAMPLEtokenEXAMPLE"

// Vault stands in for a Vault with a versioned store at secret/ and one of version 1 at old/.
type Vault struct {
	*httptest.Server
	mu     sync.Mutex
	data   map[string]map[string]any
	sealed bool
	blind  bool
}

// NewVault starts one.
func NewVault(tb testing.TB) *Vault {
	tb.Helper()
	v := &Vault{data: map[string]map[string]any{}}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	tb.Cleanup(v.Close)
	return v
}

// Put stores a secret under the path of the API: secret/data/NAME, or old/NAME.
func (v *Vault) Put(path string, data map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.data[path] = data
}

// Seal makes it answer nothing but that it is sealed.
func (v *Vault) Seal(sealed bool) { v.mu.Lock(); defer v.mu.Unlock(); v.sealed = sealed }

// Blind lets no token ask where a store is mounted.
func (v *Vault) Blind(blind bool) { v.mu.Lock(); defer v.mu.Unlock(); v.blind = blind }

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	answer := func(status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	errs := func(texts ...string) any { return map[string]any{"errors": append([]string{}, texts...)} }
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	mounted, asks := strings.CutPrefix(path, "sys/internal/ui/mounts/")
	switch {
	case v.sealed:
		answer(http.StatusServiceUnavailable, errs("Vault is sealed"))
	case r.Header.Get("X-Vault-Token") != Token, asks && v.blind:
		answer(http.StatusForbidden, errs("permission denied"))
	case asks && strings.HasPrefix(mounted, "secret/"):
		answer(http.StatusOK, map[string]any{"data": map[string]any{"path": "secret/", "type": "kv", "options": map[string]any{"version": "2"}}})
	case asks && strings.HasPrefix(mounted, "old/"):
		answer(http.StatusOK, map[string]any{"data": map[string]any{"path": "old/", "type": "kv", "options": map[string]any{"version": "1"}}})
	case asks:
		answer(http.StatusForbidden, errs("preflight capability check returned 403"))
	case v.data[path] == nil:
		answer(http.StatusNotFound, errs())
	case strings.HasPrefix(path, "secret/data/"):
		answer(http.StatusOK, map[string]any{"data": map[string]any{"data": v.data[path], "metadata": map[string]any{"version": 3}}})
	default:
		answer(http.StatusOK, map[string]any{"data": v.data[path], "lease_duration": 2764800})
	}
}
