package consul_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/test/servers"
)

func plainWeb(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestURL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, says string }{
		"password":    {"consul://user:hunter2@127.0.0.1:8500/x", "CONSUL_HTTP_TOKEN"},
		"user":        {"consul://hunter2@127.0.0.1:8500/x", "CONSUL_HTTP_TOKEN"},
		"query":       {"consul://127.0.0.1:8500/x?token=hunter2", "CONSUL_HTTP_TOKEN"},
		"fragment":    {"consul://127.0.0.1:8500/x#hunter2", "?"},
		"scheme":      {"http://127.0.0.1:8500/hunter2", "consuls://"},
		"no scheme":   {"127.0.0.1:8500", "consul://"},
		"no host":     {"consul:///hunter2", "host"},
		"only port":   {"consul://:8500/hunter2", "host"},
		"bad port":    {"consul://127.0.0.1:hunter2/x", "can't be read"},
		"empty part":  {"consul://127.0.0.1:8500/a//b", "prefix"},
		"bad escape":  {"consul://127.0.0.1:8500/%hunter2", "can't be read"},
		"empty":       {"", "consul://"},
		"unbracketed": {"consul://::1/x", "consul://HOST:PORT/PREFIX"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := consul.Open(c.url, consul.Options{Service: "app"})
			if !errors.Is(err, database.ErrConfig) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want a wrong configuration that says %q", err, c.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q repeats the URL", err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	server := sharedConsul()
	client := server.Client(t)
	unique := database.NewHolder()
	for name, c := range map[string]struct{ path, service, key string }{
		"as given":       {"/a/" + unique, "app", "a/" + unique + "/app/leader"},
		"slashes around": {"/b/" + unique + "/", "/app/", "b/" + unique + "/app/leader"},
		"no prefix":      {"", unique, "schemagate/" + unique + "/leader"},
		"only a slash":   {"/", "x" + unique, "schemagate/x" + unique + "/leader"},
		"background":     {"/c/" + unique, "app/background", "c/" + unique + "/app/background/leader"},
		"odd characters": {"/d%20e" + unique, "ä b?c#%", "d e" + unique + "/ä b?c#%/leader"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := consul.Open("consul://"+server.Addr()+c.path, consul.Options{Service: c.service})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(e.Close)
			mustWin(t, e, candidate("a"))
			if pair, _, err := client.KV().Get(c.key, nil); err != nil || pair == nil || pair.Session == "" {
				t.Errorf("%s is not held: %v, %v", c.key, pair, err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]consul.Options{
		"no service":   {},
		"too long TTL": {Service: "app", Timing: election.Timing{TTL: 25 * time.Hour, Interval: time.Second}},
	} {
		if _, err := consul.Open("consul://127.0.0.1:8500", opt); !errors.Is(err, database.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnreachable: what may be over by itself is told from what will not, and both errors of that kind match.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	unreachable := func(t *testing.T, url string, texts ...string) {
		t.Helper()
		err := campaignError(t, url)
		mustMatch(t, err, consul.ErrUnreachable, texts...)
		mustMatch(t, err, database.ErrUnreachable)
		if errors.Is(err, database.ErrConfig) || errors.Is(err, database.ErrDenied) {
			t.Errorf("%v can't be two things", err)
		}
		if strings.Contains(err.Error(), "/v1/") {
			t.Errorf("%q names an internal address", err)
		}
	}
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		line := servers.Proxy(t, sharedConsul().Addr())
		line.Refuse()
		unreachable(t, "consul://"+line.Addr(), line.Addr(), "refused")
	})
	t.Run("Hangs", func(t *testing.T) {
		t.Parallel()
		line := servers.Proxy(t, sharedConsul().Addr())
		line.Blackhole(servers.Both)
		unreachable(t, "consul://"+line.Addr(), "no answer within")
	})
	t.Run("UnknownHost", func(t *testing.T) {
		t.Parallel()
		unreachable(t, "consul://consul.invalid:8500", "consul.invalid")
	})
}

// TestAnswers holds what Consul was seen to answer where that is hard to bring about.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code int
		body string
		want error
		says string
	}{
		"too many connections":     {429, "", consul.ErrUnreachable, "http_max_conns_per_client"},
		"no leader":                {500, "No cluster leader", consul.ErrUnreachable, "No cluster leader"},
		"leader lost":              {500, "rpc error making call: stream closed", consul.ErrUnreachable, "stream closed"},
		"a proxy's gateway":        {503, "no healthy upstream", consul.ErrUnreachable, "503"},
		"denied by another server": {500, "rpc error making call: Permission denied", database.ErrDenied, "session_prefix"},
		"a proxy's password":       {401, "", database.ErrDenied, ""},
		"bad request":              {400, "Bad request: something", database.ErrConfig, "something"},
		"a long page":              {500, strings.Repeat("<p>", 1000) + "\nhunter2", consul.ErrUnreachable, "..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, c.body, c.code)
			}))
			t.Cleanup(web.Close)
			err := campaignError(t, "consul://"+web.Listener.Addr().String())
			mustMatch(t, err, c.want, c.says)
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q is not one short line", err)
			}
		})
	}
}
