package servers

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// PostgresTLS has the server speak TLS, see PG.Certificates. The superuser may come any way; the role client comes by its
// certificate alone, and everybody else by TLS and password.
func PostgresTLS() PGOption { return func(p *PG) { p.certs = new(Certificates) } }

// Certificates are the server's with PostgresTLS.
func (p *PG) Certificates() *Certificates { return p.certs }

func (p *PG) secure() error {
	if p.certs == nil {
		return nil
	}
	var err error
	if p.certs, err = newCertificates(p.dir); err != nil {
		return err
	}
	for _, path := range []string{p.certs.CA, p.certs.ServerCert, p.certs.ServerKey} {
		if err := p.own(path); err != nil {
			return err
		}
	}
	p.settings["ssl"] = "on"
	p.settings["ssl_ca_file"], p.settings["ssl_cert_file"], p.settings["ssl_key_file"] = p.certs.CA, p.certs.ServerCert, p.certs.ServerKey
	const hba = "host all postgres 127.0.0.1/32 trust\nhostssl all client 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
	return os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(hba), 0o600)
}

// TLSFront speaks TLS in front of a server that does not.
type TLSFront struct {
	Certificates *Certificates
	listener     net.Listener
}

// Front starts a TLSFront of the target, a HOST:PORT. It ends, with all of its connections, with the test.
func Front(tb TB, target string, clientCertificates bool) *TLSFront {
	tb.Helper()
	dir, err := os.MkdirTemp("", "schemagate-tls-")
	if err != nil {
		tb.Fatalf("tls: %v", err)
	}
	certs, err := newCertificates(dir)
	if err != nil {
		tb.Fatalf("tls: %v", err)
	}
	pair, err := tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey)
	if err != nil {
		tb.Fatalf("tls: %v", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCertificates {
		pem, err := os.ReadFile(certs.CA)
		if err != nil {
			tb.Fatalf("tls: %v", err)
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("tls: %v", err)
	}
	f := &TLSFront{certs, l}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]struct{}{}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = struct{}{}
			mu.Unlock()
			all.Go(func() {
				relay(conn, config, target)
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
		_ = os.RemoveAll(dir)
	})
	return f
}

// Addr is the HOST:PORT that clients connect to.
func (f *TLSFront) Addr() string { return f.listener.Addr().String() }

// Through returns the URL with the front in the place of the target.
func (f *TLSFront) Through(rawURL, target string) string {
	return strings.Replace(rawURL, target, f.Addr(), 1)
}

func relay(conn net.Conn, config *tls.Config, target string) {
	defer func() { _ = conn.Close() }()
	client := tls.Server(conn, config)
	if client.Handshake() != nil {
		// What the client has sent already is read: closed over it, the connection would be reset, and the alert that says why lost.
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = conn.Close()
	<-done
}
