package consul

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
)

// defaultPrefix is where our keys lie unless the URL says otherwise.
const defaultPrefix = "schemagate"

// place is where a URL points.
type place struct {
	address string // HOST:PORT
	prefix  string // without slashes around it
	tls     bool
}

// parse reads consul://HOST:PORT/PREFIX. Its errors never repeat the URL, which may hold what should not have been in it.
func parse(rawURL string) (place, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // its words quote a part
		return place{}, malformed("can't be read: its port is no number, or a special character in it is not percent-encoded")
	}
	p := place{tls: u.Scheme == "consuls"}
	switch {
	case u.Scheme != "consul" && u.Scheme != "consuls":
		return place{}, malformed("begins with neither consul:// nor consuls:// (TLS)")
	case u.User != nil:
		return place{}, malformed("holds a user or a password; a token belongs in CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE, " +
			"a user and password in CONSUL_HTTP_AUTH")
	case u.RawQuery != "" || u.Fragment != "":
		return place{}, malformed("has something after a ? or #; namespace, datacenter, token and certificates come from Consul's " +
			"own variables (CONSUL_NAMESPACE, CONSUL_DATACENTER, CONSUL_HTTP_TOKEN, CONSUL_CACERT...)")
	case strings.Count(u.Host, ":") > 1 && !strings.HasPrefix(u.Host, "["):
		return place{}, malformed("holds an IPv6 address without brackets")
	case u.Hostname() == "":
		return place{}, malformed("names no host")
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "8500", true: "8501"}[p.tls]
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if _, _, err := net.SplitHostPort(p.address); err != nil || strings.ContainsAny(u.Hostname(), "[]") {
		return place{}, malformed("holds a host with a bracket in it")
	}
	if p.prefix = strings.Trim(u.Path, "/"); p.prefix == "" {
		p.prefix = defaultPrefix
	}
	if strings.Contains(p.prefix, "//") {
		return place{}, malformed("has an empty part in its prefix")
	}
	return p, nil
}

func malformed(what string) error {
	return fmt.Errorf("%w: the Consul URL %s; it reads consul://HOST:PORT/PREFIX", database.ErrConfig, what)
}

// connect makes the client for a place, with what Consul's own variables say. It does not connect.
func connect(p *place) (*api.Client, *http.Transport, error) {
	// The library takes what it can't parse here for "do not verify".
	for _, name := range []string{api.HTTPSSLVerifyEnvName, api.HTTPSSLEnvName} {
		if v := os.Getenv(name); v != "" {
			if _, err := strconv.ParseBool(v); err != nil {
				return nil, nil, fmt.Errorf("%w: %s is neither true nor false", database.ErrConfig, name)
			}
		}
	}
	c := api.DefaultConfig()
	// Never less TLS than was asked for, in either place.
	p.tls = p.tls || c.Scheme == "https"
	c.Address, c.Scheme = p.address, "http"
	if p.tls {
		c.Scheme = "https"
	}
	c.Datacenter = os.Getenv("CONSUL_DATACENTER")
	c.Token = strings.TrimSpace(c.Token)
	transport := c.Transport
	// HTTP/2 would put all requests on one connection, and keep one that hangs; it also hides why a certificate was refused.
	transport.ForceAttemptHTTP2 = false
	client, err := api.NewHttpClient(transport, c.TLSConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT or CONSUL_CLIENT_KEY: %w", database.ErrConfig, err)
	}
	c.HttpClient = client
	if c.TokenFile != "" {
		if _, err := readToken(c.TokenFile); err != nil {
			return nil, nil, fmt.Errorf("%w: %s: %w", database.ErrConfig, api.HTTPTokenFileEnvName, err)
		}
		client.Transport = tokenFile{path: c.TokenFile, next: transport}
	}
	out, err := api.NewClient(c)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: Consul's variables: %w", database.ErrConfig, err)
	}
	return out, transport, nil
}

// tokenFile sends the token that the file holds now: whoever put it into a file may replace it, and a lead can last for hours.
type tokenFile struct {
	path string
	next http.RoundTripper
}

func (t tokenFile) RoundTrip(req *http.Request) (*http.Response, error) {
	if token, err := readToken(t.path); err == nil { // else the library's, from when we started
		req = req.Clone(req.Context())
		req.Header.Set("X-Consul-Token", token)
	}
	return t.next.RoundTrip(req)
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return token, nil
}
