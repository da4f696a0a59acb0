package servers

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func put(t *testing.T, client *api.Client, key, value string) {
	t.Helper()
	if _, err := client.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
		t.Fatal(err)
	}
}

// get returns "" for a key that does not exist.
func get(t *testing.T, client *api.Client, key string) string {
	t.Helper()
	pair, _, err := client.KV().Get(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if pair == nil {
		return ""
	}
	return string(pair.Value)
}

func TestConsulDiesAndReturns(t *testing.T) {
	t.Parallel()
	const token = "5f0c1d6e-1a4b-4bb3-8a54-0d6a1cf9a111"
	cases := []struct {
		name string
		opts []ConsulOption
		want string // what a restart leaves of the key
	}{
		{"in memory", nil, ""},
		{"durable", []ConsulOption{ConsulDurable()}, "v"},
		{"tls with token", []ConsulOption{ConsulTLS(), ConsulToken(token)}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			consul := Consul(t, c.opts...)
			client := consul.Client(t)
			put(t, client, "k", "v")
			consul.Kill()
			assertGone(t, consul.dir)
			if _, _, err := client.KV().Get("k", nil); err == nil {
				t.Fatal("a killed server answers")
			}
			consul.Restart()
			if got := get(t, client, "k"); got != c.want {
				t.Errorf("after a restart the key holds %q, want %q", got, c.want)
			}
			put(t, client, "k", "again")
			consul.Wipe()
			if got := get(t, client, "k"); got != "" {
				t.Errorf("after Wipe the key holds %q", got)
			}
			consul.Pause()
			consul.Resume()
			put(t, client, "k", "v")
			consul.Stop()
			assertGone(t, consul.dir)
		})
	}
}

func TestConsulRefusesStrangers(t *testing.T) {
	t.Parallel()
	consul := Consul(t, ConsulTLS(), ConsulToken("5f0c1d6e-1a4b-4bb3-8a54-0d6a1cf9a112"))
	certs := consul.Certificates()
	config := func() *api.Config {
		return &api.Config{
			Address:   consul.URL(),
			TLSConfig: api.TLSConfig{CAFile: certs.CA, CertFile: certs.ClientCert, KeyFile: certs.ClientKey},
		}
	}
	cases := map[string]func(*api.Config){
		"no client certificate": func(c *api.Config) {
			c.TLSConfig.CertFile, c.TLSConfig.KeyFile = "", ""
			c.Token = consul.token
		},
		"no authority": func(c *api.Config) { c.TLSConfig.CAFile, c.Token = "", consul.token },
		"no token":     func(*api.Config) {},
	}
	for name, spoil := range cases {
		c := config()
		spoil(c)
		if err := putOnce(t, c); err == nil {
			t.Errorf("%s: the write was allowed", name)
		}
	}
	good := config()
	good.Token = consul.token
	if err := putOnce(t, good); err != nil {
		t.Error(err)
	}
}

func putOnce(t *testing.T, c *api.Config) error {
	t.Helper()
	client, err := api.NewClient(c)
	if err != nil {
		return err
	}
	defer c.HttpClient.CloseIdleConnections()
	_, err = client.KV().Put(&api.KVPair{Key: "k"}, nil)
	return err
}

func TestConsulClusterElectsAnotherLeaderAndKeepsItsData(t *testing.T) {
	t.Parallel()
	cluster := ConsulCluster(t, 3)
	first := cluster.AwaitLeader(t)
	put(t, first.Client(t), "k", "v")
	first.Kill()
	second := cluster.AwaitLeader(t)
	if second == first {
		t.Fatal("the killed node still leads")
	}
	if got := get(t, second.Client(t), "k"); got != "v" {
		t.Errorf("after the failover the key holds %q", got)
	}
	first.Restart()
	if got := get(t, first.Client(t), "k"); got != "v" {
		t.Errorf("the node that returned reads %q", got)
	}
	// Two of three down: no quorum. One of them back: it must go on.
	second.Kill()
	for _, n := range cluster.Nodes {
		if n != first && n != second {
			n.Kill()
		}
	}
	if cluster.leader() != nil {
		t.Error("a single node of three leads")
	}
	second.Restart()
	put(t, cluster.AwaitLeader(t).Client(t), "k", "w")
}
