package consul_test

import (
	"flag"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/schemagate/schemagate/test/servers"
)

// shared is the Consul of those tests that disturb nobody.
var shared struct {
	sync.Mutex
	scope  *servers.Scope
	server *servers.ConsulServer
}

func sharedConsul() *servers.ConsulServer {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = servers.Consul(shared.scope)
	}
	return shared.server
}

type runner struct{ m *testing.M }

func (r runner) Run() int {
	// These tests wait for Consul's shortest TTL much more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	shared.scope = servers.NewScope("consul")
	defer shared.scope.Close()
	return r.m.Run()
}

func TestMain(m *testing.M) {
	for _, v := range os.Environ() { // of whoever runs the tests
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "CONSUL_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(servers.StopAfter(runner{m}))
}
