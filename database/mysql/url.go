package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/database"
)

// passed are the driver's own parameters that mean something here.
var passed = map[string]bool{"collation": true, "charset": true, "timeout": true, "readTimeout": true, "writeTimeout": true, "compress": true,
	"allowCleartextPasswords": true, "allowNativePasswords": true, "allowOldPasswords": true, "serverPubKey": true,
	"connectionAttributes": true, "maxAllowedPacket": true}

// ignored are what an app's own libraries read out of the same URL, and what is decided here whatever they say.
var ignored = map[string]bool{"connection_limit": true, "pool_timeout": true, "socket_timeout": true, "connect_timeout": true,
	"parseTime": true, "loc": true, "multiStatements": true, "interpolateParams": true, "clientFoundRows": true, "checkConnLiveness": true}

// parse reads mysql://user:password@host:port/database?parameters. Its errors never hold any part of the authority.
func parse(raw string) (*driver.Config, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "mysql" || u.Opaque != "" {
		return nil, errors.New("write mysql://USER:PASSWORD@HOST:PORT/DATABASE; in user and password, characters such as @ : / ? # % are written as %40 %3A %2F %3F %23 %25")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters, behind the question mark, are not well-formed")
	}
	own, secure := url.Values{}, map[string]string{}
	for k, v := range query {
		switch {
		case passed[k]:
			own[k] = v[:1]
		case ignored[k]:
		case k == "tls", k == "ssl-mode", k == "ssl-ca", k == "ssl-cert", k == "ssl-key", k == "socket":
			secure[k] = v[0]
		default:
			return nil, fmt.Errorf("unknown parameter %q; known are socket, tls, ssl-mode, ssl-ca, ssl-cert, ssl-key, charset, collation, timeout, "+
				"readTimeout, writeTimeout, compress", k)
		}
	}
	c, err := driver.ParseDSN("/?" + own.Encode())
	if err != nil {
		return nil, err
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	if strings.Contains(c.DBName, "/") {
		return nil, errors.New("the path names one database, as in mysql://HOST/DATABASE")
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(u.Hostname(), orElse(u.Port(), "3306"))
	if u.Hostname() == "" {
		c.Addr = "127.0.0.1:3306"
	}
	if s := secure["socket"]; s != "" {
		c.Net, c.Addr = "unix", s
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	c.ClientFoundRows, c.InterpolateParams, c.MultiStatements, c.ParseTime = true, true, false, false
	c.Logger = &driver.NopLogger{}
	return c, secureBy(c, secure, u.Hostname())
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// secureBy sets TLS up: tls=true|skip-verify|preferred|false, or ssl-mode as MySQL's own client has it.
func secureBy(c *driver.Config, p map[string]string, host string) error {
	mode := p["tls"]
	switch m := strings.ToLower(p["ssl-mode"]); m {
	case "":
	case "disabled":
		mode = "false"
	case "preferred":
		mode = m
	case "required":
		mode = "skip-verify"
	case "verify_ca", "verify_identity":
		mode = "true"
	default:
		return fmt.Errorf("ssl-mode=%s: write DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY", m)
	}
	if mode == "" && (p["ssl-ca"] != "" || p["ssl-cert"] != "") {
		mode = "true"
	}
	t := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	switch mode {
	case "", "false":
		return nil
	case "true":
	case "skip-verify":
		t.InsecureSkipVerify = true
	case "preferred":
		t.InsecureSkipVerify, c.AllowFallbackToPlaintext = true, true
	default:
		return fmt.Errorf("tls=%s: write true, skip-verify, preferred or false", mode)
	}
	if file := p["ssl-ca"]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("ssl-ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ssl-ca: %s holds no certificate", file)
		}
	}
	if p["ssl-cert"] != "" || p["ssl-key"] != "" {
		pair, err := tls.LoadX509KeyPair(p["ssl-cert"], p["ssl-key"])
		if err != nil {
			return fmt.Errorf("ssl-cert and ssl-key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	c.TLS = t
	return nil
}

// configError keeps what the URL held out of the message.
func configError(err error) error {
	return fmt.Errorf("%w: the database URL can't be read: %w", database.ErrConfig, err)
}
