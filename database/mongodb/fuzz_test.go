package mongodb

import (
	"net/url"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// FuzzURL: whatever a user and a password hold, the driver is told the same; no error repeats the password, whether it was encoded
// as it must be or not.
func FuzzURL(f *testing.F) {
	const canary = "hunter2canary"
	f.Add("app", "p @:/?#[]%&+='\"\\ü$", "orders", "h:27017", "replicaSet=rs0&authSource=admin")
	f.Add("u", "x", "", "[::1]", "w=majority")
	f.Add("u", "pa/ss", "a/b", "h1,h2:99", "authMechanism=PLAIN&%zz")
	f.Add("u", ":1", "d", "h:p", "tls=nonsense")
	f.Fuzz(func(t *testing.T, user, password, db, host, query string) {
		if low := strings.ToLower(query); strings.Contains(low, "file") || strings.Contains(low, "%") {
			return // which reads files
		}
		password += canary
		for _, userinfo := range []string{url.QueryEscape(user) + ":" + strings.ReplaceAll(url.QueryEscape(password), "+", "%20"), user + ":" + password} {
			raw := "mongodb://" + userinfo + "@" + host + "/" + url.PathEscape(db) + "?" + query
			d, err := Open(raw, Options{Service: "s"})
			if err != nil {
				if !strings.Contains(query+host+db, canary) && strings.Contains(err.Error(), canary) {
					t.Fatalf("%q: the error repeats the password: %v", raw, err)
				}
				continue
			}
			if userinfo == user+":"+password || strings.ContainsAny(host, "/@?#") || user == "" || strings.Contains(user, " ") {
				continue // it means what it happens to mean
			}
			c, err := connstring.Parse(d.url)
			if err != nil || c.Username != user || c.Password != password || d.name != c.Database {
				t.Fatalf("%q: %q, %q, %q, %v", raw, c.Username, c.Password, d.name, err)
			}
		}
	})
}
