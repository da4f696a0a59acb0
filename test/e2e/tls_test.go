package e2e

import (
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/secret/secrettest"
	"github.com/schemagate/schemagate/source/sourcetest"
	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// tlsPassword is in every URL and every secret of the table, and in nothing that is said.
const tlsPassword = "hunter2hunter2"

// tlsCase is one way to a server: `up` through it has to end with the code, and to say the texts.
type tlsCase struct {
	name string
	url  string // "" for the one of the stage
	env  []string
	code int
	says []string
}

func (c tlsCase) run(t *testing.T, s *stage) {
	t.Run(c.name, func(t *testing.T) {
		// What is not told at once would run into this, and into 69.
		s := &stage{s.With(append([]string{"SCHEMAGATE_TIMEOUT=60s"}, c.env...)...)}
		s.T = t
		if c.url != "" {
			s = s.at(c.url)
		}
		r := s.Expect(c.code, "up")
		r.Says(c.says...)
		leaks(t, "what it says", r.String(), tlsPassword)
	})
}

// elsewhere leads to the same server by a name that is not in its certificate.
func elsewhere(rawURL string) string { return strings.Replace(rawURL, "127.0.0.1", "0.0.0.0", 1) }

// parameters adds parameters to a URL.
func parameters(rawURL string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return rawURL + "?" + q.Encode()
}

func TestTLSPostgreSQL(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.PostgresTLS())
	name := strings.TrimSuffix(pg.NewDatabase(t), "?sslmode=disable")
	name = name[strings.LastIndex(name, "/")+1:]
	pg.Exec(t, "create role app login superuser password '"+tlsPassword+"'; create role client login superuser")
	c := pg.Certificates()
	other := servers.Front(t, pg.Addr(), false).Certificates.CA // another authority
	app := "postgres://app:" + tlsPassword + "@" + pg.Addr() + "/" + name
	client := "postgres://client@" + pg.Addr() + "/" + name
	plain := servers.SharedPostgres(t)
	none := strings.Replace(strings.TrimSuffix(plain.NewDatabase(t), "?sslmode=disable"), "postgres@", "postgres:"+tlsPassword+"@", 1)
	s := stageOn(t, "", numbered(1))
	for _, x := range []tlsCase{
		{"verify-full", parameters(app, "sslmode", "verify-full", "sslrootcert", c.CA), nil, 0, nil},
		{"verify-ca", elsewhere(parameters(app, "sslmode", "verify-ca", "sslrootcert", c.CA)), nil, 0, nil},
		{"require", parameters(app, "sslmode", "require"), nil, 0, nil},
		{"prefer, as by default", app, nil, 0, nil},
		{"disable", parameters(app, "sslmode", "disable"), nil, 78, []string{"no encryption", "[28000]"}},
		{"authority unknown", parameters(app, "sslmode", "verify-full"), nil, 78, []string{"unknown authority", "sslrootcert"}},
		{"another authority", parameters(app, "sslmode", "verify-full", "sslrootcert", other), nil, 78, []string{"sslrootcert"}},
		{"another authority, verify-ca", parameters(app, "sslmode", "verify-ca", "sslrootcert", other), nil, 78, []string{"sslrootcert"}},
		{"no such authority", parameters(app, "sslmode", "verify-full", "sslrootcert", "/nonexistent"), nil, 78, []string{"/nonexistent"}},
		{"another name", elsewhere(parameters(app, "sslmode", "verify-full", "sslrootcert", c.CA)), nil, 78, []string{"a name that the server's certificate holds"}},
		{"client certificate", parameters(client, "sslmode", "verify-full", "sslrootcert", c.CA, "sslcert", c.ClientCert, "sslkey", c.ClientKey), nil, 0, nil},
		{"no client certificate", parameters(client, "sslmode", "verify-full", "sslrootcert", c.CA), nil, 78, []string{"valid client certificate", "[28000]"}},
		{"server without TLS", parameters(none, "sslmode", "require"), nil, 78, []string{"server refused TLS", "sslmode"}},
	} {
		x.run(t, s)
	}
}

func TestTLSMariaDB(t *testing.T) {
	t.Parallel()
	m := servers.MariaDB(t, servers.MariaTLS())
	m.NewDatabase(t)
	m.Exec(t, "", "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+tlsPassword+"' REQUIRE SSL; GRANT ALL ON *.* TO app@'%';"+
		"CREATE USER certified@'%' IDENTIFIED BY '"+tlsPassword+"' REQUIRE SUBJECT '/CN=client'; GRANT ALL ON *.* TO certified@'%'")
	c := m.Certificates()
	app := "mysql://app:" + tlsPassword + "@" + m.Addr() + "/shop"
	certified := strings.Replace(app, "app:", "certified:", 1)
	plain := servers.MariaDB(t)
	plain.NewDatabase(t)
	plain.Exec(t, "", "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+tlsPassword+"'; GRANT ALL ON *.* TO app@'%'")
	s := stageOn(t, "", numbered(1))
	for _, x := range []tlsCase{
		{"VERIFY_IDENTITY", parameters(app, "ssl-mode", "VERIFY_IDENTITY", "ssl-ca", c.CA), nil, 0, nil},
		{"VERIFY_CA", parameters(app, "ssl-mode", "VERIFY_CA", "ssl-ca", c.CA), nil, 0, nil},
		{"an authority alone", parameters(app, "ssl-ca", c.CA), nil, 0, nil},
		{"REQUIRED", elsewhere(parameters(app, "ssl-mode", "REQUIRED")), nil, 0, nil},
		{"skip-verify", parameters(app, "tls", "skip-verify"), nil, 0, nil},
		{"preferred", parameters(app, "tls", "preferred"), nil, 0, nil},
		{"none", app, nil, 78, []string{"[1045]"}},
		{"false", parameters(app, "tls", "false"), nil, 78, []string{"[1045]"}},
		{"authority unknown", parameters(app, "tls", "true"), nil, 78, []string{"unknown authority", "ssl-ca"}},
		{"another authority", parameters(app, "ssl-ca", c.ClientCert), nil, 78, []string{"ssl-ca"}},
		{"no such authority", parameters(app, "ssl-ca", "/nonexistent"), nil, 78, []string{"/nonexistent"}},
		{"another name", elsewhere(parameters(app, "ssl-mode", "VERIFY_IDENTITY", "ssl-ca", c.CA)), nil, 78, []string{"a name that the server's certificate holds"}},
		{"client certificate", parameters(certified, "ssl-ca", c.CA, "ssl-cert", c.ClientCert, "ssl-key", c.ClientKey), nil, 0, nil},
		{"another client certificate", parameters(certified, "ssl-ca", c.CA, "ssl-cert", c.ServerCert, "ssl-key", c.ServerKey), nil, 78, []string{"[1045]"}},
		{"no client certificate", parameters(certified, "ssl-ca", c.CA), nil, 78, []string{"[1045]"}},
		{"server without TLS", parameters(strings.Replace(app, m.Addr(), plain.Addr(), 1), "ssl-mode", "REQUIRED"), nil, 78, []string{"TLS"}},
	} {
		x.run(t, s)
	}
}

// FerretDB stands behind a front that speaks TLS: to the driver it is a MongoDB with TLS.
func TestTLSMongoDB(t *testing.T) {
	t.Parallel()
	ferret := servers.FerretDB(t, "sqlite")
	open, closed := servers.Front(t, ferret.Addr(), false), servers.Front(t, ferret.Addr(), true)
	database := ferret.NewDatabase()
	way := func(f *servers.TLSFront, pairs ...string) string {
		return parameters(f.Through(database, ferret.Addr()), append([]string{"tls", "true"}, pairs...)...)
	}
	c := closed.Certificates
	both := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(both, []byte(contentsOf(t, c.ClientCert)+contentsOf(t, c.ClientKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := stageOn(t, "", harness.Files{"20240101000000-seed.js": seedScript})
	for _, x := range []tlsCase{
		{"an authority of its own", way(open, "tlsCAFile", open.Certificates.CA), nil, 0, nil},
		{"not verified", way(open, "tlsInsecure", "true"), nil, 0, nil},
		{"authority unknown", way(open), nil, 78, []string{"unknown authority", "tlsCAFile"}},
		{"another authority", way(open, "tlsCAFile", c.CA), nil, 78, []string{"tlsCAFile"}},
		{"another name", elsewhere(way(open, "tlsCAFile", open.Certificates.CA)), nil, 78, []string{"a name that the server's certificate holds"}},
		{"client certificate", way(closed, "tlsCAFile", c.CA, "tlsCertificateKeyFile", both), nil, 0, nil},
		{"no client certificate", way(closed, "tlsCAFile", c.CA), nil, 78, []string{"tlsCertificateKeyFile"}},
		{"server without TLS", parameters(database, "tls", "true", "serverSelectionTimeoutMS", "500"), []string{"SCHEMAGATE_TIMEOUT=7s"}, 69, nil},
	} {
		x.run(t, s)
	}
}

func TestTLSConsul(t *testing.T) {
	t.Parallel()
	consul := servers.Consul(t, servers.ConsulTLS())
	c := consul.Certificates()
	ca, client := "CONSUL_CACERT="+c.CA, []string{"CONSUL_CLIENT_CERT=" + c.ClientCert, "CONSUL_CLIENT_KEY=" + c.ClientKey}
	at := func(host string) string { return "SCHEMAGATE_ELECTION=consuls://" + host + "/app" }
	s := newStage(t, numbered(1))
	for _, x := range []tlsCase{
		{"authority unknown", "", append(client, at(consul.Addr())), 78, []string{"unknown authority", "CONSUL_CACERT"}},
		{"another authority", "", append(client, at(consul.Addr()), "CONSUL_CACERT="+c.ClientCert), 78, []string{"CONSUL_CACERT"}},
		{"another name", "", append(client, at(elsewhere(consul.Addr())), ca), 78, []string{"CONSUL_TLS_SERVER_NAME"}},
		{"plain", "", []string{"SCHEMAGATE_ELECTION=consul://" + consul.Addr() + "/app"}, 78, []string{"consuls://"}},
		{"no client certificate", "", []string{at(consul.Addr()), ca}, 78, []string{"CONSUL_CLIENT_CERT"}},
		{"client certificate", "", append(client, at(consul.Addr()), ca), 0, nil},
	} {
		x.run(t, s)
	}
}

func TestTLSSecrets(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.Password(tlsPassword))
	target := pg.NewDatabase(t)
	vault, aws := secrettest.NewVault(t), secrettest.NewAWS(t)
	vault.Put("secret/data/app/db", map[string]any{"url": target})
	aws.Put(secretName, target)
	s := stageOn(t, "", numbered(1))
	inVault, inAWS := strings.TrimPrefix(vault.URL, "http://"), strings.TrimPrefix(aws.URL, "http://")
	open, closed, amazon := servers.Front(t, inVault, false), servers.Front(t, inVault, true), servers.Front(t, inAWS, false)
	fromVault := func(addr string, env ...string) []string {
		return append(env, "VAULT_ADDR=https://"+addr, "VAULT_TOKEN="+secrettest.Token, "VAULT_MAX_RETRIES=0", "SCHEMAGATE_DATABASE_SECRET=vault://secret/app/db#url")
	}
	fromAWS := func(addr string, env ...string) []string {
		return append(append(aws.Env(), "AWS_ENDPOINT_URL=https://"+addr, "SCHEMAGATE_DATABASE_SECRET=aws-secretsmanager://"+secretName), env...)
	}
	c := closed.Certificates
	for _, x := range []tlsCase{
		{"Vault", "", fromVault(open.Addr(), "VAULT_CACERT="+open.Certificates.CA), 0, nil},
		{"Vault, authority unknown", "", fromVault(open.Addr()), 78, []string{"unknown authority", "VAULT_CACERT"}},
		{"Vault, another name", "", fromVault(elsewhere(open.Addr()), "VAULT_CACERT="+open.Certificates.CA), 78, []string{"a name that the server's certificate holds"}},
		{"Vault, client certificate", "", fromVault(closed.Addr(), "VAULT_CACERT="+c.CA, "VAULT_CLIENT_CERT="+c.ClientCert, "VAULT_CLIENT_KEY="+c.ClientKey), 0, nil},
		{"Vault, no client certificate", "", fromVault(closed.Addr(), "VAULT_CACERT="+c.CA), 78, []string{"VAULT_CLIENT_CERT"}},
		{"AWS", "", fromAWS(amazon.Addr(), "AWS_CA_BUNDLE="+amazon.Certificates.CA), 0, nil},
		{"AWS, authority unknown", "", fromAWS(amazon.Addr()), 78, []string{"unknown authority", "AWS_CA_BUNDLE"}},
	} {
		x.run(t, s)
	}
}

func TestTLSGit(t *testing.T) {
	t.Parallel()
	repo := sourcetest.New(t)
	for name, text := range numbered(1) {
		repo.Write("db/"+name, text)
	}
	repo.Commit("schema")
	server := sourcetest.HTTPS(t, filepath.Dir(repo.Dir), tlsPassword)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	from := func(addr string, env ...string) []string {
		return append(env, "SCHEMAGATE_GIT_TOKEN="+tlsPassword, "SCHEMAGATE_MIGRATIONS=git+"+addr+"/"+filepath.Base(repo.Dir)+"//db")
	}
	s := newStage(t, nil)
	for _, x := range []tlsCase{
		{"an authority of its own", "", from(server.URL, "SSL_CERT_FILE="+ca), 0, nil},
		{"authority unknown", "", from(server.URL), 78, []string{"unknown authority", "SSL_CERT_FILE"}},
		{"another name", "", from(elsewhere(server.URL), "SSL_CERT_FILE="+ca), 78, []string{"a name that the server's certificate holds"}},
	} {
		x.run(t, s)
	}
}
