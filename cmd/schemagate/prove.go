package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/prove"
)

func (c *cli) testCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "test", Short: "Prove the set on a scratch database that it makes and drops: up, down, up again",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := c.load(cmd, false)
			if err != nil {
				return err
			}
			if cfg.Command != "" {
				return fmt.Errorf("%w: test proves migration files, and SCHEMAGATE_COMMAND migrates by a program of its own: test it with its own means", config.ErrUsage)
			}
			ctx, stop := signalled(cmd.Context())
			defer stop()
			log := newLogger(cfg, &c.redactor)
			defer func() { _ = log.Sync() }() // standard error can't be synced everywhere
			for _, w := range warnings {
				log.Warn(w)
			}
			if err := c.resolveSecret(ctx, cfg, log); err != nil {
				return err
			}
			set, files, _, err := c.loadFiles(ctx, cfg, log)
			if err != nil {
				return err
			}
			db, _, err := connect(cfg, log)
			if err != nil {
				return err
			}
			defer db.Disconnect()
			scratcher, ok := db.(database.Scratcher)
			if !ok {
				return fmt.Errorf("%w: %s: test is not in this version for %s", config.ErrUsage, cfg.Source(), db.Traits().Name)
			}
			p := prove.Prover{Scratcher: scratcher, Set: set, Policy: policyOf(cfg, ""), Dialect: dialectOf(cfg), Files: files,
				Step: func(file, step string) { log.Debug("trying", zap.String("migration", file), zap.String("step", step)) }}
			report, err := p.Run(ctx)
			if report == nil {
				return err
			}
			if asJSON {
				err = errors.Join(err, writeJSON(cmd.OutOrStdout(), report))
			} else {
				err = errors.Join(err, report.Write(cmd.OutOrStdout()))
			}
			return err
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
