// Package trust tells a TLS handshake that was refused, which no waiting mends, from a connection that broke: a certificate that can't be
// verified, no TLS where it was asked for, or a server that wants another client certificate. It knows nothing of who connects where.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// Remedy is what to do about a handshake that was refused; empty for any other error. Of several attempts, one that was refused counts.
// authority and client say where the certificates are named; client is empty where none can be.
func Remedy(err error, authority, client string) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "name the authority that signed the server's certificate in " + authority
	case errors.As(err, &name):
		return "connect by a name that the server's certificate holds"
	case errors.As(err, &verification):
		return "the server's certificate is not valid"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "the server speaks no TLS there"
	case errors.As(err, &remote) && refusal(remote):
		if client == "" {
			return "the server wants a client certificate, and none can be named for it"
		}
		return "the server refuses our certificate, or the lack of one: name one in " + client
	}
	return ""
}

// refusal is an alert about certificates. Others, such as an internal error, may pass; crypto/tls has no type for them.
func refusal(e *net.OpError) bool {
	text := e.Err.Error()
	return e.Op == "remote error" && (strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure") || strings.Contains(text, "access denied"))
}
