package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerfileCopiesEveryFolderThatTheBinaryNeeds holds the Dockerfile's list against the imports.
func TestDockerfileCopiesEveryFolderThatTheBinaryNeeds(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, ours := strings.CutPrefix(strings.TrimSpace(line), "github.com/schemagate/schemagate/")
		if folder, _, _ := strings.Cut(path, "/"); ours && !strings.Contains(string(text), "\nCOPY "+folder+" "+folder+"\n") {
			t.Errorf("the Dockerfile does not copy %s", folder)
		}
	}
}
