package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/database/postgres"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/lease"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/source"
)

// target is a database together with its lease: what an adapter brings.
type target interface {
	database.Database
	database.Leases
}

// adapter is a database, by the scheme of its URL.
type adapter struct {
	dialect migrations.Dialect
	open    func(url string, cfg *config.Config, t election.Timing, log *zap.Logger) (target, error)
}

// adapters is the one line of wiring that a database takes. Those that a build may leave out add theirs in a file of their own.
var adapters = map[string]adapter{
	"postgres":   {migrations.Postgres, openPostgres},
	"postgresql": {migrations.Postgres, openPostgres},
}

func openPostgres(url string, cfg *config.Config, t election.Timing, _ *zap.Logger) (target, error) {
	return postgres.Open(url, postgres.Options{Service: cfg.Service, Schema: cfg.Schema, Pooled: cfg.PoolerKnown(), LeaseTTL: t.TTL, Interval: t.Interval})
}

// dialectOf tells the parser whose SQL it reads; without a database it reads PostgreSQL's.
func dialectOf(cfg *config.Config) migrations.Dialect {
	if a, ok := adapters[config.Scheme(cfg.DatabaseURL)]; ok {
		return a.dialect
	}
	return migrations.Postgres
}

// loadSet opens the source and parses the set. The note says which commit it is of.
func (c *cli) loadSet(ctx context.Context, cfg *config.Config, log *zap.Logger) (set *migrations.Set, note string, err error) {
	if cfg.Command != "" {
		if source.IsGit(cfg.Migrations) {
			return nil, "", fmt.Errorf("%w: SCHEMAGATE_MIGRATIONS: with SCHEMAGATE_COMMAND it must be a folder: the command can't read a git URL", config.ErrConfig)
		}
		set, err := migrations.ForCommand(cfg.Command, cfg.Migrations)
		if err != nil {
			return nil, "", fmt.Errorf("%w: SCHEMAGATE_MIGRATIONS: with SCHEMAGATE_COMMAND it must name the folder or glob of the files that tell "+
				"when the command is due: %w", config.ErrConfig, err)
		}
		return set, note, nil
	}
	set, _, note, err = c.loadFiles(ctx, cfg, log)
	return set, note, err
}

// loadFiles is loadSet with what the set was read from.
func (c *cli) loadFiles(ctx context.Context, cfg *config.Config, log *zap.Logger) (set *migrations.Set, files fs.FS, note string, err error) {
	options, err := readingOf(cfg)
	if err != nil {
		return nil, nil, "", err
	}
	files, note, err = c.openSource(ctx, cfg, log)
	if err != nil {
		return nil, nil, "", err
	}
	set, err = migrations.Load(files, options)
	if err == nil {
		err = supported(set)
	}
	if err == nil && source.IsPacked(cfg.Migrations) {
		var seal migrations.Seal
		seal, _, err = unseal(cfg.Migrations, options)
		note = seal.Source
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("SCHEMAGATE_MIGRATIONS=%s: %w", source.Redacted(cfg.Migrations), problems{err})
	}
	return set, files, note, nil
}

func readingOf(cfg *config.Config) (migrations.Options, error) {
	values, err := cfg.PlaceholderMap()
	return migrations.Options{Dialect: dialectOf(cfg), Phase: migrations.Phase(cfg.Phase), Placeholders: values}, err
}

// briefSet is a set with its digest, and without its migrations: as a packed one's seal has it, or a folder's names and bytes. It is
// nil where the set is to be read, and where something is wrong, which reading it tells.
func (c *cli) briefSet(ctx context.Context, cfg *config.Config, log *zap.Logger) (set *migrations.Set, note string) {
	if cfg.Command != "" || source.IsGit(cfg.Migrations) {
		return nil, ""
	}
	options, err := readingOf(cfg)
	if err != nil {
		return nil, ""
	}
	if !source.IsPacked(cfg.Migrations) {
		files, _, err := c.openSource(ctx, cfg, log)
		if err != nil {
			return nil, ""
		}
		set, _ := migrations.Skim(files, options)
		return set, ""
	}
	seal, ok, err := unseal(cfg.Migrations, options)
	if err != nil || !ok || seal.Deferred {
		return nil, ""
	}
	return &migrations.Set{Format: seal.Format, Digest: seal.Digest}, seal.Source
}

func unseal(name string, o migrations.Options) (migrations.Seal, bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return migrations.Seal{}, false, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return migrations.Seal{}, false, err
	}
	return migrations.Unseal(f, info.Size(), o)
}

// supported refuses what the parser knows and this version does not carry out yet, rather than pass over it in silence.
func supported(set *migrations.Set) error {
	var found []error
	for _, m := range set.Migrations {
		if m.Up.Verify != "" && m.Up.Language != "sql" {
			found = append(found, &migrations.Problem{File: m.Up.File, Line: m.Up.VerifyLine, Msg: "verify= is for SQL", Remedy: "export async verify(db, client), which throws or returns false"})
		}
	}
	return errors.Join(found...)
}

// build joins database, elector and set into a runner. A brief one may have no more than the digest of a set, until it
// finds that there is something to do.
func (c *cli) build(ctx context.Context, cfg *config.Config, brief bool, log *zap.Logger) (*runner.Runner, error) {
	// The set is parsed in the dialect of the database, so that its URL comes first.
	if err := c.resolveSecret(ctx, cfg, log); err != nil {
		return nil, err
	}
	db, elector, unusable := connect(cfg, log)
	if d, ok := db.(interface{ Dial(context.Context) }); ok && unusable == nil {
		d.Dial(ctx) // the set is read meanwhile
	}
	var set *migrations.Set
	var note string
	var whole func() (*migrations.Set, error)
	if brief {
		set, note = c.briefSet(ctx, cfg, log)
	}
	var err error
	if set != nil {
		whole = func() (*migrations.Set, error) { set, _, err := c.loadSet(ctx, cfg, log); return set, err }
	} else if set, note, err = c.loadSet(ctx, cfg, log); err != nil {
		if unusable == nil {
			db.Disconnect()
		}
		return nil, err
	}
	if unusable != nil {
		return nil, unusable
	}
	r := &runner.Runner{
		Database: db, Elector: elector, Set: set, Whole: whole, Log: log, Timeout: cfg.Timeout, Campaigns: true, PauseFile: cfg.PauseFile,
		Candidate: election.Candidate{Replica: cfg.Replica, Release: cfg.Release},
		Policy:    policyOf(cfg, note),
	}
	r.Beside = func() (*runner.Runner, error) {
		db, elector, err := connect(cfg, log)
		if err != nil {
			return nil, err
		}
		return &runner.Runner{Database: db, Elector: elector, Set: r.Set, Log: log, Timeout: cfg.Timeout, Campaigns: true,
			Candidate: r.Candidate, Policy: r.Policy}, nil
	}
	return r, nil
}

func policyOf(cfg *config.Config, note string) runner.Policy {
	return runner.Policy{
		Service: cfg.Service, Phase: migrations.Phase(cfg.Phase), LockTimeout: cfg.LockTimeout, StatementTimeout: cfg.StatementTimeout,
		Before: cfg.Before, BackupVerify: cfg.BackupVerify, After: cfg.After, OneTransaction: cfg.Transaction == "release",
		Command: cfg.Command, Always: cfg.CommandAlways, Source: note, Init: runner.InitPolicy(cfg.InitReplicas),
	}
}

// connect opens the database and the elector that the settings name; neither is reached yet.
func connect(cfg *config.Config, log *zap.Logger) (target, election.Elector, error) {
	a, ok := adapters[config.Scheme(cfg.DatabaseURL)]
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s: this binary was built without %s:// (schemagate version lists the tags): take the full build",
			config.ErrConfig, cfg.Source(), config.Scheme(cfg.DatabaseURL))
	}
	timing, err := election.NewTiming(cfg.LeaseTTL)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: SCHEMAGATE_LEASE_TTL: %w", config.ErrConfig, err)
	}
	db, err := a.open(cfg.DatabaseURL, cfg, timing, log)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", cfg.Source(), err)
	}
	elector, err := electorOf(cfg, db, timing)
	return db, elector, err
}

// openConsul is nil in a build without Consul.
var openConsul func(cfg *config.Config, db target, t election.Timing) (election.Elector, error)

func electorOf(cfg *config.Config, db target, t election.Timing) (election.Elector, error) {
	if cfg.Election == "database" {
		return &lease.Elector{Leases: db, Timing: t}, nil
	}
	if openConsul == nil {
		return nil, fmt.Errorf("%w: SCHEMAGATE_ELECTION: this binary was built without Consul (schemagate version lists the tags): take the full build, "+
			"or leave the election to the database", config.ErrConfig)
	}
	e, err := openConsul(cfg, db, t)
	if err != nil {
		return nil, fmt.Errorf("%w: SCHEMAGATE_ELECTION: %w", config.ErrConfig, err)
	}
	return e, nil
}

// reachableAt is where other replicas reach our health endpoints: this host as the database sees it, or what was set.
func reachableAt(listen string, db any) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		a, ok := db.(interface{ Address() string })
		if !ok || a.Address() == "" {
			return ""
		}
		host = a.Address()
	}
	return net.JoinHostPort(host, port)
}
