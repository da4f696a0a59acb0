package e2e

import (
	"testing"

	"github.com/schemagate/schemagate/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 3) }
