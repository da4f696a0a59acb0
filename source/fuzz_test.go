package source

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// FuzzLocation: any text is a location that stays in its repository, or an error; neither repeats the password, nor does the
// spelling for people.
func FuzzLocation(f *testing.F) {
	const canary = "hunter2canary"
	for _, s := range [][2]string{{"git+https://u:", "@h/a/b.git//db/m?ref=v1.2"}, {"git+https://u:%", "@h/r"}, {"git+https://u:", "@h:port/r"}, {"git+ssh://u:", "@h/r"}, {"git://u:", "@h/r"},
		{"git+ftp://:", "@"}, {"git+ssh://git@[::1]:22/~me/r.git//a/../..", ""}, {"GIT+FILE:///a//./b//c?ref=a..b", ""}, {"git+https:u:", "@h"}, {"folder/a:b@", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		raw := before + canary + after
		said := Redacted(raw)
		if p := Password(raw); strings.Contains(p, canary) && strings.Contains(said, canary) {
			t.Fatalf("%q: %q shows %q", raw, said, p)
		}
		if IsGit(said) && Password(said) != "" {
			t.Fatalf("%q: %q still has a password", raw, said)
		}
		l, err := parse(raw)
		if err != nil {
			if !errors.Is(err, ErrLocation) {
				t.Fatalf("%q: an error of another kind: %v", raw, err)
			}
			if IsGit(raw) && strings.Contains(Password(raw), canary) && strings.Contains(err.Error(), canary) {
				t.Fatalf("%q: the error repeats the password: %v", raw, err)
			}
			return
		}
		if l.repo == "" || !fs.ValidPath(l.sub) || (l.scheme == "file") != (l.host == "") || strings.HasPrefix(l.ref, "-") {
			t.Fatalf("%q is %+v", raw, l)
		}
		if strings.Contains(l.password, canary) && strings.Contains(l.String(), canary) {
			t.Fatalf("%q: %q shows the password", raw, l)
		}
	})
}
