package config

import (
	"reflect"
	"strings"
	"time"
)

const prefix = "SCHEMAGATE_"

// Config is every setting. The tags are the contract: name, default and meaning; the settings page of the docs is made of them.
type Config struct {
	DatabaseURL      string        `env:"DATABASE_URL" secret:"url" desc:"postgres:// postgresql:// mysql:// mongodb:// mongodb+srv:// sqlite:PATH; else DATABASE_URL is read"`
	DatabaseURLFile  string        `env:"DATABASE_URL_FILE" desc:"read the database URL from this file"`
	DatabaseSecret   string        `env:"DATABASE_SECRET" desc:"read the database URL from a secrets manager: aws-secretsmanager://NAME, vault://PATH#KEY, file://PATH, env://NAME"`
	SecretTemplate   string        `env:"DATABASE_SECRET_TEMPLATE" desc:"how to make a database URL of a secret that is JSON in a shape of its own, as a Go template"`
	Migrations       string        `env:"MIGRATIONS" envDefault:"migrations" desc:"a folder, a set that schemagate pack wrote (.zip), or a git URL: git+ssh://, git+https://, git+file:// with //sub/path?ref=REF"`
	GitKey           string        `env:"GIT_KEY" secret:"text" desc:"private key for git+ssh://"`
	GitKeyFile       string        `env:"GIT_KEY_FILE" desc:"read the private key from this file; without either, an SSH agent is asked"`
	GitToken         string        `env:"GIT_TOKEN" secret:"text" desc:"password or token for git+https://"`
	GitTokenFile     string        `env:"GIT_TOKEN_FILE" desc:"read the token from this file"`
	GitKnownHosts    string        `env:"GIT_KNOWN_HOSTS" desc:"known_hosts file that git+ssh:// checks; default: the user's"`
	Placeholders     string        `env:"PLACEHOLDERS" desc:"values of Flyway placeholders: name=value,name=value"`
	Command          string        `env:"COMMAND" desc:"migrate by running this command instead; the files of SCHEMAGATE_MIGRATIONS tell when it is due"`
	CommandAlways    bool          `env:"COMMAND_ALWAYS" envDefault:"false" desc:"run the command at every leader's start, whatever is recorded"`
	Election         string        `env:"ELECTION" envDefault:"database" desc:"database, or consul://HOST:PORT/PREFIX (consuls:// for TLS)"`
	Service          string        `env:"SERVICE" envDefault:"default" desc:"whose schema this is: scopes election, fence and history"`
	Schema           string        `env:"SCHEMA" desc:"where schemagate's own tables live; default: the connection's first schema"`
	Release          string        `env:"RELEASE" desc:"the app's version, shown and recorded"`
	Replica          string        `env:"REPLICA" desc:"this replica's name; default: host name and a random suffix"`
	Phase            string        `env:"PHASE" envDefault:"expand" desc:"what a migration without a phase is: expand, or cutover"`
	InitReplicas     string        `env:"INIT_REPLICAS" envDefault:"unknown" desc:"what contract and cutover take an older release's init-only replicas for: unknown (the operator decides), or stopped (every deploy stops the old apps first)"`
	HTTPAddr         string        `env:"HTTP_ADDR" envDefault:":8099" desc:"health endpoints; off turns them off"`
	HTTPToken        string        `env:"HTTP_TOKEN" secret:"text" desc:"ask for this token on /status, /migrations, /metrics and the page"`
	HTTPTokenFile    string        `env:"HTTP_TOKEN_FILE" desc:"read the token from this file"`
	AppHealthURL     string        `env:"APP_HEALTH_URL" desc:"under run and sidecar, /readyz also needs this to answer: http://... or tcp://HOST:PORT"`
	Drain            time.Duration `env:"DRAIN" envDefault:"0s" desc:"under run, after SIGTERM /readyz is 503 at once and the signal is forwarded this much later; for a cutover, the time between the closed gate and the app's end"`
	Timeout          time.Duration `env:"TIMEOUT" envDefault:"15m" desc:"give up waiting; 0 never. A running migration is never cut"`
	LeaseTTL         time.Duration `env:"LEASE_TTL" envDefault:"15s" desc:"how long a silent leader's lease lasts where its death can't be seen sooner"`
	LockTimeout      time.Duration `env:"LOCK_TIMEOUT" envDefault:"5s" desc:"a migration waits this long for a table lock, then lets go and tries again; 0 waits"`
	StatementTimeout time.Duration `env:"STATEMENT_TIMEOUT" envDefault:"0" desc:"per statement; 0 none"`
	ScriptMemory     int           `env:"SCRIPT_MEMORY" envDefault:"512" desc:"a MongoDB script may let the heap grow by this many MiB; its time is bounded by SCHEMAGATE_STATEMENT_TIMEOUT"`
	ScriptEnv        string        `env:"SCRIPT_ENV" desc:"names of environment variables, with commas, that a MongoDB script may read; default: none"`
	PauseFile        string        `env:"PAUSE_FILE" desc:"data migrations in batches pause while this file exists"`
	Transaction      string        `env:"TRANSACTION" envDefault:"migration" desc:"one transaction per migration, or release: all pending ones in one"`
	Pooled           string        `env:"POOLED" desc:"true or false: the database is behind a transaction pooler; default: detected"`
	Before           string        `env:"BEFORE" desc:"command before the first pending migration (a backup); it may print schemagate: backup=LOCATION at its end. backup:FOLDER is built in for SQLite"`
	BackupVerify     string        `env:"BACKUP_VERIFY" desc:"command after BEFORE that must be able to read the backup at $SCHEMAGATE_BACKUP"`
	After            string        `env:"AFTER" desc:"command before the gate opens (a check)"`
	LogLevel         string        `env:"LOG_LEVEL" envDefault:"info" desc:"debug, info, warn or error"`
	LogFormat        string        `env:"LOG_FORMAT" desc:"json or console; default: console on a terminal, json elsewhere"`

	// source says which variable the database URL came from, for messages.
	source string
}

// Field is one setting as flags and documentation see it.
type Field struct {
	Variable, Flag, Default, Desc string
	// Secret settings have no flag, except that a URL's may be given without a password.
	Secret string
	Bool   bool
}

// Fields lists the settings in the order of the documentation.
func Fields() []Field {
	t := reflect.TypeFor[Config]()
	out := make([]Field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("env")
		if name == "" {
			continue
		}
		out = append(out, Field{
			Variable: prefix + name, Flag: strings.ToLower(strings.ReplaceAll(name, "_", "-")),
			Default: f.Tag.Get("envDefault"), Desc: f.Tag.Get("desc"), Secret: f.Tag.Get("secret"), Bool: f.Type.Kind() == reflect.Bool,
		})
	}
	return out
}
