//go:build !no_mongodb

package main

import (
	"os"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database/mongodb"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/migrations"
)

func init() {
	adapters["mongodb"] = adapter{migrations.MongoDB, openMongoDB}
	adapters["mongodb+srv"] = adapters["mongodb"]
}

func openMongoDB(url string, cfg *config.Config, t election.Timing, log *zap.Logger) (target, error) {
	env := map[string]string{}
	for name := range strings.SplitSeq(cfg.ScriptEnv, ",") {
		if name = strings.TrimSpace(name); name != "" {
			env[name] = os.Getenv(name)
		}
	}
	return mongodb.Open(url, mongodb.Options{Service: cfg.Service, LeaseTTL: t.TTL, Env: env, MaxMemory: int64(cfg.ScriptMemory) << 20, Log: func(level, message string) {
		l, err := zapcore.ParseLevel(level)
		if err != nil {
			l = zapcore.InfoLevel
		}
		log.Log(l, message, zap.String("from", "script"))
	}})
}
