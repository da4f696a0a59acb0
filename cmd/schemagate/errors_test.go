package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/adopt"
	"github.com/schemagate/schemagate/backfill"
	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election/consul"
	"github.com/schemagate/schemagate/health"
	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/process"
	"github.com/schemagate/schemagate/prove"
	"github.com/schemagate/schemagate/runner"
	"github.com/schemagate/schemagate/script"
	"github.com/schemagate/schemagate/secret"
	"github.com/schemagate/schemagate/source"
)

// remedy is what to do about an error.
type remedy struct {
	name string
	err  error
	code int // where another error is always around it; 0: as the error itself has it
	text string
}

// remedies are the errors that a user can meet; docs/errors.md is made of them.
var remedies = []remedy{
	{"config.ErrUsage", config.ErrUsage, 0, "The message names the command, flag or argument; `schemagate COMMAND --help` has examples."},
	{"config.ErrConfig", config.ErrConfig, 0, "The message lists every setting at fault: [settings](settings.md)."},
	{"health.ErrUnknownProbe", health.ErrUnknownProbe, exitUsage, "`schemagate health live`, `ready` or `startup`."},
	{"health.ErrAddrInUse", health.ErrAddrInUse, exitConfig, "Another process has the port, in Kubernetes another container of the pod: set `SCHEMAGATE_HTTP_ADDR`. `up` and `wait` only warn."},
	{"migrations.ErrSet", migrations.ErrSet, 0, "The message has file and line of everything that is wrong: [formats](formats.md)."},
	{"migrations.ErrNoFiles", migrations.ErrNoFiles, exitConfig, "With `SCHEMAGATE_COMMAND`, `SCHEMAGATE_MIGRATIONS` must match the files that tell when it is due: a wrong mount, or a wrong glob."},
	{"runner.ErrSet", runner.ErrSet, 0, "Changed after it was applied, on hold, below the floor: the [runbook](runbook.md) has a section for each."},
	{"lint.ErrFindings", lint.ErrFindings, 0, "Each finding says how to write it instead, or is silenced with a reason: [lint](lint.md)."},
	{"adopt.ErrRecord", adopt.ErrRecord, 0, "`schemagate adopt --dry-run` shows both sides: [moving over](moving.md)."},
	{"adopt.ErrUnfinished", adopt.ErrUnfinished, 0, "Settle it with the other tool, then start again: [moving over](moving.md)."},
	{"database.ErrUnreachable", database.ErrUnreachable, 0, "Host, port, network, a server that is starting; it was tried until `SCHEMAGATE_TIMEOUT`."},
	{"consul.ErrUnreachable", consul.ErrUnreachable, 0, "Consul: host, port, scheme (`consuls://`); it was tried until `SCHEMAGATE_TIMEOUT`."},
	{"source.ErrUnreachable", source.ErrUnreachable, 0, "The git server: host, port, proxy: [sources](sources-and-secrets.md)."},
	{"secret.ErrUnreachable", secret.ErrUnreachable, 0, "The secrets manager: endpoint, region, network: [secrets](sources-and-secrets.md)."},
	{"runner.ErrFailed", runner.ErrFailed, 0, "The message has file, line, code and the server's words: [failed](runbook.md#failed-exit-70)."},
	{"runner.ErrNeedsResolve", runner.ErrNeedsResolve, 0, "The message holds the `schemagate resolve` to type: [needs resolve](runbook.md#needs-resolve-exit-70)."},
	{"prove.ErrFailed", prove.ErrFailed, 0, "Nothing but the scratch database was touched; the message says which step does not hold: [testing migrations](testing-migrations.md)."},
	{"backfill.ErrCancelled", backfill.ErrCancelled, exitFailed, "`schemagate cancel` ended it; `schemagate resume V` goes on: [backfills](backfills.md)."},
	{"runner.ErrTimeout", runner.ErrTimeout, 0, "The message says for whom or what it waited. Raise `SCHEMAGATE_TIMEOUT` where a migration needs longer; a running one goes on."},
	{"database.ErrBlocked", database.ErrBlocked, 0, "Somebody holds the table: a long transaction, most often. It is tried again by itself until `SCHEMAGATE_TIMEOUT`."},
	{"database.ErrDenied", database.ErrDenied, 0, "Password, database name or privilege; a missing privilege comes with its `GRANT`: [privileges](runbook.md#privileges-are-missing-exit-78)."},
	{"database.ErrConfig", database.ErrConfig, 0, "This database can't honour a setting, or has two sets of schemagate's tables: the message says which."},
	{"database.ErrRefused", database.ErrRefused, 0, "What the set asks for is not possible on this database: [guarantees](guarantees.md)."},
	{"source.ErrDenied", source.ErrDenied, exitConfig, "The git server refused key or token, or its host key is not in known_hosts: [sources](sources-and-secrets.md)."},
	{"source.ErrNotFound", source.ErrNotFound, exitConfig, "No such repository, ref or folder: look at `SCHEMAGATE_MIGRATIONS`."},
	{"source.ErrLocation", source.ErrLocation, exitConfig, "How a git URL is written: [sources](sources-and-secrets.md)."},
	{"secret.ErrDenied", secret.ErrDenied, exitConfig, "The workload's role may not read the secret, or its credentials are wrong: [secrets](sources-and-secrets.md)."},
	{"secret.ErrNotFound", secret.ErrNotFound, exitConfig, "No such secret, version or key: look at `SCHEMAGATE_DATABASE_SECRET`."},
	{"secret.ErrReference", secret.ErrReference, exitConfig, "How `SCHEMAGATE_DATABASE_SECRET` is written: [secrets](sources-and-secrets.md)."},
	{"secret.ErrShape", secret.ErrShape, exitConfig, "The secret is neither a database URL nor JSON of a known shape: `SCHEMAGATE_DATABASE_SECRET_TEMPLATE`."},
	{"process.ErrNotFound", process.ErrNotFound, 127, "The app's command is not on the image's PATH."},
	{"process.ErrNotExecutable", process.ErrNotExecutable, 126, "The app's command is there, without the right to execute it, or for another architecture."},
	{"script.ErrVerify", script.ErrVerify, exitFailed, "The script's own `verify` said no: the data is not as the migration promises."},
	{"script.ErrMemory", script.ErrMemory, exitFailed, "Work in batches with a cursor, or raise `SCHEMAGATE_SCRIPT_MEMORY`: [MongoDB scripts](mongodb-scripts.md)."},
	{"script.ErrTimeout", script.ErrTimeout, exitFailed, "`SCHEMAGATE_STATEMENT_TIMEOUT` is shorter than the script."},
	{"script.ErrNeverSettles", script.ErrNeverSettles, exitFailed, "The script awaits what nothing will resolve: a callback or a timer that is never called."},
}

// unseen are those that are always handled on the way, and how.
var unseen = map[string]string{
	"database.ErrHeld":        "a follower waits",
	"database.ErrFenced":      "the leader follows",
	"database.ErrInterrupted": "tried again",
	"database.ErrUnknown":     "the history is read",
	"database.ErrNotPending":  "it is in the history already",
	"database.ErrUndecided":   "runner.ErrNeedsResolve",
	"database.ErrNotPrepared": "the tables are made",
	"database.ErrInUse":       "prove takes another name, or says so in its own error",
	"election.ErrHeld":        "a follower waits",
	"election.ErrLost":        "the leader follows",
	"runner.ErrStopped":       "ends with the signal's code",
	"runner.ErrWaits":         "a contract that waits gates nobody",
	"process.ErrClosed":       "a fault of the program",
	"script.ErrOutOfTime":     "the next leader goes on",
}

func errorsPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Errors\n\nMade from the code: what an error says (its kind stands in the message, with what and where), the [exit code](exit-codes.md), and what to do. The last error of a start\n" +
		"is also in `/status`, on the page, and in Kubernetes in `kubectl describe pod`.\n\n| error | exit code | what to do |\n| --- | --- | --- |\n")
	list := slices.Clone(remedies)
	for i := range list {
		if list[i].code == 0 {
			list[i].code = exitCode(list[i].err)
		}
	}
	slices.SortStableFunc(list, func(a, b remedy) int { return cmp.Compare(a.code, b.code) })
	for _, r := range list {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", r.err, r.code, r.text)
	}
	return b.String()
}

// TestEveryErrorHasARemedy finds the exported errors of all packages in their source, and each code's errors in the table.
func TestEveryErrorHasARemedy(t *testing.T) {
	known := map[string]bool{}
	for _, r := range remedies {
		known[r.name] = true
	}
	for name := range unseen {
		if known[name] {
			t.Errorf("%s is both met and not met", name)
		}
		known[name] = true
	}
	found := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || slices.Contains([]string{"test", "bench", "examples", "node_modules"}, rel)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						found[file.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if !known[name] {
			t.Errorf("%s has no remedy", name)
		}
	}
	for name := range known {
		if !found[name] {
			t.Errorf("there is no %s", name)
		}
	}
	for _, c := range codes {
		if !slices.ContainsFunc(remedies, func(r remedy) bool { return errors.Is(r.err, c.err) && (r.code == 0 || r.code == c.code) }) {
			t.Errorf("%v (exit %d) is not in the table", c.err, c.code)
		}
	}
}
