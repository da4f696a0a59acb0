package mysql_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/mysql"
	"github.com/schemagate/schemagate/test/servers"
)

// The server lets each user in only by the way that is required of it, so that getting in shows which way it was.
func TestTLSAndTheSocket(t *testing.T) {
	m := servers.MariaDB(t, servers.MariaTLS())
	m.NewDatabase(t)
	m.Exec(t, "", `CREATE DATABASE shop;
CREATE USER encrypted@'%' IDENTIFIED BY 'p' REQUIRE SSL; GRANT SELECT ON shop.* TO encrypted@'%';
CREATE USER certified@'%' IDENTIFIED BY 'p' REQUIRE SUBJECT '/CN=client'; GRANT SELECT ON shop.* TO certified@'%';
CREATE USER local@localhost IDENTIFIED BY 'p'; GRANT SELECT ON shop.* TO local@localhost;
CREATE USER plain@'%' IDENTIFIED BY 'p'; GRANT SELECT ON shop.* TO plain@'%'`)
	c := m.Certificates()
	for name, x := range map[string]struct {
		user   string
		params url.Values
		in     bool
	}{
		"an authority of its own": {"encrypted", url.Values{"ssl-ca": {c.CA}}, true},
		"VERIFY_IDENTITY":         {"encrypted", url.Values{"ssl-ca": {c.CA}, "ssl-mode": {"VERIFY_IDENTITY"}}, true},
		"skip-verify":             {"encrypted", url.Values{"tls": {"skip-verify"}}, true},
		"REQUIRED":                {"encrypted", url.Values{"ssl-mode": {"REQUIRED"}}, true},
		"preferred":               {"encrypted", url.Values{"tls": {"preferred"}}, true},
		"none":                    {"encrypted", nil, false},
		"false":                   {"encrypted", url.Values{"tls": {"false"}}, false},
		"an unknown authority":    {"encrypted", url.Values{"tls": {"true"}}, false},
		"another authority":       {"plain", url.Values{"ssl-ca": {c.ClientCert}}, false},
		"a client certificate":    {"certified", url.Values{"ssl-ca": {c.CA}, "ssl-cert": {c.ClientCert}, "ssl-key": {c.ClientKey}}, true},
		"another certificate":     {"certified", url.Values{"ssl-ca": {c.CA}, "ssl-cert": {c.ServerCert}, "ssl-key": {c.ServerKey}}, false},
		"no client certificate":   {"certified", url.Values{"ssl-ca": {c.CA}}, false},
		"the socket":              {"local", url.Values{"socket": {m.Socket()}}, true},
		"the network":             {"local", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := url.URL{Scheme: "mysql", User: url.UserPassword(x.user, "p"), Host: m.Addr(), Path: "/shop", RawQuery: x.params.Encode()}
			d, err := mysql.Open(u.String(), mysql.Options{Service: service, LeaseTTL: ttl, Interval: interval})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Disconnect()
			_, err = d.Look(t.Context(), database.Query{Since: -1})
			if x.in && err != nil || !x.in && !errors.Is(err, database.ErrDenied) {
				t.Errorf("let in: want %v, got %v", x.in, err)
			}
		})
	}
}
