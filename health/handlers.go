package health

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// Header values are shared between responses: net/http only reads them.
var (
	typeText = []string{"text/plain; charset=utf-8"}
	typeJSON = []string{"application/json"}
	typeHTML = []string{"text/html; charset=utf-8"}
	typeND   = []string{"application/x-ndjson"}
	noStore  = []string{"no-store"}
	noSniff  = []string{"nosniff"}
)

var (
	alive      = newAnswer(true, "alive")
	started    = newAnswer(true, "started")
	notStarted = newAnswer(false, "not ready yet; /readyz says why")
)

// ServeHTTP routes by hand: the probes come first and cost no more than a comparison.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Nobody needs a body here. Where a proxy in front reads its length in another way than we do, the rest would be a request of
		// somebody's choice: this is the last one of the connection.
		w.Header().Set("Connection", "close")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	switch r.URL.Path {
	case "/readyz", "/healthz":
		v := s.gate.view.Load()
		if s.token != nil {
			v.bare.write(w)
			return
		}
		v.plain.write(w)
		return
	case "/livez":
		alive.write(w)
		return
	case "/startupz":
		if s.gate.Started() {
			started.write(w)
			return
		}
		notStarted.write(w)
		return
	case "/wake":
		s.wake(w, r)
		return
	}
	if !s.token.allows(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="schemagate", charset="UTF-8"`)
		fail(w, http.StatusUnauthorized, "a token is needed: as a bearer token, or as the password of any user")
		return
	}
	version, isMigration := strings.CutPrefix(r.URL.Path, "/migrations/")
	switch {
	case r.URL.Path == "/":
		servePage(w)
	case r.URL.Path == "/status":
		writeJSON(w, http.StatusOK, s.gate.Status())
	case r.URL.Path == "/metrics":
		s.gate.metrics().handler.ServeHTTP(w, r)
	case isMigration && version != "":
		s.migration(w, version)
	default:
		fail(w, http.StatusNotFound, "not found")
	}
}

func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = typeText
	h["Content-Length"] = a.length
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // who has gone needs no answer
}

func fail(w http.ResponseWriter, code int, text string) {
	a := newAnswer(false, text)
	a.code = code
	a.write(w)
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	body = append(body, '\n')
	h := w.Header()
	h["Content-Type"] = typeJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// migration answers feature flags: 200 means applied, with nothing left to do.
func (s *Server) migration(w http.ResponseWriter, version string) {
	status := s.gate.Status()
	m, complete := status.Complete(version)
	answer := struct {
		Migration
		Complete bool `json:"complete"`
	}{m, complete}
	if m.State == "" {
		answer.State = "unknown"
	}
	code := http.StatusNotFound
	if complete {
		code = http.StatusOK
	}
	writeJSON(w, code, answer)
}

// tokenCheck compares digests, so that the time taken tells nothing, not even a length.
type tokenCheck struct{ digest [sha256.Size]byte }

func newTokenCheck(token string) *tokenCheck { return &tokenCheck{sha256.Sum256([]byte(token))} }

// allows is true on nil: no token is asked for.
func (t *tokenCheck) allows(r *http.Request) bool {
	if t == nil {
		return true
	}
	given, ok := bearer(r)
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	sum := sha256.Sum256([]byte(given))
	return ok && subtle.ConstantTimeCompare(sum[:], t.digest[:]) == 1
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}
