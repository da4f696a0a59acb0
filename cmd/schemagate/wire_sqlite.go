//go:build !no_sqlite

package main

import (
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database/sqlite"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

func init() { adapters["sqlite"] = adapter{migrations.SQLite, openSQLite} }

func openSQLite(url string, cfg *config.Config, _ election.Timing, _ *zap.Logger) (target, error) {
	return sqlite.Open(url, sqlite.Options{Service: cfg.Service})
}
