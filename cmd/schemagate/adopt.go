package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/runner"
)

type adoptionJSON struct {
	Tool  string `json:"tool"`
	Table string `json:"table"`
	// Versions are all that the record has; New were not in the history, Unknown are not in the set.
	Versions   []string `json:"versions"`
	New        []string `json:"new"`
	RolledBack []string `json:"rolled_back"`
	Unknown    []string `json:"unknown"`
	Nothing    string   `json:"nothing"`
}

func (c *cli) adoptCommand() *cobra.Command {
	var dry, back, asJSON bool
	cmd := &cobra.Command{Use: "adopt [--dry-run | --back]", Short: "Take over what another tool recorded (the first start does so, too), or give it back",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry && back {
				return fmt.Errorf("%w: adopt takes --dry-run or --back, not both", config.ErrUsage)
			}
			return c.operated(cmd, func(ctx context.Context, cfg *config.Config, r *runner.Runner) error {
				w := cmd.OutOrStdout()
				if back {
					given, err := r.HandBack(ctx, dialectOf(cfg))
					if err != nil {
						return err
					}
					return printGiven(w, given, asJSON)
				}
				a, err := r.Adopt(ctx, dry)
				if err != nil {
					return err
				}
				if asJSON {
					versions := []string{}
					for _, e := range a.Events {
						versions = append(versions, e.Version)
					}
					return writeJSON(w, adoptionJSON{a.Tool, a.Table, versions, strs(a.New), strs(a.Back), strs(a.Unknown), a.Why})
				}
				return printAdoption(w, a, dry)
			})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would be taken over")
	cmd.Flags().BoolVar(&back, "back", false, "write what is in force into the old tool's own record")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printAdoption(w io.Writer, a *runner.Adoption, dry bool) error {
	if a.Why != "" {
		_, err := fmt.Fprintf(w, "nothing to adopt: %s\n", a.Why)
		return err
	}
	unknown := map[string]bool{}
	for _, v := range a.Unknown {
		unknown[v] = true
	}
	for _, e := range a.Events {
		line := strings.TrimSuffix(e.Version+"_"+e.Name, "_")
		if unknown[e.Version] {
			line += "  (not in this set)"
		}
		fmt.Fprintln(w, line)
	}
	for _, v := range a.Back {
		fmt.Fprintf(w, "%s  (rolled back since)\n", v)
	}
	verb := "adopted"
	if dry {
		verb = "to adopt"
	}
	_, err := fmt.Fprintf(w, "%d version(s) %s from %s (%s)\n", len(a.Events), verb, a.Tool, a.Table)
	return err
}

func printGiven(w io.Writer, g *adopt.Given, asJSON bool) error {
	table := g.Write.Table
	if g.Write.Schema != "" {
		table = g.Write.Schema + "." + table
	}
	if asJSON {
		return writeJSON(w, struct {
			Tool     string   `json:"tool"`
			Table    string   `json:"table"`
			Versions []string `json:"versions"`
		}{g.Tool, table, strs(g.Versions)})
	}
	_, err := fmt.Fprintf(w, "%d version(s) handed back to %s (%s)\n", len(g.Versions), g.Tool, table)
	return err
}

func (c *cli) baselineCommand() *cobra.Command {
	return &cobra.Command{Use: "baseline V", Short: "Mark everything up to version V as applied, without running it (0: nothing, and leave other tools' records alone)",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.operated(cmd, func(ctx context.Context, _ *config.Config, r *runner.Runner) error {
				n, err := r.Baseline(ctx, args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d version(s) marked as applied\n", n)
				return err
			})
		}}
}
