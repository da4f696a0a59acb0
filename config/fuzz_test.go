package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/config"
)

// hidden stands for a secret: no message about a setting may hold it.
const hidden = "geHEIMnis7"

// FuzzLoad reads settings of any text. One of them holds a secret: a secret setting anywhere in its value, a _FILE that is
// no path too, any other where a URL has its password, since URLs are what people paste into the wrong variable. Whatever is wrong is told as such, and without the secret.
func FuzzLoad(f *testing.F) {
	fields := config.Fields()
	for i, x := range fields {
		for _, flag := range []bool{false, true} {
			f.Add(uint8(i), flag, "postgres:", "h:5432/db?sslmode=disable", "SCHEMAGATE_TIMEOUT=15m")
			f.Add(uint8(i), flag, "", "", x.Variable+"_FILE=x\nDATABASE_URL=host=h password=x")
			f.Add(uint8(i), flag, "host=h password=", " user=u", "SCHEMAGATE_TIMOUT=1\nSCHEMAGATE_LEASE_TTL=1")
			f.Add(uint8(i), flag, "git+https:", "h/app.git//db?ref=%zz", "=\n\x00")
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, flag bool, before, after, others string) {
		x := fields[int(which)%len(fields)]
		value := before + "//me:" + hidden + "@" + after
		if x.Secret != "" || strings.HasSuffix(x.Variable, "_FILE") && !strings.Contains(before+after, "/") {
			value = before + hidden + after
		}
		o := config.Options{Environ: strings.Split(others, "\n"), Flags: map[string]string{}}
		if flag && x.Secret != "text" { // those have none
			o.Flags[x.Variable] = value
		} else {
			o.Environ = append(o.Environ, x.Variable+"="+value)
		}
		c, warnings, err := config.Load(o)
		if err != nil && !errors.Is(err, config.ErrConfig) && !errors.Is(err, config.ErrUsage) {
			t.Errorf("an error of another kind: %v", err)
		}
		if (err == nil) == (c == nil) {
			t.Errorf("settings %v with the error %v", c, err)
		}
		for _, text := range append(warnings, errorText(err)) {
			if strings.Contains(text, hidden) && !strings.Contains(others, hidden) {
				t.Errorf("%s: the secret stands in %q", x.Variable, text)
			}
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
