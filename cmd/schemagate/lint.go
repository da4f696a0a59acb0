package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/source"
)

// linting is what the flags of lint say.
type linting struct {
	json, sarif, database bool
	failOn, since         string
}

func (c *cli) lintCommand() *cobra.Command {
	var how linting
	cmd := &cobra.Command{Use: "lint", Short: "Warn of what blocks a busy table or breaks the running release; connects only with --database",
		Long: "lint reads the migrations and warns of what blocks a busy table or breaks the release that still runs: with file and line, the lock\n" +
			"that it takes, what that blocks, and how to write it so that nobody waits. docs/lint.md explains every rule.\n\n" +
			"A finding is silenced by a comment with a reason, before its statement or at the head of its file:\n" +
			"  -- schemagate: lint-ignore RULE REASON\n\n" +
			"Without --database nothing is connected to; the scheme of the database URL, if there is one, tells the dialect (else PostgreSQL).\n" +
			"Exit codes: 0 nothing at or above --fail-on; 65 findings, or a set that does not parse; 64 wrong usage.",
		Example: "  schemagate lint --migrations db/migrations\n  schemagate lint --since 0041 --fail-on error\n  schemagate lint --sarif > lint.sarif",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.lint(cmd, how) }}
	f := cmd.Flags()
	f.BoolVar(&how.json, "json", false, "as JSON")
	f.BoolVar(&how.sarif, "sarif", false, "as SARIF 2.1.0, for code hosts and editors")
	f.StringVar(&how.failOn, "fail-on", string(lint.Warning), "exit 65 from this severity on: info, warning or error")
	f.BoolVar(&how.database, "database", false, "only what is pending in the database")
	f.StringVar(&how.since, "since", "", "only what comes after this version")
	return cmd
}

func (c *cli) lint(cmd *cobra.Command, how linting) error {
	limit := lint.Severity(how.failOn)
	switch {
	case how.json && how.sarif:
		return fmt.Errorf("%w: lint takes --json or --sarif, not both", config.ErrUsage)
	case !slices.Contains(lint.Severities(), limit):
		return fmt.Errorf("%w: lint --fail-on %s: write info, warning or error", config.ErrUsage, how.failOn)
	}
	cfg, set, include, err := c.lintSet(cmd, how)
	if err != nil {
		return err
	}
	result, err := lint.Set(set, lint.Options{Dialect: dialectOf(cfg), Include: include})
	if err != nil {
		return fmt.Errorf("SCHEMAGATE_MIGRATIONS=%s: %w", source.Redacted(cfg.Migrations), problems{err})
	}
	if !source.IsGit(cfg.Migrations) {
		for _, list := range [][]lint.Finding{result.Findings, result.Silenced} {
			for i := range list {
				list[i].File = filepath.Join(cfg.Migrations, filepath.FromSlash(list[i].File))
			}
		}
	}
	switch {
	case how.json:
		err = result.WriteJSON(cmd.OutOrStdout())
	case how.sarif:
		err = result.WriteSARIF(cmd.OutOrStdout(), strings.TrimPrefix(version, "v"))
	default:
		err = result.WriteText(cmd.OutOrStdout())
	}
	if err != nil {
		return err
	}
	return result.Fail(limit)
}

// lintSet reads the set, and tells which of it is asked for.
func (c *cli) lintSet(cmd *cobra.Command, how linting) (cfg *config.Config, set *migrations.Set, include func(migrations.Migration) bool, err error) {
	pending := map[string]bool{}
	if how.database {
		var r *runner.Runner
		var report *runner.Report
		if cfg, r, report, err = c.inspect(cmd); err != nil {
			return nil, nil, nil, err
		}
		if report.Misfit != nil {
			return nil, nil, nil, report.Misfit
		}
		set = r.Set
		for _, l := range report.Plan.Lines {
			pending[l.Version] = l.State != runner.LineApplied
		}
	} else {
		if cfg, _, err = c.load(cmd, true); err != nil {
			return nil, nil, nil, err
		}
		if set, _, err = c.loadSet(cmd.Context(), cfg, zap.NewNop()); err != nil {
			return nil, nil, nil, err
		}
	}
	if cfg.Command != "" {
		return nil, nil, nil, fmt.Errorf("%w: lint: SCHEMAGATE_COMMAND runs the migrations of another tool, which lint can't read", config.ErrConfig)
	}
	from := 0
	if how.since != "" {
		from = 1 + slices.IndexFunc(set.Migrations, func(m migrations.Migration) bool { return migrations.CompareVersions(m.Version, how.since) == 0 })
		if from == 0 {
			return nil, nil, nil, fmt.Errorf("%w: lint --since %s: the set has no such version", config.ErrUsage, how.since)
		}
	}
	after := map[string]bool{}
	for _, m := range set.Migrations[from:] {
		after[m.Version] = true
	}
	return cfg, set, func(m migrations.Migration) bool { return after[m.Version] && (!how.database || pending[m.Version]) }, nil
}
