//go:build !no_git

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/schemagate/schemagate/internal/trust"
)

// errSlow is the cause of a context that ended an attempt.
var errSlow = errors.New("no answer in time")

// open fetches the commit and returns the folder in it.
func (l location) open(ctx context.Context, o Options) (fs.FS, Info, error) {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errSlow)
	defer cancel()
	commit, err := l.commit(ctx, o)
	if err != nil {
		return nil, Info{}, fmt.Errorf("%s: %w", l, err)
	}
	files, err := checkout(commit, l.sub)
	if err != nil {
		return nil, Info{}, fmt.Errorf("%s at %s: %w", l, commit.Hash, err)
	}
	return files, Info{Commit: commit.Hash.String()}, nil
}

// remote is a server's upload-pack, over either transport. Each call of open is a session of its own: git ends one after a pack.
type remote struct {
	open func(context.Context) (transport.UploadPackSession, error)
	// sort says what an error of this transport means.
	sort func(error) error
}

func (l location) commit(ctx context.Context, o Options) (*object.Commit, error) {
	if l.scheme == "file" {
		return l.local()
	}
	r := l.https(o)
	if l.scheme == "ssh" {
		var err error
		if r, err = l.ssh(o); err != nil {
			return nil, err
		}
	} else {
		defer r.idle()
	}
	c, err := fetch(ctx, r.remote, l.ref)
	if err != nil && ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, errSlow) {
			return nil, cause
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, errSlow)
	}
	return c, err
}

// local reads a repository on this machine as it lies there.
func (l location) local() (*object.Commit, error) {
	repo, err := git.PlainOpenWithOptions(l.repo, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	switch {
	case errors.Is(err, git.ErrRepositoryNotExists):
		return nil, fmt.Errorf("%w: there is no git repository in this folder", ErrNotFound)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w", ErrDenied, err)
	case err != nil:
		return nil, err
	}
	refs := map[string]plumbing.Hash{}
	all, err := repo.References()
	if err != nil {
		return nil, err
	}
	err = all.ForEach(func(r *plumbing.Reference) error {
		if h, err := repo.Reference(r.Name(), true); err == nil { // a symbolic one may point nowhere yet
			refs[r.Name().String()] = h.Hash()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h, _, err := wanted(l.ref, refs)
	if err != nil {
		return nil, err
	}
	return peel(repo.Storer, h)
}

// fetch gets one commit without its history.
func fetch(ctx context.Context, r remote, ref string) (*object.Commit, error) {
	s, err := r.open(ctx)
	if err != nil {
		return nil, r.sort(err)
	}
	defer func() { _ = s.Close() }() // what broke has been told by then
	ar, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil, fmt.Errorf("%w: the repository is empty", ErrNotFound)
	}
	if err != nil {
		return nil, r.sort(err)
	}
	refs := ar.References
	if ar.Head != nil {
		refs["HEAD"] = *ar.Head
	}
	h, bare, err := wanted(ref, refs)
	if err != nil {
		return nil, err
	}
	// A server that does not serve bare hashes is asked for everything; the commit is within it, or gone.
	deep := bare && !ar.Capabilities.Supports("allow-reachable-sha1-in-want") && !ar.Capabilities.Supports("allow-any-sha1-in-want")
	req := packp.NewUploadPackRequestFromCapabilities(ar.Capabilities)
	if deep {
		seen := map[plumbing.Hash]bool{}
		for _, h := range refs {
			if !seen[h] {
				seen[h] = true
				req.Wants = append(req.Wants, h)
			}
		}
	} else {
		req.Wants = []plumbing.Hash{h}
		if ar.Capabilities.Supports(capability.Shallow) {
			req.Depth = packp.DepthCommits(1)
			if err := req.Capabilities.Set(capability.Shallow); err != nil {
				return nil, err
			}
		}
	}
	if ar.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	store := memory.NewStorage()
	if err := unpack(ctx, s, req, store); err != nil {
		if bare && strings.Contains(err.Error(), "not our ref") {
			return nil, gone(ref)
		}
		return nil, r.sort(err)
	}
	c, err := peel(store, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, gone(ref)
	}
	return c, err
}

func gone(ref string) error {
	return fmt.Errorf("%w: commit %s: no branch and no tag of the repository holds it (any more)", ErrNotFound, ref)
}

func unpack(ctx context.Context, s transport.UploadPackSession, req *packp.UploadPackRequest, store storer.Storer) error {
	res, err := s.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }() // read to its end, or broken and told
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return packfile.UpdateObjectStorage(store, sideband.NewDemuxer(sideband.Sideband64k, res))
	case req.Capabilities.Supports(capability.Sideband):
		return packfile.UpdateObjectStorage(store, sideband.NewDemuxer(sideband.Sideband, res))
	}
	return packfile.UpdateObjectStorage(store, res)
}

// peel goes from a tag to what it names.
func peel(s storer.EncodedObjectStorer, h plumbing.Hash) (*object.Commit, error) {
	for {
		tag, err := object.GetTag(s, h)
		if err != nil {
			break
		}
		h = tag.Target
	}
	c, err := object.GetCommit(s, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		if _, terr := s.EncodedObject(plumbing.AnyObject, h); terr == nil {
			return nil, fmt.Errorf("%w: %s is no commit", ErrNotFound, h)
		}
		return nil, fmt.Errorf("%w: commit %s: %w", ErrNotFound, h, err)
	}
	return c, err
}

// route is a remote with the connections that it keeps.
type route struct {
	remote
	idle func()
}

// https speaks git's smart protocol. Go's own roots count, and SSL_CERT_FILE.
func (l location) https(o Options) route {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	tr.ResponseHeaderTimeout = time.Minute
	client := githttp.NewClient(&http.Client{Transport: tr})
	user, password := l.user, l.password
	if o.Token != "" {
		password = o.Token
	}
	if user == "" {
		user = "x-access-token" // what a server calls the owner of a token; most take any name
	}
	var auth transport.AuthMethod
	if password != "" {
		auth = &githttp.BasicAuth{Username: user, Password: password}
	}
	return route{idle: tr.CloseIdleConnections, remote: remote{
		open: func(context.Context) (transport.UploadPackSession, error) {
			ep, err := transport.NewEndpoint("https://" + l.host + l.repo)
			if err != nil {
				return nil, fmt.Errorf("%w: %s is no host", ErrLocation, l.host)
			}
			return client.NewUploadPackSession(ep, auth)
		},
		sort: func(err error) error { return sortHTTP(err, auth != nil) },
	}}
}

func sortHTTP(err error, tokenGiven bool) error {
	var wrapped *plumbing.UnexpectedError // it does not unwrap
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var answer *githttp.Err
	var network net.Error
	remedy := trust.Remedy(err, "SSL_CERT_FILE", "")
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired) && !tokenGiven:
		return fmt.Errorf("%w: the server asks for a token, or there is no such repository: set SCHEMAGATE_GIT_TOKEN or SCHEMAGATE_GIT_TOKEN_FILE", ErrDenied)
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return fmt.Errorf("%w: the server does not accept the token of SCHEMAGATE_GIT_TOKEN: is it still valid, and does it read this repository?", ErrDenied)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("%w: the token may not read this repository", ErrDenied)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%w: the server knows no such repository, or hides it from this token", ErrNotFound)
	case errors.As(err, &answer):
		if code := answer.StatusCode(); code >= 500 || code == http.StatusTooManyRequests {
			return fmt.Errorf("%w: it answers %s", ErrUnreachable, answer.Response.Status)
		}
		return fmt.Errorf("%w: the server answers %s", ErrDenied, answer.Response.Status)
	case strings.Contains(err.Error(), "http redirect:"):
		return fmt.Errorf("%w: the server redirects to where a token must not follow: use the repository's own URL", ErrDenied)
	case remedy != "":
		return fmt.Errorf("%w: %w; %s", ErrDenied, bottom(err), remedy)
	case errors.As(err, &network), errors.Is(err, os.ErrDeadlineExceeded), dropped(err):
		return fmt.Errorf("%w: %w", ErrUnreachable, bottom(err))
	}
	return err
}
