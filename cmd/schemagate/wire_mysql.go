//go:build !no_mysql

package main

import (
	"go.uber.org/zap"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database/mysql"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

func init() { adapters["mysql"] = adapter{migrations.MySQL, openMySQL} }

func openMySQL(url string, cfg *config.Config, t election.Timing, _ *zap.Logger) (target, error) {
	return mysql.Open(url, mysql.Options{Service: cfg.Service, Schema: cfg.Schema, LeaseTTL: t.TTL, Interval: t.Interval})
}
