package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// What a caller branches on.
var (
	// ErrUnreachable: no answer, or none that can be used yet. Try again.
	ErrUnreachable = errors.New("git server not reached")
	// ErrDenied: the server, or our check of it, refused. Trying again changes nothing.
	ErrDenied = errors.New("refused")
	// ErrNotFound: the repository, the ref or the folder in it is not there.
	ErrNotFound = errors.New("not found")
	// ErrLocation: the location can't be understood, or what it needs is not set.
	ErrLocation = errors.New("wrong location")
)

// location is a git URL, taken apart.
type location struct {
	scheme   string // ssh, https or file
	user     string
	password string
	host     string // with its port, where one was given
	port     string
	hostname string
	repo     string // absolute path
	sub      string // "." is all of it
	ref      string // "" is the remote's HEAD
}

// IsGit tells whether a location is a git URL; everything else is a folder.
func IsGit(raw string) bool {
	scheme, _, ok := strings.Cut(raw, "://")
	return ok && strings.HasPrefix(strings.ToLower(scheme), "git")
}

// Password is the password that a location holds, or "".
func Password(raw string) string {
	if !IsGit(raw) {
		return ""
	}
	if u, err := url.Parse(raw); err == nil {
		p, _ := u.User.Password()
		return p
	}
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		_, p, _ := strings.Cut(rest[:i], ":")
		return p
	}
	return ""
}

// Redacted is the location without its password.
func Redacted(raw string) string {
	if !IsGit(raw) {
		return raw
	}
	if u, err := url.Parse(raw); err == nil {
		if _, ok := u.User.Password(); ok {
			u.User = url.User(u.User.Username())
		}
		return u.String()
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	return scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
}

const shape = "git+ssh://USER@HOST[:PORT]/PATH/REPO.git//SUB/PATH?ref=TAG|BRANCH|COMMIT (or git+https://, git+file://)"

func parse(raw string) (location, error) {
	bad := func(format string, args ...any) (location, error) {
		return location{}, fmt.Errorf("%w: %s; write %s", ErrLocation, fmt.Sprintf(format, args...), shape)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("it is not a URL") // the parser's error would quote it, password and all
	}
	l := location{host: u.Host, hostname: u.Hostname(), port: u.Port(), user: u.User.Username()}
	l.password, _ = u.User.Password()
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "git+ssh", "git+https", "git+file":
		l.scheme = strings.TrimPrefix(scheme, "git+")
	case "git+http", "git":
		return bad("%s:// is neither encrypted nor signed, so that anybody on the way could change what is run on the database", scheme)
	default:
		return bad("%s:// is unknown", scheme)
	}
	switch {
	case l.scheme == "file" && l.host != "":
		return bad("git+file:// takes no host: three slashes before the path")
	case l.scheme != "file" && l.hostname == "":
		return bad("it names no host")
	case l.scheme == "ssh" && l.password != "":
		return bad("git+ssh:// takes a key and no password")
	}
	p := u.Path
	l.sub = "."
	if i := strings.Index(strings.TrimPrefix(p, "/"), "//"); i >= 0 {
		i += len(p) - len(strings.TrimPrefix(p, "/"))
		l.sub = path.Clean(strings.Trim(p[i:], "/"))
		p = p[:i]
	}
	if !utf8.ValidString(u.Path) {
		return bad("its path is not in UTF-8")
	}
	if !fs.ValidPath(l.sub) {
		return bad("the folder %q leaves the repository", l.sub)
	}
	if l.repo = strings.TrimRight(p, "/"); l.repo == "" || strings.HasPrefix(l.repo, "//") {
		return bad("it names no repository")
	}
	if l.scheme == "ssh" && strings.HasPrefix(l.repo, "/~") {
		l.repo = l.repo[1:] // git's way to name a home
	}
	for k, v := range u.Query() {
		if k != "ref" || len(v) != 1 {
			return bad("?%s is unknown, or given twice", k)
		}
		l.ref = v[0]
	}
	if strings.HasPrefix(l.ref, "-") || strings.ContainsAny(l.ref, " \t\n\x00~^:?*[\\") {
		return bad("?ref=%q is no name of a tag, a branch or a commit", l.ref)
	}
	return l, nil
}

// String names the repository in errors.
func (l location) String() string { return "git+" + l.scheme + "://" + l.host + l.slashed() }

func (l location) slashed() string { return "/" + strings.TrimPrefix(l.repo, "/") }
