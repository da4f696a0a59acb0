package consul_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/test/servers"
)

// campaignError is what an attempt at the URL fails with.
func campaignError(t *testing.T, url string) error {
	t.Helper()
	e, err := consul.Open(url, consul.Options{Service: "app"})
	if err != nil {
		return err
	}
	t.Cleanup(e.Close)
	if _, err = e.Campaign(t.Context(), candidate("a"), election.Rival{}); err == nil {
		t.Fatal("it won")
	}
	return err
}

func mustMatch(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want an error of the kind %q", err, want)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestTLS(t *testing.T) {
	server := servers.Consul(t, servers.ConsulTLS())
	p := newPlace(t, server)
	plain := p.url()
	secure := strings.Replace(plain, "consul:", "consuls:", 1)
	c := server.Certificates()

	t.Run("UnknownAuthority", func(t *testing.T) {
		mustMatch(t, campaignError(t, secure), database.ErrConfig, "CONSUL_CACERT")
	})
	t.Setenv("CONSUL_CACERT", c.CA)
	t.Run("NoClientCertificate", func(t *testing.T) {
		err := campaignError(t, secure)
		for range 20 { // the server may hang up before its reason was read
			if !errors.Is(err, consul.ErrUnreachable) {
				break
			}
			err = campaignError(t, secure)
		}
		mustMatch(t, err, database.ErrConfig, "CONSUL_CLIENT_CERT")
	})
	t.Run("CertificateWithoutKey", func(t *testing.T) {
		t.Setenv("CONSUL_CLIENT_CERT", c.ClientCert)
		mustMatch(t, campaignError(t, secure), database.ErrConfig, "CONSUL_CLIENT_KEY")
	})
	t.Setenv("CONSUL_CLIENT_CERT", c.ClientCert)
	t.Setenv("CONSUL_CLIENT_KEY", c.ClientKey)
	t.Run("WrongName", func(t *testing.T) {
		t.Setenv("CONSUL_TLS_SERVER_NAME", "consul.example")
		mustMatch(t, campaignError(t, secure), database.ErrConfig, "CONSUL_TLS_SERVER_NAME")
	})
	t.Run("PlainURL", func(t *testing.T) {
		mustMatch(t, campaignError(t, plain), database.ErrConfig, "consuls://")
	})
	t.Run("VerifyIsNeitherTrueNorFalse", func(t *testing.T) {
		t.Setenv("CONSUL_HTTP_SSL_VERIFY", "never")
		mustMatch(t, campaignError(t, secure), database.ErrConfig, "CONSUL_HTTP_SSL_VERIFY")
	})
	t.Run("Elects", func(t *testing.T) {
		if err := mustWin(t, p.open(t, secure, consul.Options{}), candidate("a")).Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("ConnectionHangs", func(t *testing.T) { hang(t, p, secure) })
	t.Run("VariableAsksForTLS", func(t *testing.T) {
		t.Setenv("CONSUL_HTTP_SSL", "true")
		mustWin(t, p.open(t, plain, consul.Options{}), candidate("a"))
	})
}

func TestTLSWherePlainIsSpoken(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sharedConsul())
	mustMatch(t, campaignError(t, strings.Replace(p.url(), "consul:", "consuls:", 1)), database.ErrConfig, "consul://")
}

const management = "8d7f3f7c-6d0a-4a4e-9a59-5f6d6a1c0f11"

// token makes one with the rules.
func token(t *testing.T, client *api.Client, name, rules string) *api.ACLToken {
	t.Helper()
	policy, _, err := client.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAccess(t *testing.T) {
	server := servers.Consul(t, servers.ConsulToken(management))
	p := newPlace(t, server)
	keys := `key_prefix "` + p.prefix + `/" { policy = "write" }`
	const sessions = `session_prefix "" { policy = "write" }`
	onlyKeys := token(t, p.client, "only-keys", keys)
	both := token(t, p.client, "both", keys+" "+sessions)

	denied := func(secret string) func(*testing.T) {
		return func(t *testing.T) {
			t.Setenv("CONSUL_HTTP_TOKEN", secret)
			err := campaignError(t, p.url())
			mustMatch(t, err, database.ErrDenied, keys, sessions)
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("%q repeats the token", err)
			}
		}
	}
	t.Run("NoToken", denied(""))
	t.Run("UnknownToken", denied("00000000-aaaa-bbbb-cccc-dddddddddddd"))
	t.Run("NoSessions", denied(onlyKeys.SecretID))
	t.Run("Token", func(t *testing.T) {
		t.Setenv("CONSUL_HTTP_TOKEN", both.SecretID)
		if err := mustWin(t, p.open(t, p.url(), consul.Options{}), candidate("a")).Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("TokenFile", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		t.Setenv("CONSUL_HTTP_TOKEN_FILE", file)
		mustMatch(t, campaignError(t, p.url()), database.ErrConfig, "CONSUL_HTTP_TOKEN_FILE")
		write(t, file, "\n")
		mustMatch(t, campaignError(t, p.url()), database.ErrConfig, "CONSUL_HTTP_TOKEN_FILE", "empty")

		first := token(t, p.client, "rotated", keys+" "+sessions)
		write(t, file, first.SecretID+"\n")
		lead := mustWin(t, p.open(t, p.url(), consul.Options{}), candidate("a"))
		write(t, file, both.SecretID+"\n")
		if _, err := p.client.ACL().TokenDelete(first.AccessorID, nil); err != nil {
			t.Fatal(err)
		}
		rotated := time.Now()
		// Trust reaches nine seconds ahead: it was renewed by the new token.
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for lead.Deadline().Before(rotated.Add(9 * time.Second)) {
			select {
			case <-tick.C:
			case <-lead.Context().Done():
				t.Fatal("the lead ended when the token was rotated")
			}
		}
	})
}

// write replaces the file as whoever rotates tokens should: at once.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestWhatConsulCantDo(t *testing.T) {
	p := newPlace(t, sharedConsul())
	t.Run("Namespace", func(t *testing.T) { // not in the free edition
		t.Setenv("CONSUL_NAMESPACE", "team")
		mustMatch(t, campaignError(t, p.url()), database.ErrConfig, "amespace")
	})
	t.Run("Datacenter", func(t *testing.T) {
		t.Setenv("CONSUL_DATACENTER", "elsewhere")
		mustMatch(t, campaignError(t, p.url()), database.ErrConfig, "CONSUL_DATACENTER")
	})
	t.Run("OwnDatacenter", func(t *testing.T) {
		t.Setenv("CONSUL_DATACENTER", "dc1")
		mustWin(t, p.open(t, p.url(), consul.Options{}), candidate("a"))
	})
	t.Run("NotAConsul", func(t *testing.T) {
		// Something else that speaks HTTP, and says 404 to everything.
		web := plainWeb(t)
		mustMatch(t, campaignError(t, "consul://"+web), database.ErrConfig, "404")
	})
}
