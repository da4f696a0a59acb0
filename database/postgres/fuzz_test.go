package postgres

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzURL: whatever a user, a password and a database's name hold, the driver is told the same; no error repeats the password,
// whether it was encoded as it must be or not.
func FuzzURL(f *testing.F) {
	const canary = "hunter2canary"
	f.Add("app", "p @:/?#[]%&+='\"\\ü$", "orders", "h:5432", "sslmode=disable&application_name=x")
	f.Add("", "", "", "[::1]", "connect_timeout=5")
	f.Add("u", "pa/ss", "a/b", "h1,h2:99", "target_session_attrs=read-write&%zz")
	f.Add("u", ":1", "d", "h:p", "sslmode=nonsense")
	f.Fuzz(func(t *testing.T, user, password, db, host, query string) {
		for _, file := range []string{"ssl", "service", "passfile", "%"} { // which read files
			if strings.Contains(strings.ReplaceAll(query, "sslmode=", ""), file) {
				return
			}
		}
		if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "%") {
			return // a folder of sockets
		}
		password += canary
		for _, userinfo := range []string{url.UserPassword(user, password).String(), user + ":" + password} {
			raw := "postgres://" + userinfo + "@" + host + "/" + url.PathEscape(db) + "?" + query
			d, err := Open(raw, Options{Service: "s"})
			if err != nil {
				if !strings.Contains(query+host+db, canary) && strings.Contains(err.Error(), canary) {
					t.Fatalf("%q: the error repeats the password: %v", raw, err)
				}
				continue
			}
			if userinfo == user+":"+password || strings.ContainsAny(host, "/@?#") || strings.Count(host, "[") != strings.Count(host, "]") || strings.Contains(query, "=") {
				continue // it means what it happens to mean
			}
			if user != "" && d.config.User != user || d.config.Password != password || db != "" && !strings.HasPrefix(db, "/") && d.config.Database != db {
				t.Fatalf("%q: %q, %q, %q", raw, d.config.User, d.config.Password, d.config.Database)
			}
		}
	})
}
