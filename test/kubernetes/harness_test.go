package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience bounds every wait, longest bounds every command; only a test that hangs meets them.
	patience = 5 * time.Minute
	longest  = 10 * time.Minute
)

// page is docs/platforms/kubernetes.md beside a copy of the repository: the test runs every command as it stands there.
type page struct {
	t        *testing.T
	dir      string
	old      string // a pod of the release before
	commands []string
	ran      []string
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{t: t, dir: t.TempDir()}
	copied := exec.Command("bash", "-o", "pipefail", "-c", `tar --exclude=./.git --exclude=./.cache -C ../.. -c . | tar -x --no-same-owner -C "$0"`, p.dir)
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inside := false
	for line := range strings.Lines(p.read("docs/platforms/kubernetes.md")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside:
			command, _, _ := strings.Cut(line, "   #")
			if command = strings.TrimSpace(command); command != "" {
				p.commands = append(p.commands, command)
			}
		}
	}
	t.Cleanup(func() {
		for _, command := range p.commands {
			if !t.Failed() && !slices.Contains(p.ran, command) {
				t.Errorf("nobody ran %q", command)
			}
		}
	})
	return p
}

func (p *page) read(path string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, path))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *page) write(path, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, path), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// try runs a shell line in the copy; the output of one that failed is all that it said.
func (p *page) try(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "BUILDKIT_PROGRESS=plain")
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

// run is for what has to succeed.
func (p *page) run(line string) string {
	p.t.Helper()
	start := time.Now()
	out, err := p.try(p.t.Context(), line)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	p.t.Logf("%5.1fs  %s", time.Since(start).Seconds(), line)
	return out
}

// does is run for a command of the page.
func (p *page) does(line string) string {
	p.t.Helper()
	if !slices.Contains(p.commands, line) {
		p.t.Fatalf("the page does not say %q", line)
	}
	p.ran = append(p.ran, line)
	return p.run(line)
}

// ask is for what is asked again and again: an error is no answer yet.
func (p *page) ask(line string) string {
	out, err := p.try(p.t.Context(), line)
	if err != nil {
		return ""
	}
	return out
}

// until asks again and again until the condition holds.
func (p *page) until(what string, cond func() bool) {
	p.t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout.C:
			p.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// clues shows what tells why, where the test failed.
func (p *page) clues(lines ...string) {
	p.t.Cleanup(func() {
		if !p.t.Failed() {
			return
		}
		for _, line := range lines {
			out, err := p.try(context.Background(), line)
			p.t.Logf("%s: %v\n%s", line, err, out)
		}
	})
}

// visitor asks for a page all the time, and counts what it did not get.
type visitor struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	asked   int
	refused []string
}

func visit(t *testing.T, url string) *visitor {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	v := &visitor{stop: stop}
	v.done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			v.asked++
			if err := get(url); err != nil {
				v.refused = append(v.refused, time.Now().Format(time.TimeOnly)+" "+err.Error())
			}
		}
	})
	t.Cleanup(func() { stop(); v.done.Wait() })
	return v
}

// leaves ends the visit, which must have met no one else than an open app.
func (v *visitor) leaves(t *testing.T) {
	t.Helper()
	v.stop()
	v.done.Wait()
	t.Logf("%d requests, %d refused", v.asked, len(v.refused))
	if len(v.refused) > 0 || v.asked == 0 {
		t.Errorf("%d of %d requests were refused:\n%s", len(v.refused), v.asked, strings.Join(v.refused, "\n"))
	}
}

func get(url string) error {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(fmt.Sprint(resp.StatusCode, " ", string(body)))
	}
	return err
}
