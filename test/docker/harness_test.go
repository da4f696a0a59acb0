package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience bounds every wait, longest bounds every command; only a test that hangs meets them.
	patience = 2 * time.Minute
	longest  = 15 * time.Minute
)

// tree is a copy of the repository that a test may change, as a user's checkout.
type tree struct {
	t   *testing.T
	dir string
	env []string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	w := &tree{t: t, dir: t.TempDir()}
	copied := exec.Command("bash", "-o", "pipefail", "-c", `tar --exclude=./.git --exclude=./.cache -C ../.. -c . | tar -x --no-same-owner -C "$0"`, w.dir)
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// write puts a file into the tree.
func (w *tree) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, path), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// try runs a shell line in the tree, and returns what it printed and its error.
func (w *tree) try(line string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), longest)
	defer cancel()
	return w.tryWithin(ctx, line)
}

func (w *tree) tryWithin(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "COMPOSE_PROJECT_NAME=schemagate-test", "COMPOSE_ANSI=never", "BUILDKIT_PROGRESS=plain")
	cmd.Env = append(cmd.Env, w.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return strings.TrimSpace(stdout.String()), nil
}

// run is try for what has to succeed.
func (w *tree) run(line string) string {
	w.t.Helper()
	start := time.Now()
	out, err := w.try(line)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	w.t.Logf("%5.1fs  %s", time.Since(start).Seconds(), line)
	return out
}

// ask is try for what is asked again and again: an error is no answer yet.
func (w *tree) ask(line string) string {
	w.t.Helper()
	out, err := w.try(line)
	if err != nil {
		return ""
	}
	return out
}

// fails is try for what has to fail; it returns the output.
func (w *tree) fails(line string) string {
	w.t.Helper()
	out, err := w.try(line)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 1 {
		w.t.Fatalf("%s: %v, want an exit code\n%s", line, err, out)
	}
	return out
}

// after runs a line when the test is over, and before that, where it failed, shows what tells why.
func (w *tree) after(line string, clues ...string) {
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if w.t.Failed() {
			for _, clue := range clues {
				out, err := w.tryWithin(ctx, clue)
				w.t.Logf("%s: %v\n%s", clue, err, out)
			}
		}
		if out, err := w.tryWithin(ctx, line); err != nil {
			w.t.Errorf("%s: %v\n%s", line, err, out)
		}
	})
}

// lines are the words of a command's output.
func (w *tree) lines(command string) []string { w.t.Helper(); return strings.Fields(w.run(command)) }

// get asks a published port; code 0 is no answer.
func get(url string) (code int, body string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// serves waits until the address answers 200 with the text.
func serves(t *testing.T, url, text string) {
	t.Helper()
	until(t, url+" serves "+text, func() bool {
		code, body := get(url)
		return code == http.StatusOK && strings.Contains(body, text)
	})
}

// until asks again and again until the condition holds.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// page is a page of docs/platforms: a test runs every command of it, as it stands there.
type page struct {
	*tree
	name     string
	commands []string
	ran      []string
}

func (w *tree) page(name string) *page {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "docs", "platforms", name))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &page{tree: w, name: name}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside:
			command, _, _ := strings.Cut(line, "   #")
			if command = strings.TrimSpace(command); command != "" && !strings.HasPrefix(command, "#") {
				p.commands = append(p.commands, command)
			}
		}
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			return
		}
		for _, command := range p.commands {
			if !slices.Contains(p.ran, command) {
				w.t.Errorf("%s: nobody ran %q", name, command)
			}
		}
	})
	return p
}

func (p *page) knows(line string) {
	p.t.Helper()
	if !slices.Contains(p.commands, line) {
		p.t.Fatalf("%s does not say %q", p.name, line)
	}
	p.ran = append(p.ran, line)
}

func (p *page) run(line string) string { p.t.Helper(); p.knows(line); return p.tree.run(line) }

func (p *page) fails(line string) string { p.t.Helper(); p.knows(line); return p.tree.fails(line) }
