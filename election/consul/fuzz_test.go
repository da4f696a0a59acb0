package consul

import (
	"net"
	"strings"
	"testing"
)

// FuzzURL: what is accepted names a host, a port and a prefix without empty parts; no error repeats the URL, in which a token may
// stand by mistake.
func FuzzURL(f *testing.F) {
	const canary = "hunter2canary"
	f.Add("consul://127.0.0.1:8500/", "")
	f.Add("consuls://[::1]/a/", "/b")
	f.Add("consul://u:", "@h/x")
	f.Add("consul://h:", "/x")
	f.Add("consul://h/%", "")
	f.Add("http://", ":8500")
	f.Fuzz(func(t *testing.T, before, after string) {
		raw := before + canary + after
		p, err := parse(raw)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Fatalf("%q: the error repeats it: %v", raw, err)
			}
			return
		}
		if host, port, err := net.SplitHostPort(p.address); err != nil || host == "" || port == "" {
			t.Errorf("%q: the address is %q", raw, p.address)
		}
		if p.prefix == "" || strings.Contains("/"+p.prefix+"/", "//") {
			t.Errorf("%q: the prefix is %q", raw, p.prefix)
		}
		if p.tls != strings.HasPrefix(strings.ToLower(raw), "consuls:") {
			t.Errorf("%q: TLS is %v", raw, p.tls)
		}
	})
}
