package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/source"
)

// version is set by the release build.
var version = ""

// operated runs what a person asks for under an election of its own, without a gate.
func (c *cli) operated(cmd *cobra.Command, body func(context.Context, *config.Config, *runner.Runner) error) error {
	cfg, warnings, err := c.load(cmd, false)
	if err != nil {
		return err
	}
	ctx, stop := signalled(cmd.Context())
	defer stop()
	log := newLogger(cfg, &c.redactor)
	for _, w := range warnings {
		log.Warn(w)
	}
	r, err := c.build(ctx, cfg, false, log)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // standard error can't be synced everywhere
	return body(ctx, cfg, r)
}

func (c *cli) downCommand() *cobra.Command {
	to, release, force := "", "", false
	cmd := &cobra.Command{Use: "down [N | --to V | --to-release R]", Short: "Roll back N migrations (default 1), to version V, or to release R, from the history's own down scripts",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			how := runner.Rollback{Steps: 1, To: to, Release: release, Force: force}
			if (to != "" || cmd.Flags().Changed("to-release")) && len(args) == 1 || to != "" && cmd.Flags().Changed("to-release") {
				return fmt.Errorf("%w: down takes N, --to or --to-release, not both", config.ErrUsage)
			}
			if cmd.Flags().Changed("to-release") && release == "" {
				return fmt.Errorf("%w: down --to-release: name the release", config.ErrUsage)
			}
			if len(args) == 1 {
				n, err := strconv.Atoi(args[0])
				if err != nil || n < 1 {
					return fmt.Errorf("%w: down %s: N is a whole number from 1; use --to VERSION for a version", config.ErrUsage, args[0])
				}
				how.Steps = n
			}
			return c.operated(cmd, func(ctx context.Context, cfg *config.Config, r *runner.Runner) error {
				how.Dialect = dialectOf(cfg)
				return r.Down(ctx, how)
			})
		}}
	cmd.Flags().BoolVar(&force, "force", false, "even where a live replica's release needs what is rolled back")
	cmd.Flags().StringVar(&release, "to-release", "", "roll back to what was in force when this release last completed")
	cmd.Flags().StringVar(&to, "to", "", "the version that stays the last one in force; 0 rolls back everything")
	return cmd
}

func (c *cli) resolveCommand() *cobra.Command {
	var applied, retry bool
	statement := 0
	cmd := &cobra.Command{Use: "resolve V --applied | --retry | --from-statement K",
		Short: "Answer what only a person can know; fenced and recorded", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			how := runner.Resolution{Version: args[0], Statement: statement}
			given := 0
			for answer, is := range map[string]bool{
				database.ResolvedApplied: applied, database.ResolvedRetry: retry, database.ResolvedStatement: cmd.Flags().Changed("from-statement"),
			} {
				if is {
					how.Answer = answer
					given++
				}
			}
			if given != 1 {
				return fmt.Errorf("%w: resolve %s: give one of --applied, --retry and --from-statement K", config.ErrUsage, args[0])
			}
			return c.operated(cmd, func(ctx context.Context, _ *config.Config, r *runner.Runner) error {
				return r.Resolve(ctx, how)
			})
		}}
	cmd.Flags().BoolVar(&applied, "applied", false, "all of it took effect")
	cmd.Flags().BoolVar(&retry, "retry", false, "none of it took effect: run it again from its start")
	cmd.Flags().IntVar(&statement, "from-statement", 0, "go on from this statement, counted from 1")
	return cmd
}

func (c *cli) newCommand() *cobra.Command {
	return &cobra.Command{Use: "new NAME", Short: "Write the next migration's files", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := c.load(cmd, true)
			if err != nil {
				return err
			}
			if source.IsGit(cfg.Migrations) || source.IsPacked(cfg.Migrations) {
				return fmt.Errorf("%w: new: SCHEMAGATE_MIGRATIONS is no folder; give one with --migrations", config.ErrUsage)
			}
			if err := os.MkdirAll(cfg.Migrations, 0o755); err != nil {
				return fmt.Errorf("%w: SCHEMAGATE_MIGRATIONS: %w", config.ErrConfig, err)
			}
			files, err := migrations.Native(args[0], time.Now().UTC()), error(nil)
			if len(files) == 0 {
				return fmt.Errorf("%w: new %q: a name needs a letter or a digit", config.ErrUsage, args[0])
			}
			for name, text := range files {
				path := filepath.Join(cfg.Migrations, name)
				f, ferr := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
				if ferr != nil {
					return errors.Join(err, ferr)
				}
				_, werr := f.WriteString(text)
				err = errors.Join(err, werr, f.Close())
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		}}
}

func (c *cli) healthCommand() *cobra.Command {
	return &cobra.Command{Use: "health [live|ready|startup]", Short: "Ask the instance running here: exit 0 or 1",
		Args: cobra.MaximumNArgs(1), ValidArgs: []string{"live", "ready", "startup"},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := c.load(cmd, true)
			if err != nil {
				return err
			}
			what := "ready"
			if len(args) == 1 {
				what = args[0]
			}
			err = health.Probe(cmd.Context(), cfg.HTTPAddr, what)
			if errors.Is(err, health.ErrUnknownProbe) {
				return fmt.Errorf("%w: %w", config.ErrUsage, err)
			}
			if err != nil {
				return &appError{code: 1, err: err}
			}
			return nil
		}}
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, tags := version, ""
			if b, ok := debug.ReadBuildInfo(); ok {
				v = cmp.Or(v, b.Main.Version)
				if i := slices.IndexFunc(b.Settings, func(s debug.BuildSetting) bool { return s.Key == "-tags" }); i >= 0 {
					tags = " " + b.Settings[i].Value
				}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "schemagate %s %s %s/%s%s\n", cmp.Or(v, "devel"), runtime.Version(), runtime.GOOS, runtime.GOARCH, tags)
			return err
		}}
}
