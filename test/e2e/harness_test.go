package e2e

import (
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// stage is a service whose database the tests know how to ask.
type stage struct{ *harness.Stage }

// newStage sets a service up on the shared server.
func newStage(t *testing.T, f harness.Files) *stage {
	t.Helper()
	return stageOn(t, servers.SharedPostgres(t).NewDatabase(t), f)
}

func stageOn(t *testing.T, url string, f harness.Files) *stage {
	t.Helper()
	return &stage{harness.New(t, url, f)}
}

func (s *stage) with(env ...string) *stage { return &stage{s.With(env...)} }

func (s *stage) at(url string) *stage { return &stage{s.At(url)} }

func (s *stage) folder(f harness.Files) *stage { s.T.Helper(); return &stage{s.Folder(f)} }
