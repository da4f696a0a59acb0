package main

import (
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/schemagate/schemagate/config"
)

// newLogger writes to standard error: one JSON object a line, or for people on a terminal. Every line passes the redactor.
func newLogger(cfg *config.Config, r *config.Redactor) *zap.Logger {
	return newLoggerAbove(nil, cfg, r)
}

// newLoggerAbove has the lines pass above a terminal's bar, where there is one.
func newLoggerAbove(t *terminal, cfg *config.Config, r *config.Redactor) *zap.Logger {
	if t != nil {
		return loggerTo(t, true, cfg, r)
	}
	return loggerTo(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())), cfg, r)
}

func loggerTo(w io.Writer, terminal bool, cfg *config.Config, r *config.Redactor) *zap.Logger {
	level, err := zapcore.ParseLevel(cfg.LogLevel)
	if err != nil {
		level = zapcore.InfoLevel // config has checked it
	}
	ec := zap.NewProductionEncoderConfig()
	ec.TimeKey, ec.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	ec.EncodeDuration = zapcore.StringDurationEncoder
	enc := zapcore.NewJSONEncoder
	if cfg.LogFormat == "console" || cfg.LogFormat == "" && terminal {
		enc = zapcore.NewConsoleEncoder
		ec.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		ec.EncodeLevel = zapcore.CapitalLevelEncoder
		if terminal && os.Getenv("NO_COLOR") == "" {
			ec.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
	}
	core := zapcore.NewCore(enc(ec), zapcore.Lock(zapcore.AddSync(r.Writer(w))), level)
	return zap.New(core).With(zap.String("service", cfg.Service), zap.String("replica", cfg.Replica), zap.String("release", cfg.Release))
}
