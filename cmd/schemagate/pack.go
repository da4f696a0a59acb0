package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/source"
)

var packable = []migrations.Dialect{migrations.Postgres, migrations.MySQL, migrations.SQLite, migrations.MongoDB}

func (c *cli) packCommand() *cobra.Command {
	dialect := ""
	cmd := &cobra.Command{Use: "pack FILE.zip", Short: "Check the set and write it as one sealed file, which a start with nothing to do need not read",
		Long: "Checks the set and writes it as one zip archive with a seal: its digest, and the archive's own checksum. SCHEMAGATE_MIGRATIONS may name\n" +
			"the archive instead of the folder. Pack when the image is built; the same files give the same bytes.",
		Example: "  schemagate pack --migrations migrations migrations.zip",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := c.load(cmd, true)
			if err != nil {
				return err
			}
			if !source.IsPacked(args[0]) {
				return fmt.Errorf("%w: pack %s: name the file .zip, by which it is known", config.ErrUsage, args[0])
			}
			options, err := readingOf(cfg)
			if err != nil {
				return err
			}
			if dialect != "" {
				if options.Dialect = migrations.Dialect(dialect); !slices.Contains(packable, options.Dialect) {
					return fmt.Errorf("%w: pack --dialect %s: write postgres, mysql, sqlite or mongodb", config.ErrUsage, dialect)
				}
			}
			files, note, err := c.openSource(cmd.Context(), cfg, zap.NewNop())
			if err != nil {
				return err
			}
			var archive bytes.Buffer
			set, err := migrations.Pack(&archive, files, options, note)
			if err == nil {
				err = supported(set)
			}
			if err != nil {
				return fmt.Errorf("SCHEMAGATE_MIGRATIONS=%s: %w", source.Redacted(cfg.Migrations), problems{err})
			}
			if err := os.WriteFile(args[0], archive.Bytes(), 0o644); err != nil {
				return fmt.Errorf("%w: pack: %w", config.ErrConfig, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d migrations, %s, digest %s\n", args[0], len(set.Migrations), set.Format, set.Digest)
			return err
		}}
	cmd.Flags().StringVar(&dialect, "dialect", "", "the database that it is for, where no database URL is set: postgres (the default), mysql, sqlite or mongodb")
	return cmd
}
