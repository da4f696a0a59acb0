package sourcetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SSHD is an OpenSSH server of the test's own, which lets in one key.
type SSHD struct {
	tb   testing.TB
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
	// Addr is HOST:PORT; Key the file of the private key; KnownHosts names the server's host key; User is who may log in.
	Addr, Key, KnownHosts, User string
}

// sshdPath must be absolute: sshd runs itself again for each connection.
const sshdPath = "/usr/sbin/sshd"

// Sshd starts one on loopback, on a port that the kernel gives.
func Sshd(tb testing.TB) *SSHD {
	tb.Helper()
	u, err := user.Current()
	if err != nil {
		tb.Fatal(err)
	}
	s := &SSHD{tb: tb, dir: tb.TempDir(), User: u.Username}
	host := NewKey(tb, "")
	s.Key = NewKey(tb, "")
	if os.Geteuid() == 0 { // where a server that is root keeps its sandbox
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	pub := read(tb, s.Key+".pub")
	s.write("authorized_keys", pub)
	for range 5 { // the port may be taken before the server has it
		s.Addr = freeAddr(tb)
		if s.start(host) {
			break
		}
	}
	hostname, port, _ := net.SplitHostPort(s.Addr)
	s.KnownHosts = s.write("known_hosts", fmt.Sprintf("[%s]:%s %s", hostname, port, read(tb, host+".pub")))
	tb.Cleanup(s.stop)
	return s
}

func (s *SSHD) start(hostKey string) bool {
	s.tb.Helper()
	hostname, port, _ := net.SplitHostPort(s.Addr)
	config := s.write("sshd_config", strings.Join([]string{
		"ListenAddress " + hostname, "Port " + port, "HostKey " + hostKey, "AuthorizedKeysFile " + filepath.Join(s.dir, "authorized_keys"),
		"PidFile none", "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password", "LogLevel ERROR", "SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*",
	}, "\n")+"\n")
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.tb.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(sshdPath, "-D", "-e", "-f", config)
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatalf("sshd: %v", err)
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // its log tells
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if greets(s.Addr) {
			return true
		}
		select {
		case <-s.done:
			s.tb.Logf("sshd: %s", read(s.tb, log.Name()))
			return false
		case <-ctx.Done():
			s.tb.Fatal("sshd does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func greets(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	b := make([]byte, 4)
	_, err = io.ReadFull(conn, b)
	return err == nil && string(b) == "SSH-"
}

func (s *SSHD) stop() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// URL is the git URL of a repository on this machine, through this server.
func (s *SSHD) URL(dir string) string { return "git+ssh://" + s.User + "@" + s.Addr + dir }

func (s *SSHD) write(name, text string) string {
	s.tb.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	return path
}

// NewKey makes a key pair with ssh-keygen and returns the private key's file.
func NewKey(tb testing.TB, passphrase string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	run(tb, "ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path)
	return path
}

// Agent starts an ssh-agent that holds the key and returns its socket.
func Agent(tb testing.TB, key string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "agent-") // a socket's path is short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		out, err := add.CombinedOutput()
		if err == nil {
			return socket
		}
		if time.Now().After(deadline) {
			tb.Fatalf("ssh-add: %v: %s", err, out)
		}
		<-time.After(20 * time.Millisecond) // nobody signals that the agent listens
	}
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return addr
}

// tokenOnly lets in who brings the token as a password; "" is everybody.
func tokenOnly(h http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, _ := r.BasicAuth(); token != "" && p != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
