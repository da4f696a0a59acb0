//go:build !no_git

package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/net/proxy"
)

const dialTimeout = 15 * time.Second

// ssh speaks git over a connection of our own. go-git's transport would do but for three things: its handshake has no end when
// the other side is silent, it reads ~/.ssh/config, and what the server says about a refusal is lost.
func (l location) ssh(o Options) (route, error) {
	addr := net.JoinHostPort(l.hostname, "22")
	if l.port != "" {
		addr = net.JoinHostPort(l.hostname, l.port)
	}
	hosts, err := l.knownHosts(o.KnownHosts)
	if err != nil {
		return route{}, err
	}
	auth, release, err := l.keys(o.Key)
	if err != nil {
		return route{}, err
	}
	d := &dialer{addr: addr, repo: l.repo, config: &ssh.ClientConfig{
		User: l.user, Auth: []ssh.AuthMethod{auth}, HostKeyAlgorithms: hosts.HostKeyAlgorithms(addr),
	}, release: release}
	if d.config.User == "" {
		d.config.User = "git"
	}
	check := hosts.HostKeyCallback()
	d.config.HostKeyCallback = func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := check(host, remote, key)
		switch {
		case knownhosts.IsHostKeyChanged(err):
			d.hostKey = fmt.Errorf("%w: the host key of %s (%s) is not the one in known_hosts: either the server has a new one, or this is not the server; "+
				"compare the fingerprint with the operator's before you change known_hosts", ErrDenied, host, ssh.FingerprintSHA256(key))
		case err != nil:
			d.hostKey = fmt.Errorf("%w: %s (%s) is not in known_hosts: %s", ErrDenied, host, ssh.FingerprintSHA256(key), l.scan())
		}
		return d.hostKey
	}
	return route{remote: remote{open: d.open, sort: d.sort}}, nil
}

// scan tells how to make the file.
func (l location) scan() string {
	port := ""
	if l.port != "" && l.port != "22" {
		port = "-p " + l.port + " "
	}
	return fmt.Sprintf("make an entry with  ssh-keyscan %s%s > known_hosts , compare its fingerprint (ssh-keygen -lf known_hosts) with the operator's, "+
		"and name the file in SCHEMAGATE_GIT_KNOWN_HOSTS", port, l.hostname)
}

func (l location) knownHosts(file string) (*knownhosts.HostKeyDB, error) {
	files := []string{file}
	if file == "" {
		if files = filepath.SplitList(os.Getenv("SSH_KNOWN_HOSTS")); len(files) == 0 {
			if home, err := os.UserHomeDir(); err == nil {
				files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
			}
			files = append(files, "/etc/ssh/ssh_known_hosts")
		}
	}
	var found []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no known_hosts file (looked for %s), and a host is not trusted blindly: %s", ErrLocation, strings.Join(files, ", "), l.scan())
	}
	db, err := knownhosts.NewDB(found...)
	if err != nil {
		return nil, fmt.Errorf("%w: known_hosts: %w", ErrLocation, err)
	}
	return db, nil
}

// keys is the private key that was given, or the agent's. release lets go of the agent.
func (l location) keys(text []byte) (auth ssh.AuthMethod, release func(), err error) {
	if len(bytes.TrimSpace(text)) > 0 {
		if !bytes.Contains(text, []byte("\n")) { // a variable that can't hold line breaks
			text = bytes.ReplaceAll(text, []byte(`\n`), []byte("\n"))
		}
		signer, err := ssh.ParsePrivateKey(text)
		var missing *ssh.PassphraseMissingError
		if errors.As(err, &missing) {
			return nil, nil, fmt.Errorf("%w: SCHEMAGATE_GIT_KEY: the private key is protected by a passphrase, and nobody is here to type it: "+
				"use a deploy key without one, or an SSH agent", ErrLocation)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: SCHEMAGATE_GIT_KEY: not a private key in PEM (-----BEGIN OPENSSH PRIVATE KEY-----, line breaks included)", ErrLocation)
		}
		return ssh.PublicKeys(signer), func() {}, nil
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, nil, fmt.Errorf("%w: no private key: set SCHEMAGATE_GIT_KEY or SCHEMAGATE_GIT_KEY_FILE, or let SSH_AUTH_SOCK name an SSH agent", ErrLocation)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: SSH agent at SSH_AUTH_SOCK: %w", ErrLocation, bottom(err))
	}
	return ssh.PublicKeysCallback(agent.NewClient(conn).Signers), func() { _ = conn.Close() }, nil
}

type dialer struct {
	addr, repo string
	config     *ssh.ClientConfig
	release    func()
	hostKey    error // why the server's key was not accepted
	session    *session
}

func (d *dialer) open(ctx context.Context) (transport.UploadPackSession, error) {
	short, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := proxy.Dial(short, "tcp", d.addr)
	if err != nil {
		d.release()
		return nil, err
	}
	// Ending the context ends the connection, and with it whatever waits for the other side.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	stopShort := context.AfterFunc(short, func() { _ = conn.Close() })
	c, chans, reqs, err := ssh.NewClientConn(conn, d.addr, d.config)
	d.release()
	stopShort()
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	s := &session{client: ssh.NewClient(c, chans, reqs), stop: stop}
	if err := s.start("git-upload-pack '" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(d.repo) + "'"); err != nil {
		_ = s.Close()
		return nil, err
	}
	d.session = s
	return s, nil
}

func (d *dialer) sort(err error) error {
	var network net.Error
	switch {
	case d.hostKey != nil:
		return d.hostKey
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Errorf("%w: %s does not accept the key for user %s: is it a deploy key of this repository?", ErrDenied, d.addr, d.config.User)
	}
	if d.session != nil {
		if said := d.session.said(); said != "" {
			return fmt.Errorf("%w: no such repository, or this key may not read it; the server says: %s", ErrNotFound, said)
		}
	}
	if errors.As(err, &network) || dropped(err) || d.session == nil {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, d.addr, bottom(err))
	}
	return err
}

// session is one run of git-upload-pack; it implements transport.UploadPackSession.
type session struct {
	client *ssh.Client
	stop   func() bool
	shell  *ssh.Session
	in     io.WriteCloser
	out    io.Reader
	words  words
	refs   *packp.AdvRefs
}

func (s *session) start(command string) (err error) {
	if s.shell, err = s.client.NewSession(); err != nil {
		return err
	}
	if s.in, err = s.shell.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = s.shell.StdoutPipe(); err != nil {
		return err
	}
	s.shell.Stderr = &s.words
	return s.shell.Start(command)
}

// said is the server's complaint, once it has ended without an answer.
func (s *session) said() string {
	if s.refs != nil {
		return ""
	}
	_ = s.shell.Wait() // with it, its standard error is complete
	return s.words.first()
}

func (s *session) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

func (s *session) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	ar := packp.NewAdvRefs()
	if err := ar.Decode(s.out); err != nil {
		if errors.Is(err, packp.ErrEmptyAdvRefs) {
			return nil, transport.ErrEmptyRemoteRepository
		}
		return nil, err
	}
	s.refs = ar
	if ar.IsEmpty() {
		return nil, transport.ErrEmptyRemoteRepository
	}
	return ar, nil
}

func (s *session) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	told := errors.Join(req.UploadRequest.Encode(s.in), req.UploadHaves.Encode(s.in, true), pktline.NewEncoder(s.in).Encodef("done\n"), s.in.Close())
	res := packp.NewUploadPackResponse(req)
	// A server that refuses may hang up before it was told everything. Its answer says why; that telling it failed does not.
	if err := res.Decode(io.NopCloser(s.out)); err != nil {
		return nil, err
	}
	return res, told
}

func (s *session) Close() error {
	s.stop()
	err := s.client.Close()
	_ = s.client.Wait() // its goroutine has ended then
	return err
}

// words keeps the beginning of what the server writes to standard error.
type words struct {
	mu   sync.Mutex
	text []byte
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b[:min(len(b), 2000-len(w.text))]...)
	return len(b), nil
}

// first is the first line that says something, in printable characters.
func (w *words) first() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(string(w.text)) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, line)
		if line = strings.Trim(strings.TrimPrefix(line, "remote:"), " ="); line != "" {
			return line[:min(len(line), 200)]
		}
	}
	return ""
}

// bottom is the error below the wrappers that quote a URL.
func bottom(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// dropped tells a connection that broke from an answer.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
