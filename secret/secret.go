package secret

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// What a caller branches on.
var (
	// ErrUnreachable: no answer, or none that can be used yet. Try again.
	ErrUnreachable = errors.New("secrets manager not reached")
	// ErrDenied: the secrets manager refused. Trying again changes nothing.
	ErrDenied = errors.New("refused")
	// ErrNotFound: there is no such secret, or no such key in it.
	ErrNotFound = errors.New("not found")
	// ErrReference: the reference can't be understood, or what it needs is not set.
	ErrReference = errors.New("wrong reference")
	// ErrShape: the secret holds no database URL that could be made out.
	ErrShape = errors.New("wrong shape")
)

// Options say how to read a secret.
type Options struct {
	// Template makes the URL of a secret that is JSON in a shape of its own: Go's text/template over the object. Its function
	// encode percent-encodes a value.
	Template string
}

// patience bounds one attempt.
const patience = 10 * time.Second

const shapes = "aws-secretsmanager://NAME[?region=REGION], vault://PATH#KEY, file://PATH or env://NAME"

// reference is a reference, taken apart.
type reference struct {
	scheme, name, region, key string
}

// Resolve returns the database URL that the reference leads to.
func Resolve(ctx context.Context, ref string, o Options) (databaseURL string, err error) {
	r, err := parse(ref)
	if err != nil {
		return "", err
	}
	read := map[string]func(context.Context, reference) (string, error){
		"aws-secretsmanager": readAWS, "vault": readVault, "file": readFile, "env": readEnv,
	}[r.scheme]
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := read(short, r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s: %w", r, err)
	}
	out, err := interpret(text, r.key, o.Template)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	return out, nil
}

func parse(raw string) (reference, error) {
	bad := func(what string) (reference, error) {
		return reference{}, fmt.Errorf("%w: %s; write %s", ErrReference, what, shapes)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return bad("no scheme")
	}
	r := reference{scheme: strings.ToLower(scheme)}
	switch r.scheme {
	case "aws-secretsmanager", "vault", "file", "env":
	default:
		return bad("unknown scheme") // it may be a database URL, and is not quoted
	}
	rest, r.key, _ = strings.Cut(rest, "#")
	if r.scheme == "aws-secretsmanager" {
		var query string
		rest, query, _ = strings.Cut(rest, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			return bad("what follows ? can't be read")
		}
		for k := range values {
			if k != "region" {
				return bad("?" + k + " is unknown")
			}
		}
		r.region = values.Get("region")
		// arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
		if parts := strings.Split(rest, ":"); r.region == "" && len(parts) == 7 && parts[0] == "arn" {
			r.region = parts[3]
		}
	}
	r.name = rest
	if r.scheme == "vault" {
		r.name = strings.Trim(rest, "/")
	}
	if r.name == "" {
		return bad("it names nothing")
	}
	return r, nil
}

func (r reference) String() string { return r.scheme + "://" + r.name }

func readFile(_ context.Context, r reference) (string, error) {
	b, err := os.ReadFile(r.name)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: no such file", ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return string(b), nil
}

func readEnv(_ context.Context, r reference) (string, error) {
	v, ok := os.LookupEnv(r.name)
	if !ok {
		return "", fmt.Errorf("%w: this variable is not set", ErrNotFound)
	}
	return v, nil
}

// Refresher reads a secret again, once: a second refusal of what it returned is not another rotation.
type Refresher struct {
	// Read resolves the secret.
	Read func(context.Context) (string, error)
	// Current is what the last reading gave.
	Current string

	spent bool
}

// Refresh is asked after the database refused the credentials. ok: they have changed, and are worth a try.
func (r *Refresher) Refresh(ctx context.Context) (databaseURL string, ok bool, err error) {
	if r.spent {
		return "", false, nil
	}
	r.spent = true
	fresh, err := r.Read(ctx)
	if err != nil || fresh == r.Current {
		return "", false, err
	}
	r.Current = fresh
	return fresh, true, nil
}
