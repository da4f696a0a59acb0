package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/schemagate/schemagate/cmd/schemagate/demo"
	"github.com/schemagate/schemagate/config"
)

// demoApp is the hidden command that has this binary serve as the demo's app.
const demoApp = "demo-app"

func (c *cli) demoCommand() *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "Five replicas against an embedded SQLite database, shown live",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signalled(cmd.Context())
			defer stop()
			if _, ok := adapters["sqlite"]; !ok {
				return fmt.Errorf("%w: this binary was built without SQLite, on which the demo runs: take the full build", config.ErrConfig)
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			live := term.IsTerminal(int(os.Stdout.Fd()))
			err = demo.Run(ctx, demo.Options{
				Out: cmd.OutOrStdout(), Live: live, Color: live && os.Getenv("NO_COLOR") == "", Binary: self, App: []string{self, demoApp},
			})
			if cause := context.Cause(ctx); cause != nil && err != nil {
				return cause
			}
			return err
		}}
}

// demoAppCommand is the app behind the demo's gates: it answers, and ends on SIGTERM.
func (c *cli) demoAppCommand() *cobra.Command {
	return &cobra.Command{Use: demoApp + " ADDR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signalled(cmd.Context())
			defer stop()
			l, err := net.Listen("tcp", args[0])
			if err != nil {
				return err
			}
			server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("hello from release " + os.Getenv("SCHEMAGATE_RELEASE") + "\n")) // the client may be gone
			})}
			done := make(chan error, 1)
			go func() { done <- server.Serve(l) }()
			<-ctx.Done()
			err = server.Close()
			if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
				err = errors.Join(err, serr)
			}
			return err
		}}
}
