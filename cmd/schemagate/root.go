package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/internal/spell"
)

// cli is what every command shares: what was given on the command line, and where to write.
type cli struct {
	environ  []string
	redactor config.Redactor
	flags    map[string]*string // by variable
	root     *cobra.Command
}

// execute runs the command line and returns the exit code.
func execute(args, environ []string) int {
	c := &cli{environ: environ, flags: map[string]*string{}}
	c.root = c.command()
	c.root.SetArgs(args)
	err := c.root.Execute()
	if err == nil {
		return exitOpen
	}
	var app *appError
	if errors.As(err, &app) && app.err == nil {
		return app.code
	}
	text := c.redactor.String(err.Error())
	fmt.Fprintln(os.Stderr, "schemagate: "+text)
	if cmd, _, ferr := c.root.Find(args); ferr == nil && gating[cmd.Name()] {
		lastWords(text)
	}
	if app != nil {
		return app.code
	}
	return exitCode(err)
}

// gating commands are a container's own process; the others are run beside one, and leave its last words alone.
var gating = map[string]bool{"up": true, "wait": true, "run": true, "sidecar": true}

// appError carries the exit code of the app, or of its failing to start.
type appError struct {
	code int
	err  error
}

func (e *appError) Error() string { return e.err.Error() }
func (e *appError) Unwrap() error { return e.err }

func (c *cli) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "schemagate",
		Short: "One replica migrates, all go live together",
		Long: "schemagate stands before every replica of an app. One wins an election and applies the pending migrations,\n" +
			"the others wait; the gate opens when the schema is the one that this release was built for.",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // completionCommand is ours
	}
	for _, f := range config.Fields() {
		if f.Secret == "text" {
			continue
		}
		v := root.PersistentFlags().VarPF(&setting{text: f.Default, kind: "value", isBool: f.Bool}, f.Flag, "", f.Desc)
		if f.Bool {
			v.NoOptDefVal = "true"
		}
		c.flags[f.Variable] = &v.Value.(*setting).text
	}
	root.PersistentFlags().SortFlags = false
	root.SetFlagErrorFunc(unknownFlag)
	root.AddCommand(c.commands()...)
	explain(root)
	flagValues(root)
	for _, cmd := range append(root.Commands(), root) {
		wrapArgs(cmd)
	}
	return root
}

// setting is a flag's text; it is judged together with the environment, so that all problems are reported at once.
type setting struct {
	text, kind string
	isBool     bool
}

func (s *setting) String() string     { return s.text }
func (s *setting) Set(v string) error { s.text = v; return nil }
func (s *setting) Type() string       { return s.kind }
func (s *setting) IsBoolFlag() bool   { return s.isBool }

// unknownFlag suggests the flag that was probably meant.
func unknownFlag(cmd *cobra.Command, err error) error {
	msg := err.Error()
	var nx *pflag.NotExistError
	if errors.As(err, &nx) {
		var names []string
		collect := func(f *pflag.Flag) { names = append(names, f.Name) }
		cmd.Flags().VisitAll(collect)
		cmd.InheritedFlags().VisitAll(collect)
		name := nx.GetSpecifiedName()
		for _, f := range config.Fields() {
			if f.Flag == name && f.Secret != "" {
				return fmt.Errorf("%w: --%s would show a secret in the process list: use %s or %s_FILE", config.ErrUsage, name, f.Variable, f.Variable)
			}
		}
		if n := spell.Nearest(name, names); n != "" {
			msg += "; did you mean --" + n + "?"
		}
	}
	return fmt.Errorf("%w: %s (schemagate %s --help lists the flags)", config.ErrUsage, msg, cmd.Name())
}

// wrapArgs makes wrong arguments wrong usage, whatever checks them.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if !cmd.HasParent() && len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %s: %w", config.ErrUsage, cmd.CommandPath(), err)
		}
		return nil
	}
	if !cmd.HasParent() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return fmt.Errorf("%w: name a command", config.ErrUsage)
		}
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	msg := fmt.Sprintf("there is no command %q", name)
	if n := spell.Nearest(name, names); n != "" {
		msg += "; did you mean " + n + "?"
	}
	return fmt.Errorf("%w: %s", config.ErrUsage, msg)
}

// load reads the settings for a command, with the flags that were given over the environment.
func (c *cli) load(cmd *cobra.Command, noDatabase bool) (*config.Config, []string, error) {
	given := map[string]string{}
	for _, f := range config.Fields() {
		if fl := cmd.Flag(f.Flag); fl != nil && fl.Changed && c.flags[f.Variable] != nil {
			given[f.Variable] = *c.flags[f.Variable]
		}
	}
	cfg, warnings, err := config.Load(config.Options{Environ: c.environ, Flags: given, NoDatabase: noDatabase})
	if err != nil {
		return nil, warnings, problems{err}
	}
	cfg.Secrets(&c.redactor)
	return cfg, warnings, nil
}

// problems keeps the type of a joined error and lists it one to a line.
type problems struct{ err error }

func (p problems) Error() string {
	text := p.err.Error()
	if !strings.Contains(text, "\n") {
		return text
	}
	return "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

func (p problems) Unwrap() error { return p.err }
