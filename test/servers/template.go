package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// postgresBin is the folder of the server's programs: Debian keeps them off PATH, one folder per version.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server is installed (run `make setup`)")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// postgresTemplate returns a fresh data directory to copy. initdb takes a second or more, so one serves all runs.
func postgresTemplate(bin string) (string, error) {
	version, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask postgres for its version: %w", err)
	}
	return dataTemplate("postgres", "postgres", string(version), func(dir string, as *syscall.Credential) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust",
			"-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1", "--no-instructions")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	})
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9.]+`)

// dataTemplate keeps a data directory in the cache, made by a command that runs as the server's user. That user may have
// no access to the cache, so the directory is made elsewhere first; copies keep the owner.
func dataTemplate(name, runAs, version string, initialise func(dir string, as *syscall.Credential) *exec.Cmd) (string, error) {
	var as *syscall.Credential
	owner := uint32(os.Geteuid())
	if owner == 0 {
		var err error
		if as, err = credentialOf(runAs); err != nil {
			return "", err
		}
		owner = as.Uid
	}
	// The owner is part of the name: a cache may be carried to a machine where the user has another number.
	entry := fmt.Sprintf("%s-%s-%d", name, strings.Trim(notInName.ReplaceAllString(version, "-"), "-"), owner)
	return cached(filepath.Join("templates", entry), func(path string) error {
		dir, err := os.MkdirTemp("", "schemagate-"+name+"-template-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if as != nil {
			if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
				return err
			}
		}
		cmd := initialise(dir, as)
		cmd.Dir, cmd.Env = dir, serverEnvironment(dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return runCommand("cp", "-a", filepath.Join(dir, "data"), path)
	})
}

func runCommand(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
