package mysql

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzURL: whatever a user, a password and a database's name hold, the driver is told the same; no error repeats the password.
func FuzzURL(f *testing.F) {
	const canary = "hunter2canary"
	f.Add("root", "p @:/?#[]%&+='\"\\ü$", "app", "h:3306", "charset=utf8mb4&tls=preferred")
	f.Add("", "", "", "[::1]", "parseTime=true&x=1")
	f.Add("u", "p", "a/b", "", "ssl-mode=required&timeout=1s&%zz")
	f.Fuzz(func(t *testing.T, user, password, db, host, query string) {
		if strings.Contains(query, "ssl-c") || strings.Contains(query, "ssl-k") || strings.Contains(query, "%") {
			return // which read files
		}
		password += canary
		raw := "mysql://" + url.UserPassword(user, password).String() + "@" + host + "/" + url.PathEscape(db) + "?" + query
		c, err := parse(raw)
		if err != nil {
			if !strings.Contains(query, canary) && strings.Contains(err.Error(), canary) {
				t.Fatalf("%q: the error repeats the password: %v", raw, err)
			}
			return
		}
		if strings.ContainsAny(host, "/@?#") {
			return // which is more than a host
		}
		if c.User != user || c.Passwd != password || c.DBName != strings.TrimPrefix(db, "/") || c.MultiStatements {
			t.Fatalf("%q: %q, %q, %q", raw, c.User, c.Passwd, c.DBName)
		}
		if c.Net == "tcp" && !strings.Contains(c.Addr, ":") {
			t.Fatalf("%q: the address is %q", raw, c.Addr)
		}
	})
}
