package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newCLI() *cli {
	c := &cli{flags: map[string]*string{}}
	c.root = c.command()
	return c
}

// TestEveryExampleIsACommandLine reads each line of each example as the command line would.
func TestEveryExampleIsACommandLine(t *testing.T) {
	visible := map[string]bool{}
	for _, cmd := range newCLI().root.Commands() {
		visible[cmd.Name()] = !cmd.Hidden
		if !cmd.Hidden && examples[cmd.Name()] == "" {
			t.Errorf("%s has no example", cmd.Name())
		}
	}
	called := regexp.MustCompile(`\bschemagate [^|>#)]*`)
	for name, text := range examples {
		if !visible[name] {
			t.Errorf("there is no command %s", name)
		}
		for line := range strings.SplitSeq(text, "\n") {
			found := called.FindString(line)
			args := strings.Fields(found)
			if len(args) < 2 {
				t.Errorf("%s: %q calls nothing", name, line)
				continue
			}
			root := newCLI().root // flags keep what they were given
			cmd, rest, err := root.Find(args[1:])
			if err != nil || cmd.Name() != name {
				t.Errorf("%q calls %s: %v", line, cmd.Name(), err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

// binaryHere builds the program under its own name.
func binaryHere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "schemagate"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// TestBashCompletes has bash itself complete, with the script as it is written.
func TestBashCompletes(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip("needs bash-completion: make setup")
	}
	dir := binaryHere(t)
	for line, want := range map[string]string{
		"schemagate his":                   "history",
		"schemagate completion ":           "bash fish zsh",
		"schemagate up --time":             "--timeout",
		"schemagate up --phase ":           "cutover expand",
		"schemagate down --to-":            "--to-release",
		"schemagate health st":             "startup",
		"schemagate up --log-format c":     "console",
		"schemagate resolve 0042 --retr":   "--retry",
		"schemagate __demo":                "",
		"schemagate --database-url-file x": "",
	} {
		script := `set -u +u; source ` + library + `; source <(schemagate completion bash)
COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMP_KEY=9
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
compopt() { :; } # there is no completion under way for it to change
__start_schemagate
for reply in "${COMPREPLY[@]}"; do echo "${reply%% *}"; done | sort | xargs`
		cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script, "bash", line)
		cmd.Env, cmd.Dir = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir}, dir
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q is completed with %q, not %q: %v", line, got, want, err)
		}
	}
}

func TestOtherShellsGetAScript(t *testing.T) {
	for shell, want := range map[string]string{"zsh": "#compdef schemagate", "fish": "complete -c schemagate"} {
		c, out := newCLI(), &bytes.Buffer{}
		c.root.SetOut(out)
		c.root.SetArgs([]string{"completion", shell})
		if err := c.root.Execute(); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v", shell, err)
		}
	}
}

// writeMan writes a man page for each command. The generator is no part of the program: its modules would be in every container.
func writeMan(t *testing.T, dir string) {
	t.Helper()
	root := newCLI().root
	root.DisableAutoGenTag = true
	var plain func(cmd *cobra.Command)
	plain = func(cmd *cobra.Command) { // what Markdown would take for its own
		cmd.DisableAutoGenTag = true
		for _, sub := range cmd.Commands() {
			plain(sub)
		}
	}
	plain(root)
	if err := doc.GenManTree(root, &doc.GenManHeader{Title: "SCHEMAGATE", Section: "1", Source: "schemagate", Manual: "schemagate"}, dir); err != nil {
		t.Fatal(err)
	}
}

// TestManPages writes the pages (into -man, if given), and has groff read them with all its warnings.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	writeMan(t, dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("only %v: %v", pages, err)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("needs groff on the PATH")
	}
	for _, page := range pages {
		var problems bytes.Buffer
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-Kutf8", "-ww", page)
		cmd.Stderr = &problems
		text, err := cmd.Output()
		if err != nil || problems.Len() > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(page), err, problems.String())
		}
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(page), ".1"), "-", " ")
		if plain := regexp.MustCompile("\x1b\\[[0-9;]*m|.\x08").ReplaceAllString(string(text), ""); !strings.Contains(plain, name) || !strings.Contains(plain, "EXAMPLE") {
			t.Errorf("%s does not show %q and an example", filepath.Base(page), name)
		}
	}
}
