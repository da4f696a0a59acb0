package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
)

// ErrUnreachable: Consul does not answer, or has no leader, or too many connections from here. Try again. It matches
// database.ErrUnreachable too, because to whoever waits for a start the two mean the same.
var ErrUnreachable error = unreachable{}

type unreachable struct{}

func (unreachable) Error() string { return "Consul not reached" }

func (unreachable) Is(target error) bool { return target == database.ErrUnreachable }

// fail sorts an error of a request and says what to do about it. ctx is the one that the request had.
func (e *Elector) fail(ctx context.Context, doing string, err error) error {
	var se api.StatusError
	if errors.As(err, &se) {
		return e.status(doing, se)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the address's long query
	}
	if hint := tlsHint(err); hint != "" {
		return fmt.Errorf("%w: Consul at %s: %s: %w; %s", database.ErrConfig, e.place.address, doing, err, hint)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%w at %s: %s: %w", ErrUnreachable, e.place.address, doing, err)
}

func (e *Elector) status(doing string, se api.StatusError) error {
	said := line(se.Body)
	switch {
	case se.Code == http.StatusForbidden, se.Code == http.StatusUnauthorized,
		strings.Contains(se.Body, "Permission denied"), strings.Contains(se.Body, "ACL not found"): // 500 by way of another server
		return fmt.Errorf("%w: Consul at %s: %s: %s; the token (CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE) needs the policy "+
			`key_prefix "%s/" { policy = "write" } session_prefix "" { policy = "write" }`,
			database.ErrDenied, e.place.address, doing, said, e.place.prefix)
	case se.Code == http.StatusBadRequest && strings.Contains(se.Body, "HTTPS server"):
		return fmt.Errorf("%w: Consul at %s speaks TLS there: use consuls://", database.ErrConfig, e.place.address)
	case se.Code == http.StatusTooManyRequests:
		return fmt.Errorf("%w at %s: %s: too many connections from this address (http_max_conns_per_client)",
			ErrUnreachable, e.place.address, doing)
	case strings.Contains(se.Body, "No path to datacenter"):
		return fmt.Errorf("%w: Consul at %s knows no such datacenter: check CONSUL_DATACENTER", database.ErrConfig, e.place.address)
	case se.Code >= 400 && se.Code < 500:
		return fmt.Errorf("%w: Consul at %s: %s: %d %s", database.ErrConfig, e.place.address, doing, se.Code, said)
	}
	return fmt.Errorf("%w at %s: %s: %d %s", ErrUnreachable, e.place.address, doing, se.Code, said)
}

// tlsHint is what to do about an error that no waiting will mend; empty for any other.
func tlsHint(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "set CONSUL_CACERT to the authority that signed Consul's certificate"
	case errors.As(err, &name):
		return "set CONSUL_TLS_SERVER_NAME to a name that the certificate holds"
	case errors.As(err, &invalid):
		return "Consul's certificate is not valid"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "no TLS is spoken there: use consul://"
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert
		return "Consul refuses our certificate, or the lack of one: set CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY"
	}
	return ""
}

// line is the first line of what a server said, cut to a readable length.
func line(body string) string {
	body, _, _ = strings.Cut(strings.TrimSpace(body), "\n")
	const most = 300
	if len(body) > most {
		body = body[:most] + "..."
	}
	return body
}
