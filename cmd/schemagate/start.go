package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/process"
)

// commands lists the whole contract; each is in the file that bears its theme.
func (c *cli) commands() []*cobra.Command {
	return append(c.wishCommands(),
		c.upCommand(), c.waitCommand(), c.runCommand(), c.sidecarCommand(),
		c.statusCommand(), c.historyCommand(), c.planCommand(), c.validateCommand(),
		c.downCommand(), c.resolveCommand(),
		c.newCommand(), c.packCommand(), c.healthCommand(), c.demoCommand(), c.demoAppCommand(), c.completionCommand(), c.versionCommand(),
		c.testCommand(), c.lintCommand(),
		c.adoptCommand(), c.baselineCommand(),
	)
}

func (c *cli) upCommand() *cobra.Command {
	var again, contract, force, background bool
	cmd := &cobra.Command{Use: "up", Short: "Init container: migrate or wait, and exit 0 when the gate opens",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.gated(cmd, false, func(ctx context.Context, k *gatekeeper) error {
				k.run.Policy.Again = again
				if err := c.up(ctx, k); err != nil {
					return err
				}
				if contract {
					if err := k.run.ReadWhole(); err != nil {
						return err
					}
				}
				if err := k.leaveBackground(ctx, background); err != nil || !contract {
					return err
				}
				return k.run.Contract(ctx, force)
			})
		}}
	cmd.Flags().BoolVar(&contract, "contract", false, "then apply the contract migrations: the operator's word that what is unknown or silent of older releases has stopped")
	cmd.Flags().BoolVar(&force, "force", false, "with --contract: even where replicas of older releases are known to live")
	cmd.Flags().BoolVar(&background, "background", false, "then carry out the background data migrations, and exit when they are done")
	cmd.Flags().BoolVar(&again, "again", false, "apply again what is on hold since it was rolled back")
	return cmd
}

func (c *cli) waitCommand() *cobra.Command {
	return &cobra.Command{Use: "wait", Short: "Wait for the gate without ever campaigning (an app user without DDL rights)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.gated(cmd, false, func(ctx context.Context, k *gatekeeper) error {
				k.run.Campaigns = false
				return c.up(ctx, k)
			})
		}}
}

// gated runs body between opening the gatekeeper and closing it, under a context that a signal ends.
func (c *cli) gated(cmd *cobra.Command, strict bool, body func(context.Context, *gatekeeper) error) error {
	cfg, warnings, err := c.load(cmd, false)
	if err != nil {
		return err
	}
	ctx, stop := signalled(cmd.Context())
	defer stop()
	k, err := c.open(ctx, cfg, warnings, strict)
	if err != nil {
		return err
	}
	defer k.close(ctx)
	if err := body(ctx, k); err != nil {
		k.gate.Update(func(s *health.Status) { s.State, s.LastError = health.Failed, c.redactor.String(err.Error()) })
		return err
	}
	return nil
}

func (c *cli) sidecarCommand() *cobra.Command {
	return &cobra.Command{Use: "sidecar", Short: "up, then stay: serve health and watch the schema",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.gated(cmd, true, func(ctx context.Context, k *gatekeeper) error {
				k.run.Stays = true
				prober, err := k.probe()
				if err != nil {
					return err
				}
				if err := c.up(ctx, k); err != nil {
					return err
				}
				k.terminal.close()
				k.log.Info("gate open")
				prober.start(ctx)
				k.run.App = beside{k.cfg.Drain}
				moved, err := k.startBackground(ctx)
				if err != nil {
					return err
				}
				k.run.Watch(ctx)
				moved()
				prober.wait()
				k.run.Deregister(ctx)
				return context.Cause(ctx)
			})
		}}
}

func (c *cli) runCommand() *cobra.Command {
	return &cobra.Command{Use: "run -- CMD ARG...", Short: "Entrypoint: wait for the gate, then start the app as a child",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 0 {
				return fmt.Errorf("%w: write schemagate run [flags] -- CMD and its arguments", config.ErrUsage)
			}
			return c.runApp(cmd, args)
		}}
}

// runApp waits for the gate and then supervises the app. Signals end the waiting; once the app runs they are the app's.
func (c *cli) runApp(cmd *cobra.Command, args []string) error {
	cfg, warnings, err := c.load(cmd, false)
	if err != nil {
		return err
	}
	waiting, stopWaiting := signalled(cmd.Context())
	defer func() { stopWaiting() }()
	k, err := c.open(waiting, cfg, warnings, true)
	if err != nil {
		return err
	}
	defer k.close(cmd.Context())
	// Only Linux lets a process that is not the first one adopt orphans.
	reaper, err := k.commander.open(runtime.GOOS == "linux" || os.Getpid() == 1)
	if err != nil {
		return err
	}
	k.run.Stays = true
	prober, err := k.probe()
	if err != nil {
		return err
	}
	if err := c.up(waiting, k); err != nil {
		return err
	}
	k.terminal.close()
	k.log.Info("gate open, starting the app", zap.String("command", args[0]))
	ctx, cancel := context.WithCancel(cmd.Context())
	prober.start(ctx)
	child := newApp(reaper, process.Spec{Args: args, Env: process.Environ(secretVariables(), nil)}, process.Supervision{
		Drain:   cfg.Drain,
		OnTerm:  k.gate.Drain,
		OnStart: func(int) { stopWaiting() },
	}, cfg.Drain, k.log)
	k.run.App = child
	moved, err := k.startBackground(ctx)
	if err != nil {
		cancel()
		return err
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		k.run.Watch(ctx)
	}()
	code, err := 0, context.Cause(waiting)
	if err == nil { // else a signal came since the gate opened, which nobody would tell the app of
		code, err = child.run(cmd.Context())
	}
	cancel()
	<-watched
	moved()
	prober.wait()
	k.run.Deregister(cmd.Context())
	var signal *signalError
	if errors.As(err, &signal) {
		return err
	}
	return &appError{code: code, err: err}
}

// probing is a prober that may not be there.
type probing struct{ p *health.Prober }

func (p probing) start(ctx context.Context) {
	if p.p != nil {
		p.p.Start(ctx)
	}
}

func (p probing) wait() {
	if p.p != nil {
		p.p.Wait()
	}
}

// probe makes what asks the app whether it is well, where that is wanted: before the gate opens, which is not ready without the app.
func (k *gatekeeper) probe() (probing, error) {
	if k.cfg.AppHealthURL == "" {
		return probing{}, nil
	}
	p, err := health.NewProber(k.gate, k.cfg.AppHealthURL)
	if err != nil {
		return probing{}, errors.Join(config.ErrConfig, err)
	}
	return probing{p}, nil
}
