package docker

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("SCHEMAGATE_TEST_ENGINE") == "" {
		fmt.Println("not run: these tests need a Docker engine of their own: make e2e")
		return
	}
	os.Exit(m.Run())
}
