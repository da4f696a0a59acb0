package kubernetes

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("SCHEMAGATE_TEST_NODE") == "" {
		fmt.Println("not run: these tests need a Kubernetes node of their own: make e2e-kube")
		return
	}
	os.Exit(m.Run())
}
