package config

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

func suffix() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// userInfo finds user:password in what looks like a URL but does not parse as one.
var userInfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`//([^/@\s:]*):([^@\s]*)@`) })

func hasPassword(raw string) bool {
	if u, err := url.Parse(raw); err == nil {
		if _, ok := u.User.Password(); ok {
			return true
		}
		for k := range u.Query() {
			if k == "password" || k == "sslpassword" {
				return true
			}
		}
		return false
	}
	return userInfo().MatchString(raw)
}

// withoutUser is what a message shows of a value: a URL in the wrong variable must not show its password either.
func withoutUser(raw string) string {
	if i := strings.LastIndex(raw, "@"); i >= 0 {
		return "…" + raw[i:]
	}
	return raw
}

const mask = "*****"

// Redactor replaces secrets by stars, in every spelling that a log line can give them.
type Redactor struct {
	mu    sync.RWMutex
	words [][]byte
}

// Add makes a secret known. Of a URL the password is the secret. Words of fewer than four characters are not masked: they
// would turn up by chance everywhere.
func (r *Redactor) Add(secret string) {
	var words []string
	if u, err := url.Parse(secret); err == nil && u.Scheme != "" && u.Host != "" {
		if p, ok := u.User.Password(); ok {
			words = append(words, p)
			if _, raw, ok := strings.Cut(u.User.String(), ":"); ok {
				words = append(words, raw)
			}
		}
		words = append(words, u.Query().Get("password"), u.Query().Get("sslpassword"))
	} else if m := userInfo().FindStringSubmatch(secret); m != nil {
		words = append(words, m[2])
	} else {
		words = append(words, secret, strings.TrimSpace(secret))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range words {
		if len(w) < 4 {
			continue
		}
		quoted, err := json.Marshal(w)
		if err == nil {
			r.words = append(r.words, quoted[1:len(quoted)-1])
		}
		r.words = append(r.words, []byte(w), []byte(url.QueryEscape(w)), []byte(url.PathEscape(w)))
	}
}

// String masks what is secret in s.
func (r *Redactor) String(s string) string { return string(r.Bytes([]byte(s))) }

// Bytes masks what is secret in b.
func (r *Redactor) Bytes(b []byte) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, w := range r.words {
		if bytes.Contains(b, w) {
			b = bytes.ReplaceAll(b, w, []byte(mask))
		}
	}
	return b
}

// Writer masks whatever is written to w, write by write; a logger writes whole lines.
func (r *Redactor) Writer(w io.Writer) io.Writer { return redacting{r, w} }

type redacting struct {
	r *Redactor
	w io.Writer
}

func (x redacting) Write(b []byte) (int, error) {
	if _, err := x.w.Write(x.r.Bytes(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Secrets makes all that is secret in the settings known to a Redactor.
func (c *Config) Secrets(r *Redactor) {
	for _, s := range []string{c.DatabaseURL, c.GitKey, c.GitToken, c.HTTPToken} {
		if s != "" {
			r.Add(s)
		}
	}
	if hasPassword(c.Migrations) { // of a git URL
		r.Add(c.Migrations)
	}
}
