package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/schemagate/schemagate/config"
)

// examples are what a command's help and its man page show; a test reads every line of them.
var examples = map[string]string{
	"up": `schemagate up                        # in an init container, or by hand
schemagate up --timeout 0            # wait for as long as it takes
schemagate up --contract             # nothing older runs any more: drop what only it used`,
	"wait": `schemagate wait --timeout 30m        # beside a Job that runs up`,
	"run":  `schemagate run -- node server.js     # the entrypoint of a container`,
	"sidecar": `schemagate sidecar                   # /readyz on :8099 tells whether the schema fits
schemagate sidecar --app-health-url http://127.0.0.1:3000/healthz`,
	"status": `schemagate status
schemagate status --json | jq .gate`,
	"history": `schemagate history --since 24h
schemagate history --version 0042 --json`,
	"plan":     `schemagate plan                      # before a deploy, against production`,
	"validate": `schemagate validate --migrations db/migrations    # in CI, without a database`,
	"down": `schemagate down                      # the last one
schemagate down --to 0041            # all that came after 0041
schemagate down --to-release v1.4    # all that came after that release last completed`,
	"resolve": `schemagate resolve 0042 --applied            # all of it is done
schemagate resolve 0042 --from-statement 3   # go on there
schemagate resolve 0042 --retry              # from its start`,
	"new":    `schemagate new add_email             # the next number, up and down`,
	"health": `schemagate health startup            # the HEALTHCHECK of an image without a shell`,
	"demo":   `schemagate demo`,
	"test":   `schemagate test                      # needs the right to create a database`,
	"lint": `schemagate lint --migrations db/migrations
schemagate lint --since 0041 --fail-on error
schemagate lint --sarif > lint.sarif`,
	"adopt": `schemagate adopt --dry-run           # what would be taken over
schemagate adopt --back              # write it back for the other tool`,
	"pack":       `schemagate pack --migrations migrations migrations.zip`,
	"baseline":   `schemagate baseline 0041             # the schema is there already, up to 0041`,
	"pause":      `schemagate pause 0042`,
	"resume":     `schemagate resume 0042`,
	"cancel":     `schemagate cancel 0042`,
	"version":    `schemagate version`,
	"completion": completionExamples,
}

const completionExamples = `source <(schemagate completion bash)                                     # this shell
schemagate completion bash > /etc/bash_completion.d/schemagate           # every bash
schemagate completion zsh > "${fpath[1]}/_schemagate"                    # zsh
schemagate completion fish > ~/.config/fish/completions/schemagate.fish  # fish`

// explain gives every command its examples.
func explain(root *cobra.Command) {
	root.Example = "  schemagate plan && schemagate up\n  schemagate run -- node server.js"
	for _, cmd := range root.Commands() {
		if text := examples[cmd.Name()]; text != "" {
			cmd.Example = "  " + strings.ReplaceAll(text, "\n", "\n  ")
		}
	}
}

// completionCommand writes a script for the shell; it asks this program for what may come next.
func (c *cli) completionCommand() *cobra.Command {
	return &cobra.Command{Use: "completion bash|zsh|fish", Short: "Write the shell's script that completes commands and flags",
		ValidArgs: []string{"bash", "zsh", "fish"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return c.root.GenBashCompletionV2(out, true)
			case "zsh":
				return c.root.GenZshCompletion(out)
			}
			return c.root.GenFishCompletion(out, true)
		}}
}

// flagValues completes what settings have a list of.
func flagValues(root *cobra.Command) {
	for flag, values := range map[string][]string{
		"phase": {"expand", "cutover"}, "init-replicas": {"unknown", "stopped"}, "transaction": {"migration", "release"},
		"log-level": {"debug", "info", "warn", "error"}, "log-format": {"json", "console"}, "pooled": {"true", "false"},
	} {
		if err := root.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // a flag of config.Fields is gone
		}
	}
	for _, f := range config.Fields() {
		if f.Flag == "migrations" {
			_ = root.MarkPersistentFlagDirname(f.Flag)
		}
	}
}
