package trace

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings are what the environment says of tracing.
type Settings struct {
	endpoint string
	headers  http.Header
	timeout  time.Duration // of one request
	ca       *x509.CertPool
	resource []Attr
	parent   parent
}

// parent is the span that TRACEPARENT names.
type parent struct {
	trace [16]byte
	span  [8]byte
	state string
}

// Attr is a name with a string, an int64 or a bool.
type Attr struct {
	Name  string
	Value any
}

const defaultEndpoint = "http://localhost:4318"

// FromEnviron reads the variables; nil: no spans are wanted. The error names the variable; tracing is then off, and nothing
// else depends on it.
func FromEnviron(environ []string) (*Settings, error) {
	var vars map[string]string // made where there is one
	for _, kv := range environ {
		if k, v, _ := strings.Cut(kv, "="); v != "" && (strings.HasPrefix(k, "OTEL_") || k == "TRACEPARENT" || k == "TRACESTATE") {
			if vars == nil {
				vars = map[string]string{}
			}
			vars[k] = strings.TrimSpace(v)
		}
	}
	// exporter finds a variable of the exporter: the one for traces goes first.
	exporter := func(name string) (variable, value string) {
		if v := vars["OTEL_EXPORTER_OTLP_TRACES_"+name]; v != "" {
			return "OTEL_EXPORTER_OTLP_TRACES_" + name, v
		}
		return "OTEL_EXPORTER_OTLP_" + name, vars["OTEL_EXPORTER_OTLP_"+name]
	}
	where, endpoint := exporter("ENDPOINT")
	kind := vars["OTEL_TRACES_EXPORTER"]
	if endpoint == "" && kind != "otlp" || kind == "none" || strings.EqualFold(vars["OTEL_SDK_DISABLED"], "true") || strings.HasSuffix(vars["OTEL_TRACES_SAMPLER"], "always_off") {
		return nil, nil
	}
	if kind != "" && kind != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not spoken here: take otlp, or none", kind)
	}
	if name, p := exporter("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("%s: %q is not spoken here: take http/protobuf, and the collector's port for it, 4318", name, p)
	}
	s := &Settings{timeout: 10 * time.Second}
	if err := s.target(where, endpoint); err != nil {
		return nil, err
	}
	name, text := exporter("HEADERS")
	headers, err := list(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.headers = http.Header{}
	for _, h := range headers {
		s.headers.Set(h.Name, h.Value.(string))
	}
	if name, text = exporter("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("%s: %q is not a number of milliseconds", name, text)
		}
		s.timeout = time.Duration(ms) * time.Millisecond
	}
	if name, text = exporter("CERTIFICATE"); text != "" {
		pem, err := os.ReadFile(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if s.ca = x509.NewCertPool(); !s.ca.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate in PEM", name, text)
		}
	}
	if s.resource, err = list(vars["OTEL_RESOURCE_ATTRIBUTES"]); err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if v := vars["OTEL_SERVICE_NAME"]; v != "" {
		s.set("service.name", v)
	}
	var sampled bool
	if s.parent, sampled = parentOf(vars["TRACEPARENT"]); !sampled && vars["OTEL_TRACES_SAMPLER"] != "always_on" {
		return nil, nil // whoever called decided that this trace is not kept
	}
	s.parent.state = vars["TRACESTATE"]
	return s, nil
}

func (s *Settings) target(variable, text string) error {
	if text == "" {
		text = defaultEndpoint
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%s: not an http:// or https:// URL", variable) // it may hold a password
	}
	if !strings.Contains(variable, "_TRACES_") {
		u = u.JoinPath("v1", "traces")
	}
	s.endpoint = u.String()
	return nil
}

// Secrets are what must not be shown: what the collector is told to let us in.
func (s *Settings) Secrets() (out []string) {
	for _, v := range s.headers {
		out = append(out, v...)
	}
	if u, err := url.Parse(s.endpoint); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			out = append(out, p)
		}
	}
	return out
}

// Default sets an attribute of the resource that the environment left out.
func (s *Settings) Default(name, value string) {
	for _, a := range s.resource {
		if a.Name == name {
			return
		}
	}
	if value != "" {
		s.resource = append(s.resource, Attr{name, value})
	}
}

func (s *Settings) set(name, value string) {
	for i := range s.resource {
		if s.resource[i].Name == name {
			s.resource[i].Value = value
			return
		}
	}
	s.resource = append(s.resource, Attr{name, value})
}

func (s *Settings) client() *http.Client {
	return &http.Client{Timeout: s.timeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, TLSClientConfig: &tls.Config{RootCAs: s.ca, MinVersion: tls.VersionTLS12},
	}}
}

// list reads k=v,k=v, percent-encoded as the specification has it.
func list(text string) (out []Attr, err error) {
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		k, v, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(v))
		if k = strings.TrimSpace(k); !ok || k == "" || err != nil {
			return nil, fmt.Errorf("it must be name=value,name=value, percent-encoded") // and it may be a secret
		}
		out = append(out, Attr{k, value})
	}
	return out, nil
}

// parentOf reads a W3C traceparent; one that is broken counts as none, as its specification asks.
func parentOf(text string) (p parent, sampled bool) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return parent{}, true
	}
	flags, err := hex.DecodeString(parts[3])
	if err != nil {
		return parent{}, true
	}
	if _, err := hex.Decode(p.trace[:], []byte(parts[1])); err != nil || p.trace == [16]byte{} {
		return parent{}, true
	}
	if _, err := hex.Decode(p.span[:], []byte(parts[2])); err != nil || p.span == [8]byte{} {
		return parent{}, true
	}
	return p, flags[0]&1 == 1
}
