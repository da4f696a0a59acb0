package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/secret"
	"github.com/schemagate/schemagate/source"
)

// openSource opens the folder or the repository of the migrations, and names the commit for the history.
func (c *cli) openSource(ctx context.Context, cfg *config.Config, log *zap.Logger) (files fs.FS, note string, err error) {
	if password := source.Password(cfg.Migrations); password != "" {
		c.learn(password)
		if given := c.flags["SCHEMAGATE_MIGRATIONS"]; given != nil && *given == cfg.Migrations {
			return nil, "", fmt.Errorf("%w: --migrations holds a password, which every process list would show: use SCHEMAGATE_GIT_TOKEN or SCHEMAGATE_GIT_TOKEN_FILE",
				config.ErrUsage)
		}
	}
	var info source.Info
	err = persistently(ctx, cfg.Timeout, log, func(ctx context.Context) (err error) {
		files, info, err = source.Open(ctx, cfg.Migrations, source.Options{
			Key: []byte(cfg.GitKey), Token: cfg.GitToken, KnownHosts: cfg.GitKnownHosts,
		})
		return err
	})
	if err != nil {
		return nil, "", settingError("SCHEMAGATE_MIGRATIONS", err)
	}
	if info.Commit != "" {
		note = "commit " + info.Commit
		log.Info("migrations from git", zap.String("commit", info.Commit))
	}
	return files, note, nil
}

// resolveSecret fills in the database URL where SCHEMAGATE_DATABASE_SECRET names it.
func (c *cli) resolveSecret(ctx context.Context, cfg *config.Config, log *zap.Logger) error {
	if cfg.DatabaseSecret == "" || cfg.DatabaseURL != "" {
		return nil
	}
	url, err := c.readSecret(ctx, cfg, log)
	cfg.DatabaseURL = url
	return err
}

func (c *cli) readSecret(ctx context.Context, cfg *config.Config, log *zap.Logger) (url string, err error) {
	err = persistently(ctx, cfg.Timeout, log, func(ctx context.Context) (err error) {
		url, err = secret.Resolve(ctx, cfg.DatabaseSecret, secret.Options{Template: cfg.SecretTemplate})
		return err
	})
	if err != nil {
		return "", settingError("SCHEMAGATE_DATABASE_SECRET", err)
	}
	c.learnURL(url)
	return url, config.CheckDatabaseURL("SCHEMAGATE_DATABASE_SECRET", url)
}

func (c *cli) learn(word string) {
	if word != "" {
		c.redactor.Add(word)
	}
}

// learnURL makes a URL's password known in the spelling that it has there, too.
func (c *cli) learnURL(url string) {
	c.learn(url)
	_, rest, _ := strings.Cut(url, "://")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		_, password, _ := strings.Cut(rest[:i], ":")
		c.learn(password)
	}
}

func settingError(variable string, err error) error {
	if unreached(err) {
		return fmt.Errorf("%s: %w", variable, err)
	}
	return fmt.Errorf("%w: %s: %w", config.ErrConfig, variable, err)
}

func unreached(err error) bool {
	return errors.Is(err, source.ErrUnreachable) || errors.Is(err, secret.ErrUnreachable)
}

// persistently tries again what was not reached, for as long as a start may wait. The last answer counts, and not that time is up.
func persistently(ctx context.Context, timeout time.Duration, log *zap.Logger, try func(context.Context) error) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var last error
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := try(ctx)
		if ctx.Err() != nil && last != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return last
		}
		if !unreached(err) {
			return err
		}
		if last == nil {
			log.Warn("not reached, trying again", zap.Error(err))
		}
		last = err
		t := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return last
		}
	}
}

// up is the runner's, with a second try where the password was rotated between our reading it and using it.
func (c *cli) up(ctx context.Context, k *gatekeeper) (err error) {
	defer func() { k.spans.finish(ctx, err) }()
	err = k.run.Up(ctx)
	if !wrongPassword(err) {
		return err
	}
	url, ok, rerr := c.refresher(k.cfg, k.log).Refresh(ctx)
	if rerr != nil {
		k.log.Warn("the secret could not be read again", zap.Error(rerr))
	}
	if !ok {
		return err
	}
	k.log.Warn("the database refused the password, and the secret has changed since; trying the new one", zap.Error(err))
	c.learnURL(url)
	k.cfg.DatabaseURL = url
	db, elector, err := connect(k.cfg, k.log)
	if err != nil {
		return err
	}
	old := k.run
	k.run = &runner.Runner{
		Database: db, Elector: elector, Set: old.Set, Whole: old.Whole, Policy: old.Policy, Candidate: old.Candidate, Campaigns: old.Campaigns,
		Commander: old.Commander, Address: old.Address, Observer: old.Observer, Log: old.Log, Timeout: old.Timeout,
		Stays: old.Stays, Beside: old.Beside,
	}
	if n, ok := db.(interface{ SessionName(database.Term) string }); ok {
		k.commander.session = n.SessionName
	}
	return k.run.Up(ctx)
}

// refresher reads the secret again from where it came.
func (c *cli) refresher(cfg *config.Config, log *zap.Logger) *secret.Refresher {
	r := &secret.Refresher{Current: cfg.DatabaseURL, Read: func(context.Context) (string, error) { return cfg.DatabaseURL, nil }}
	switch {
	case cfg.DatabaseSecret != "":
		r.Read = func(ctx context.Context) (string, error) { return c.readSecret(ctx, cfg, log) }
	case cfg.DatabaseURLFile != "":
		r.Read = func(context.Context) (string, error) {
			b, err := os.ReadFile(cfg.DatabaseURLFile)
			return strings.TrimSpace(string(b)), err
		}
	}
	return r
}

// wrongPassword: PostgreSQL's and MySQL's word for it.
func wrongPassword(err error) bool {
	var se *database.StatementError
	return errors.Is(err, database.ErrDenied) && errors.As(err, &se) && slices.Contains([]string{"28P01", "28000", "1045"}, se.Code)
}
