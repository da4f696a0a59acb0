package source_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/source"
	"github.com/schemagate/schemagate/source/sourcetest"
)

// history is a repository with a few refs: v1 (an annotated tag), v2, main, and a commit between that no ref points at.
type history struct {
	*sourcetest.Repository
	v1, between, v2 string
}

func newHistory(t *testing.T) history {
	t.Helper()
	h := history{Repository: sourcetest.New(t)}
	h.Write("db/m/0001_a.up.sql", "one")
	h.Write("README", "read me")
	h.v1 = h.Commit("first")
	h.Git("tag", "-a", "v1", "-m", "v1")
	h.Write("db/m/0002_b.up.sql", "two")
	h.between = h.Commit("between")
	h.Write("db/m/0003_c.up.sql", "three")
	h.v2 = h.Commit("third")
	h.Git("tag", "v2")
	h.Git("branch", "release/2")
	return h
}

func names(t *testing.T, f fs.FS) string {
	t.Helper()
	all, err := fs.Glob(f, "*")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

const three = "0001_a.up.sql 0002_b.up.sql 0003_c.up.sql"

// opener opens what stands behind the repository's own URL, over one transport.
type opener func(suffix string) (fs.FS, source.Info, error)

func checkRefs(t *testing.T, h history, open opener) {
	t.Helper()
	for ref, want := range map[string][2]string{
		"":                          {h.v2, three},
		"?ref=main":                 {h.v2, three},
		"?ref=release/2":            {h.v2, three},
		"?ref=v1":                   {h.v1, "0001_a.up.sql"},
		"?ref=refs/tags/v1":         {h.v1, "0001_a.up.sql"},
		"?ref=" + h.v2:              {h.v2, three},
		"?ref=" + h.between:         {h.between, "0001_a.up.sql 0002_b.up.sql"},
		"?ref=refs/heads/release/2": {h.v2, three},
	} {
		f, info, err := open("//db/m" + ref)
		if err != nil {
			t.Errorf("%q: %v", ref, err)
			continue
		}
		if got := names(t, f); info.Commit != want[0] || got != want[1] {
			t.Errorf("%q: commit %s with %s, want %v", ref, info.Commit, got, want)
		}
	}
	f, _, err := open("")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(f, "db/m/0002_b.up.sql"); err != nil || string(b) != "two" {
		t.Errorf("%q, %v", b, err)
	}
	for suffix, want := range map[string]string{
		"//db/m?ref=v3":                          `ref "v3": the repository has no tag and no branch of this name (any more); it has main, release/2, v1, v2`,
		"//db/m?ref=" + h.v1[:10]:                "a commit is given by its full hash",
		"//db/m?ref=" + strings.Repeat("ab", 20): "no branch and no tag of the repository holds it",
		"//db/x":                                 `folder "db/x" is not in this commit`,
		"//README":                               `"README" is a file in this commit`,
	} {
		_, _, err := open(suffix)
		if !errors.Is(err, source.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", suffix, err, want)
		}
	}
}

// checkBare opens a commit that no ref points at, where the server hands it out, and one that is nowhere.
func checkBare(t *testing.T, h history, open opener) {
	t.Helper()
	f, info, err := open("//db/m?ref=" + h.between)
	if err != nil || info.Commit != h.between || names(t, f) != "0001_a.up.sql 0002_b.up.sql" {
		t.Errorf("%v, %v", info, err)
	}
	_, _, err = open("?ref=" + strings.Repeat("ab", 20))
	if !errors.Is(err, source.ErrNotFound) || !strings.Contains(err.Error(), "no branch and no tag of the repository holds it") {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, info, err := source.Open(t.Context(), dir, source.Options{})
	if err != nil || info.Commit != "" || names(t, f) != "a" {
		t.Error(f, info, err)
	}
}

func TestFile(t *testing.T) {
	h := newHistory(t)
	checkFile := func(suffix string) (fs.FS, source.Info, error) {
		f, i, err := source.Open(t.Context(), "git+file://"+h.Dir+suffix, source.Options{})
		if err != nil && strings.Contains(err.Error(), strings.Repeat("ab", 20)) {
			err = errors.Join(err, errors.New("no branch and no tag of the repository holds it")) // a local one says it shorter
		}
		return f, i, err
	}
	checkRefs(t, h, checkFile)
	_, _, err := source.Open(t.Context(), "git+file://"+t.TempDir(), source.Options{})
	if !errors.Is(err, source.ErrNotFound) {
		t.Error(err)
	}
}

func TestSSH(t *testing.T) {
	h, sshd := newHistory(t), sourcetest.Sshd(t)
	o := source.Options{Key: read(t, sshd.Key), KnownHosts: sshd.KnownHosts}
	open := func(suffix string) (fs.FS, source.Info, error) {
		return source.Open(t.Context(), sshd.URL(h.Dir)+suffix, o)
	}
	t.Run("as git serves by default", func(t *testing.T) { checkRefs(t, h, open) })
	h.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	t.Run("with bare hashes", func(t *testing.T) { checkBare(t, h, open) })

	t.Run("key in a variable without line breaks", func(t *testing.T) {
		one := o
		one.Key = []byte(strings.ReplaceAll(string(o.Key), "\n", `\n`))
		if _, _, err := source.Open(t.Context(), sshd.URL(h.Dir), one); err != nil {
			t.Error(err)
		}
	})
	refuses := func(name, url string, o source.Options, sentinel error, wants ...string) {
		t.Run(name, func(t *testing.T) {
			_, _, err := source.Open(t.Context(), url, o)
			if !errors.Is(err, sentinel) {
				t.Errorf("%v; want %v", err, sentinel)
			}
			for _, want := range wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q", err, want)
				}
			}
			if block, _ := pem.Decode(o.Key); block != nil && strings.Contains(err.Error(), strings.Split(string(o.Key), "\n")[1]) {
				t.Errorf("it quotes the key: %v", err)
			}
		})
	}
	url := sshd.URL(h.Dir)
	with := func(change func(*source.Options)) source.Options { c := o; change(&c); return c }
	host, port, _ := net.SplitHostPort(sshd.Addr)
	other := t.TempDir() + "/known_hosts"
	write(t, other, "["+host+"]:"+port+" "+string(read(t, sshd.Key+".pub")))
	refuses("another host key", url, with(func(o *source.Options) { o.KnownHosts = other }), source.ErrDenied, "is not the one in known_hosts")
	empty := t.TempDir() + "/known_hosts"
	write(t, empty, "")
	refuses("unknown host", url, with(func(o *source.Options) { o.KnownHosts = empty }), source.ErrDenied, "is not in known_hosts", "ssh-keyscan -p "+port+" "+host, "SHA256:")
	refuses("no known_hosts", url, with(func(o *source.Options) { o.KnownHosts = empty + "x" }), source.ErrLocation, "no known_hosts file", "ssh-keyscan")
	refuses("another key", url, with(func(o *source.Options) { o.Key = read(t, sourcetest.NewKey(t, "")) }), source.ErrDenied, "does not accept the key")
	refuses("passphrase", url, with(func(o *source.Options) { o.Key = read(t, sourcetest.NewKey(t, "open sesame")) }), source.ErrLocation, "protected by a passphrase")
	refuses("no key at all", url, with(func(o *source.Options) { o.Key = []byte("hunter2") }), source.ErrLocation, "not a private key in PEM")
	refuses("no such repository", sshd.URL(h.Dir+"x"), o, source.ErrNotFound, "no such repository, or this key may not read it", "does not appear to be a git repository")
	refuses("empty repository", sshd.URL(sourcetest.New(t).Dir), o, source.ErrNotFound, "the repository is empty")
}

func TestSSHFromAgent(t *testing.T) {
	h, sshd := newHistory(t), sourcetest.Sshd(t)
	t.Setenv("SSH_KNOWN_HOSTS", sshd.KnownHosts)
	t.Setenv("SSH_AUTH_SOCK", "")
	_, _, err := source.Open(t.Context(), sshd.URL(h.Dir), source.Options{})
	if !errors.Is(err, source.ErrLocation) || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("%v", err)
	}
	t.Setenv("SSH_AUTH_SOCK", t.TempDir()+"/none")
	if _, _, err = source.Open(t.Context(), sshd.URL(h.Dir), source.Options{}); !errors.Is(err, source.ErrLocation) {
		t.Errorf("%v", err)
	}
	t.Setenv("SSH_AUTH_SOCK", sourcetest.Agent(t, sshd.Key))
	_, info, err := source.Open(t.Context(), sshd.URL(h.Dir), source.Options{})
	if err != nil || info.Commit != h.v2 {
		t.Errorf("%v, %v", info, err)
	}
}

// A host that is not there, that drops the connection or says nothing, is one to try again.
func TestSSHNotReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hosts := t.TempDir() + "/known_hosts"
	write(t, hosts, "")
	o := source.Options{Key: read(t, sourcetest.NewKey(t, "")), KnownHosts: hosts}
	url := "git+ssh://git@" + l.Addr().String() + "/repo.git"
	accepted := make(chan net.Conn)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	open := func(ctx context.Context) <-chan error {
		out := make(chan error, 1)
		go func() {
			_, _, err := source.Open(ctx, url, o)
			out <- err
		}()
		return out
	}
	out := open(t.Context())
	if err := (<-accepted).Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-out; !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("dropped: %v", err)
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	out = open(ctx)
	silent := <-accepted
	cancel(stopped)
	if err := <-out; !errors.Is(err, stopped) {
		t.Errorf("silent: %v", err)
	}
	_ = silent.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := <-open(t.Context()); !errors.Is(err, source.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("refused: %v", err)
	}
}

// What git itself can't hold for us is said, and not handed on.
func TestContents(t *testing.T) {
	r := sourcetest.New(t)
	r.Write("m/0001_a.up.sql", "one")
	if err := os.Symlink("../m/0001_a.up.sql", filepath.Join(r.Dir, "m", "0002_link.up.sql")); err != nil {
		t.Fatal(err)
	}
	r.Write("lfs/0001_a.up.sql", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
	for dir, target := range map[string]string{"out": "/etc/passwd", "up": "../../../etc/passwd", "loop": "0001_a.up.sql"} {
		if err := os.Mkdir(filepath.Join(r.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(r.Dir, dir, "0001_a.up.sql")); err != nil {
			t.Fatal(err)
		}
	}
	r.Commit("all")
	r.Git("branch", "twin")
	r.Commit("more")
	r.Git("tag", "twin")
	open := func(suffix string) (fs.FS, error) {
		f, _, err := source.Open(t.Context(), "git+file://"+r.Dir+suffix, source.Options{})
		return f, err
	}
	f, err := open("//m")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(f, "0002_link.up.sql"); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	for suffix, want := range map[string]string{
		"//lfs": "Git LFS", "//out": "which is no file in the repository", "//up": "which is no file in the repository",
		"//loop": "which is no file in the repository", "//m?ref=twin": "both a tag and a branch",
	} {
		if _, err := open(suffix); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", suffix, err, want)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
