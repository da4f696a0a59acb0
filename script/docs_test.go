package script

import (
	"os"
	"strings"
	"testing"
)

// TestDocs compiles the examples of the documentation.
func TestDocs(t *testing.T) {
	const page = "../docs/mongodb-scripts.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]int{}
	for i, block := range strings.Split(string(text), "```") {
		language, example, _ := strings.Cut(block, "\n")
		if i%2 == 0 {
			continue
		}
		examples[language]++
		switch language {
		case "js":
			p, err := Compile(page, example)
			if err != nil {
				t.Error(err)
				continue
			}
			if names, err := p.Load(t.Context(), Options{}); err != nil || len(names) == 0 {
				t.Errorf("%s exports %v, %v", example, names, err)
			}
		case "json":
			if _, err := ParseCommands(page, []byte(example)); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("an example in %q", language)
		}
	}
	if examples["js"] != 2 || examples["json"] != 2 {
		t.Errorf("examples found: %v", examples)
	}
}
