package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/config"
)

var update = flag.Bool("update", false, "write the generated pages of docs/")

func page(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, []byte(text)) {
		t.Errorf("docs/%s is not what the code says: go test ./cmd/schemagate -run TestPages -update", name)
	}
}

// TestPages keeps the pages that are made of the code equal to it.
func TestPages(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\nMade from the code. Flags override the environment, the environment overrides defaults; an empty variable counts as unset. " +
		"Secrets have no flag; each has a `_FILE` twin.\n\n| variable | flag | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range config.Fields() {
		name, def := "`--"+f.Flag+"`", ""
		if f.Secret == "text" {
			name = ""
		}
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Variable, name, def, strings.ReplaceAll(f.Desc, "|", "\\|"))
	}
	page(t, "settings.md", b.String())

	b.Reset()
	b.WriteString("# Exit codes\n\nMade from the code.\n\n| code | meaning |\n| --- | --- |\n")
	for _, e := range exits {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.meaning)
	}
	page(t, "exit-codes.md", b.String())
}

// TestEveryExitCodeIsExplained holds the table of meanings against the codes that errors map to.
func TestEveryExitCodeIsExplained(t *testing.T) {
	known := map[int]bool{}
	for _, e := range exits {
		known[e.code] = true
	}
	for _, c := range codes {
		if !known[c.code] {
			t.Errorf("exit code %d of %v is not in the table", c.code, c.err)
		}
	}
}
