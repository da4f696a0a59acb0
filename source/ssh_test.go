//go:build !no_git

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// hungUp is the way to a server that has hung up.
type hungUp struct{}

func (hungUp) Write([]byte) (int, error) { return 0, io.EOF }
func (hungUp) Close() error              { return io.EOF }

// answered is a session whose server has advertised, answered and hung up before it was told anything.
type answered struct{ *session }

func (answered) Close() error { return nil }

// A server that refuses what is asked for may have hung up before it was asked to the end: the program says what it answered.
// Without an answer it was a connection that broke, which is worth another try.
func TestARefusalIsHeardWhenTheServerHangsUp(t *testing.T) {
	want := strings.Repeat("ab", 20)
	refusal := "ERR upload-pack: not our ref " + want
	for answer, sentinel := range map[string]error{fmt.Sprintf("%04x%s", len(refusal)+4, refusal): ErrNotFound, "": ErrUnreachable} {
		head := plumbing.NewHash(strings.Repeat("cd", 20))
		refs := packp.NewAdvRefs()
		refs.Head = &head
		if err := refs.Capabilities.Set("allow-any-sha1-in-want"); err != nil {
			t.Fatal(err)
		}
		var advertised strings.Builder
		if err := refs.Encode(&advertised); err != nil {
			t.Fatal(err)
		}
		d := &dialer{addr: "h:22", session: &session{in: hungUp{}, out: strings.NewReader(advertised.String() + answer)}}
		_, err := fetch(t.Context(), remote{sort: d.sort, open: func(context.Context) (transport.UploadPackSession, error) { return answered{d.session}, nil }}, want)
		if !errors.Is(err, sentinel) {
			t.Errorf("answered %q: %v; want %v", answer, err, sentinel)
		}
	}
}
