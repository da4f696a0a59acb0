package source

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]location{
		"git+ssh://git@h/a/b.git//db/m?ref=v1.2": {scheme: "ssh", user: "git", host: "h", hostname: "h", repo: "/a/b.git", sub: "db/m", ref: "v1.2"},
		"git+ssh://h:2222/~me/b.git":             {scheme: "ssh", host: "h:2222", hostname: "h", port: "2222", repo: "~me/b.git", sub: "."},
		"git+https://u:p@h/a/b.git//":            {scheme: "https", user: "u", password: "p", host: "h", hostname: "h", repo: "/a/b.git", sub: "."},
		"git+file:///a/b//c/":                    {scheme: "file", repo: "/a/b", sub: "c"},
		"GIT+SSH://[::1]:22/r?ref=refs/heads/x":  {scheme: "ssh", host: "[::1]:22", hostname: "::1", port: "22", repo: "/r", sub: ".", ref: "refs/heads/x"},
	} {
		got, err := parse(raw)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"git+http://h/r":                      "neither encrypted nor signed",
		"git://h/r":                           "neither encrypted nor signed",
		"git+ftp://h/r":                       "git+ftp:// is unknown",
		"git+ssh://u:hunter2@h/r":             "takes a key and no password",
		"git+ssh:///r":                        "names no host",
		"git+https://h":                       "names no repository",
		"git+https://h//sub":                  "names no repository",
		"git+file://h/r":                      "takes no host",
		"git+https://h/r?branch=x":            "?branch is unknown",
		"git+https://h/r//a/../../b":          "leaves the repository",
		"git+https://h/r?ref=a..b c":          "is no name of a tag",
		"git+https://h/r?ref=--upload-pack":   "is no name of a tag",
		"git+https://u:hunter2%@h/r":          "is not a URL",
		"git+https://u:hunter2@h:port/r":      "is not a URL",
		"git+https://u:hunter2@h/r?ref=x&ref": "?ref is unknown, or given twice",
	} {
		_, err := parse(raw)
		if !errors.Is(err, ErrLocation) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q", raw, err, want)
		}
	}
}

func TestRedactedAndPassword(t *testing.T) {
	for raw, want := range map[string][2]string{
		"git+https://u:hunter2@h/r?ref=x": {"git+https://u@h/r?ref=x", "hunter2"},
		"git+https://u:hunt%er2@h/r":      {"git+https://h/r", "hunt%er2"},
		"git+ssh://git@h/r":               {"git+ssh://git@h/r", ""},
		"folder/a:b@c":                    {"folder/a:b@c", ""},
	} {
		if r, p := Redacted(raw), Password(raw); r != want[0] || p != want[1] {
			t.Errorf("%s: %q, %q", raw, r, p)
		}
	}
}
