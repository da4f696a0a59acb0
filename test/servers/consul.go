package servers

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/hashicorp/consul/api"
)

// ConsulServer is one Consul agent in server mode.
type ConsulServer struct {
	*server
	bin     string
	durable bool
	hcl     string
	token   string
	certs   *Certificates
	join    []string // the addresses of a cluster's servers; nil for a single one
}

// ConsulOption changes how a Consul server starts.
type ConsulOption func(*ConsulServer)

// ConsulDurable keeps the data over Restart and Kill. It starts a second later than the default, which keeps everything in
// memory: there, each restart is a wiped Consul.
func ConsulDurable() ConsulOption { return func(c *ConsulServer) { c.durable = true } }

// ConsulConfig adds configuration in HCL.
func ConsulConfig(hcl string) ConsulOption { return func(c *ConsulServer) { c.hcl += " " + hcl } }

// ConsulToken turns access control on: nothing is allowed without a token, and this one (a UUID) may do everything.
func ConsulToken(token string) ConsulOption {
	return func(c *ConsulServer) {
		c.token = token
		c.hcl += ` acl { enabled = true default_policy = "deny" tokens { initial_management = "` + token + `" } }`
	}
}

// ConsulTLS serves HTTPS only, and asks clients for a certificate; see Certificates.
func ConsulTLS() ConsulOption {
	return func(c *ConsulServer) { c.certs = new(Certificates) }
}

// Consul starts a single server on 127.0.0.1.
func Consul(tb TB, opts ...ConsulOption) *ConsulServer {
	tb.Helper()
	c := newConsul(tb, "consul", opts...)
	c.probe = c.ready
	c.open(3)
	return c
}

func newConsul(tb TB, name string, opts ...ConsulOption) *ConsulServer {
	tb.Helper()
	c := &ConsulServer{}
	for _, o := range opts {
		o(c)
	}
	var err error
	if c.bin, err = binary("consul"); err != nil {
		tb.Fatalf("consul: %v", err)
	}
	c.server = newServer(tb, name, "", syscall.SIGKILL)
	c.command = c.launch
	if c.certs != nil {
		if c.certs, err = newCertificates(c.dir); err != nil {
			tb.Fatalf("consul: %v", err)
		}
	}
	return c
}

// Every agent has these: quick elections, nothing that calls home, and room for many watchers from one address.
const consulBase = `
performance { raft_multiplier = 1 }
disable_update_check = true
connect { enabled = false }
ui_config { enabled = false }
limits { http_max_conns_per_client = 10000 }
autopilot { cleanup_dead_servers = false server_stabilization_time = "1s" }
`

func (c *ConsulServer) launch() (launch, error) {
	httpPort := c.ports[0].String()
	args := []string{
		"agent", "-bind=" + c.host, "-client=" + c.host, "-node=" + c.name,
		"-server-port=" + c.ports[1].String(), "-serf-lan-port=" + c.ports[2].String(),
		"-serf-wan-port=-1", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
		"-log-level=warn", "-disable-host-node-id",
	}
	switch {
	case c.join != nil:
		args = append(args, "-server", "-data-dir="+c.data(), "-bootstrap-expect="+strconv.Itoa(len(c.join)))
		for _, addr := range c.join {
			args = append(args, "-retry-join="+addr)
		}
	case c.durable:
		args = append(args, "-server", "-data-dir="+c.data(), "-bootstrap-expect=1")
	default:
		args = append(args, "-dev")
	}
	hcl := consulBase + c.hcl
	if c.certs != nil {
		args = append(args, "-http-port=-1", "-https-port="+httpPort)
		hcl += ` tls { https { verify_incoming = true ca_file = "` + c.certs.CA + `" cert_file = "` + c.certs.ServerCert +
			`" key_file = "` + c.certs.ServerKey + `" } }`
	} else {
		args = append(args, "-http-port="+httpPort)
	}
	return launch{path: c.bin, args: append(args, "-hcl", hcl)}, nil
}

func (c *ConsulServer) data() string { return filepath.Join(c.dir, "data") }

// URL is the address of its HTTP interface.
func (c *ConsulServer) URL() string {
	if c.certs != nil {
		return "https://" + c.Addr()
	}
	return "http://" + c.Addr()
}

// Certificates are the files for talking to a server with ConsulTLS, nil without.
func (c *ConsulServer) Certificates() *Certificates { return c.certs }

// Client returns a client with the server's token and certificates. Its connections end with the test.
func (c *ConsulServer) Client(tb TB) *api.Client {
	tb.Helper()
	transport, err := c.transport()
	if err != nil {
		tb.Fatalf("consul: %v", err)
	}
	client, err := c.client(transport)
	if err != nil {
		tb.Fatalf("consul: %v", err)
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return client
}

func (c *ConsulServer) transport() (*http.Transport, error) {
	t := &http.Transport{}
	if c.certs != nil {
		config, err := c.certs.clientConfig()
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = config
	}
	return t, nil
}

func (c *ConsulServer) client(t *http.Transport) (*api.Client, error) {
	scheme := "http"
	if c.certs != nil {
		scheme = "https"
	}
	return api.NewClient(&api.Config{Address: c.Addr(), Scheme: scheme, Token: c.token, Transport: t})
}

// ask calls f with a client whose connections end at once.
func (c *ConsulServer) ask(f func(*api.Client) error) error {
	t, err := c.transport()
	if err != nil {
		return err
	}
	t.DisableKeepAlives = true
	client, err := c.client(t)
	if err != nil {
		return err
	}
	return f(client)
}

// ready needs a leader: a consistent read goes through it.
func (c *ConsulServer) ready(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		_, _, err := client.KV().Get("ready", (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
		return err
	})
}

// Wipe kills the server, deletes its data and starts it again: keys, sessions and indexes begin anew.
func (c *ConsulServer) Wipe() {
	c.tb.Helper()
	c.must("wipe", func() error {
		return errors.Join(c.kill(), os.RemoveAll(c.data()), c.start())
	})
}
