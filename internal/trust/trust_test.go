package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/internal/trust"
)

// What each of the servers' clients makes of these is in test/e2e. Here: a refusal has a remedy, and what may pass has none.
func TestRemedy(t *testing.T) {
	server := func(config *tls.Config) *httptest.Server {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = config
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	usual := server(nil)
	strict := server(&tls.Config{ClientAuth: tls.RequireAnyClientCert})
	broken := server(&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("for now") }})
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	known := x509.NewCertPool()
	known.AddCert(usual.Certificate())
	for _, x := range []struct {
		name, url string
		pool      *x509.CertPool
		client    string
		want      string
	}{
		{"unknown authority", usual.URL, x509.NewCertPool(), "CLIENT", "in AUTHORITY"},
		{"another name", strings.Replace(usual.URL, "127.0.0.1", "localhost", 1), known, "CLIENT", "a name that"},
		{"no client certificate", strict.URL, known, "CLIENT", "in CLIENT"},
		{"no client certificate possible", strict.URL, known, "", "none can be named"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), known, "CLIENT", "no TLS"},
		{"an error of the server's own", broken.URL, known, "CLIENT", ""},
		{"nobody there", strings.Replace(gone.URL, "http:", "https:", 1), known, "CLIENT", ""},
	} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x.pool}, DisableKeepAlives: true}}
		resp, err := c.Get(x.url)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: connected", x.name)
			continue
		}
		if got := trust.Remedy(err, "AUTHORITY", x.client); (got == "") != (x.want == "") || !strings.Contains(got, x.want) {
			t.Errorf("%s: %v: %q, want %q", x.name, err, got, x.want)
		}
	}
	if got := trust.Remedy(nil, "AUTHORITY", "CLIENT"); got != "" {
		t.Errorf("no error: %q", got)
	}
}
