package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/process"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/source"
)

const (
	// commandGrace is what a command has between SIGTERM and SIGKILL when the lead is lost: less than a TTL's margin.
	commandGrace = time.Second
	// tailLines of a failed command's output go into the error.
	tailLines = 10
)

// commander runs BEFORE, AFTER and COMMAND: in a group of their own, with the resolved credentials, ended with all that they
// started when the lead is lost or we die.
type commander struct {
	cfg      *config.Config
	log      *zap.Logger
	redactor *config.Redactor
	session  func(database.Term) string // names the command's database sessions

	once   sync.Once
	reaper *process.Reaper
	err    error
	backup string // where BEFORE said that the backup lies
}

// open starts the one reaper of this process; adopt makes it the owner of orphans, as `run` needs it.
func (c *commander) open(adopt bool) (*process.Reaper, error) {
	c.once.Do(func() { c.reaper, c.err = process.Open(process.Options{Adopt: adopt}) })
	return c.reaper, c.err
}

func (c *commander) close() {
	if c.reaper != nil {
		_ = c.reaper.Close()
	}
}

// Command implements runner.Commander.
func (c *commander) Command(ctx context.Context, kind runner.StepKind, line string, t database.Term) (string, error) {
	reaper, err := c.open(false)
	if err != nil {
		return "", err
	}
	tail, spoken := process.NewTail(tailLines), ""
	out := process.Lines(func(line string) {
		line = c.redactor.String(line)
		tail.Add(line)
		if spoken == "" && strings.Contains(strings.ToLower(line), "error:") {
			spoken = strings.TrimSpace(line)
		}
		c.log.Info(line, zap.String("command", string(kind)))
	})
	set := map[string]string{
		"DATABASE_URL": c.cfg.DatabaseURL, "SCHEMAGATE_TERM": fmt.Sprint(t.Number), "SCHEMAGATE_RELEASE": c.cfg.Release,
	}
	if c.backup != "" {
		set["SCHEMAGATE_BACKUP"] = c.backup
	}
	if c.session != nil {
		set["PGAPPNAME"] = c.session(t)
	}
	exit, err := reaper.Run(ctx, process.Spec{
		Args: argsOf(line), Env: process.Environ(secretVariables(), set), Stdout: out, Stderr: out, NoStdin: true,
		ParentDeathSignal: syscall.SIGKILL, Guard: true,
	}, commandGrace)
	_ = out.Close() // closing flushes the last line; it can't fail
	text := strings.Join(tail.Lines(), "\n")
	if !strings.Contains(text, spoken) { // Node says what was wrong dozens of lines before its last one
		text = spoken + "\n…\n" + text
	}
	if err != nil {
		return text, err
	}
	if kind == runner.StepBefore {
		c.backup = runner.BackupLocation(text)
	}
	if exit.Code != 0 {
		return text, fmt.Errorf("%s: %s", variableOf(kind), exit)
	}
	return text, nil
}

func variableOf(kind runner.StepKind) string {
	return "SCHEMAGATE_" + strings.ToUpper(string(kind))
}

// argsOf splits a plain command by itself, so that an image without a shell can run one; anything else is the shell's.
func argsOf(line string) []string {
	if strings.ContainsAny(line, "|&;<>()$`\\\"'*?[#~=%\n{!") {
		return []string{"/bin/sh", "-c", line}
	}
	return strings.Fields(line)
}

// secretVariables are what neither a command nor the app is to inherit.
func secretVariables() (names []string) {
	for _, f := range config.Fields() {
		if f.Secret != "" {
			names = append(names, f.Variable)
		}
	}
	if source.Password(os.Getenv("SCHEMAGATE_MIGRATIONS")) != "" {
		names = append(names, "SCHEMAGATE_MIGRATIONS")
	}
	return names
}
