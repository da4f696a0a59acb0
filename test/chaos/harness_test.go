package chaos

import (
	"testing"
	"time"

	"github.com/schemagate/schemagate/test/harness"
)

// ttl is the lease's, short, because every stopped leader is waited out.
const ttl = 2 * time.Second

// stage is a service whose database the tests know how to ask.
type stage struct{ *harness.Stage }

// newStage sets a service up. What a test leaves running may be stopped, or hang at a point: it is killed.
func newStage(t *testing.T, url string, f harness.Files, env ...string) *stage {
	t.Helper()
	s := harness.New(t, url, f).With(append([]string{"SCHEMAGATE_LEASE_TTL=" + ttl.String()}, env...)...)
	s.Abrupt = true
	return &stage{s}
}

func (s *stage) with(env ...string) *stage { return &stage{s.With(env...)} }

func (s *stage) at(url string) *stage { return &stage{s.At(url)} }
