package secret_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/secret"
	"github.com/schemagate/schemagate/secret/secrettest"
)

const wanted = "postgres://u:hunter2@h:5432/d"

func resolves(t *testing.T, ref, want string) {
	t.Helper()
	if got, err := secret.Resolve(t.Context(), ref, secret.Options{}); err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
	}
}

func refuses(t *testing.T, ref string, sentinel error, wants ...string) {
	t.Helper()
	_, err := secret.Resolve(t.Context(), ref, secret.Options{})
	if !errors.Is(err, sentinel) {
		t.Errorf("%s: %v; want %v", ref, err, sentinel)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", ref, err, want)
		}
	}
	for _, secret := range []string{"hunter2", secrettest.SecretKey, secrettest.Token} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: it quotes a secret: %v", ref, err)
		}
	}
}

func setenv(t *testing.T, env []string) {
	t.Helper()
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
}

func TestReferences(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(wanted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOME_URL", wanted)
	resolves(t, "file://"+file, wanted)
	resolves(t, "env://SOME_URL", wanted)
	refuses(t, "file://"+file+"x", secret.ErrNotFound, "no such file")
	refuses(t, "env://SOME_OTHER_URL", secret.ErrNotFound, "is not set")
	refuses(t, wanted, secret.ErrReference, "unknown scheme", "aws-secretsmanager://NAME")
	refuses(t, "hunter2", secret.ErrReference, "no scheme")
	refuses(t, "vault://", secret.ErrReference, "names nothing")
	refuses(t, "aws-secretsmanager://a?zone=b", secret.ErrReference, "?zone is unknown")
}

func TestAWS(t *testing.T) {
	a := secrettest.NewAWS(t)
	setenv(t, a.Env())
	a.Put("prod/db", `{"engine":"postgres","host":"h","port":5432,"username":"u","password":"hunter2","dbname":"d"}`)
	a.PutBinary("binary", []byte(wanted))
	a.PutBinary("noise", []byte{0xff, 0xfe})
	const arn = "arn:aws:secretsmanager:" + secrettest.Region + ":123456789012:secret:prod/db-AbCdEf"
	a.Put(arn, `{"urls":{},"url":"`+wanted+`"}`)
	resolves(t, "aws-secretsmanager://prod/db", wanted)
	resolves(t, "aws-secretsmanager://binary?region="+secrettest.Region, wanted)
	refuses(t, "aws-secretsmanager://noise", secret.ErrShape, "not text")
	refuses(t, "aws-secretsmanager://prod/other", secret.ErrNotFound, "no such secret in region "+secrettest.Region)
	refuses(t, "aws-secretsmanager://prod/db?region=us-east-1", secret.ErrDenied, "InvalidSignatureException")
	t.Setenv("AWS_REGION", "")
	resolves(t, "aws-secretsmanager://"+arn+"#url", wanted)
	refuses(t, "aws-secretsmanager://prod/db", secret.ErrReference, "no region: add ?region=REGION, or set AWS_REGION")
	t.Setenv("AWS_REGION", secrettest.Region)
	for code, status := range map[string]int{"ThrottlingException": 400, "InternalServiceError": 500, "Unheard": 503} {
		a.Fail(status, code)
		refuses(t, "aws-secretsmanager://prod/db", secret.ErrUnreachable, code)
	}
	for code, status := range map[string]int{"AccessDeniedException": 400, "DecryptionFailure": 400, "ExpiredTokenException": 400} {
		a.Fail(status, code)
		refuses(t, "aws-secretsmanager://prod/db", secret.ErrDenied, code)
	}
	a.Fail(0, "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secrettest.SecretKey+"hunter2")
	refuses(t, "aws-secretsmanager://prod/db", secret.ErrDenied, "InvalidSignatureException")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	refuses(t, "aws-secretsmanager://prod/db", secret.ErrDenied, "no AWS credentials")
	setenv(t, a.Env())
	a.Close()
	refuses(t, "aws-secretsmanager://prod/db", secret.ErrUnreachable, "connection refused")
}

func TestVault(t *testing.T) {
	v := secrettest.NewVault(t)
	t.Setenv("VAULT_ADDR", v.URL)
	t.Setenv("VAULT_TOKEN", secrettest.Token)
	rds := map[string]any{"engine": "postgres", "host": "h", "port": 5432, "username": "u", "password": "hunter2", "dbname": "d", "url": wanted + "2"}
	v.Put("secret/data/app/db", rds)
	v.Put("old/app/db", rds)
	check := func() {
		t.Helper()
		resolves(t, "vault://secret/data/app/db#url", wanted+"2")
		resolves(t, "vault://old/app/db", wanted)
	}
	resolves(t, "vault://secret/app/db", wanted)
	check()
	refuses(t, "vault://secret/app/other", secret.ErrNotFound, "no secret at this path")
	refuses(t, "vault://old/app/other", secret.ErrNotFound, "no secret at this path")
	refuses(t, "vault://secret/app/db#uri", secret.ErrNotFound, `no key "uri"`)
	v.Blind(true)
	check()
	v.Blind(false)
	v.Seal(true)
	refuses(t, "vault://secret/app/db", secret.ErrUnreachable, "sealed")
	v.Seal(false)

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secrettest.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_TOKEN", "hvs.hunter2")
	refuses(t, "vault://secret/app/db", secret.ErrDenied, "VAULT_TOKEN")
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("VAULT_TOKEN_FILE", file)
	check()
	t.Setenv("VAULT_TOKEN_FILE", file+"x")
	refuses(t, "vault://secret/app/db", secret.ErrReference, "VAULT_TOKEN_FILE")
	t.Setenv("VAULT_TOKEN_FILE", file)
	v.Close()
	refuses(t, "vault://secret/app/db", secret.ErrUnreachable, "connection refused")
	t.Setenv("VAULT_ADDR", "")
	refuses(t, "vault://secret/app/db", secret.ErrReference, "VAULT_ADDR is not set")
}

// A manager that says nothing ends with the caller's context, and with its cause.
func TestSilence(t *testing.T) {
	stopped := errors.New("stopped")
	asked := make(chan struct{}, 8)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see the client go
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer silent.Close()
	setenv(t, secrettest.NewAWS(t).Env())
	t.Setenv("AWS_ENDPOINT_URL", silent.URL)
	t.Setenv("VAULT_ADDR", silent.URL)
	t.Setenv("VAULT_TOKEN", secrettest.Token)
	for _, ref := range []string{"aws-secretsmanager://db", "vault://secret/db"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		out := make(chan error)
		go func() {
			_, err := secret.Resolve(ctx, ref, secret.Options{})
			out <- err
		}()
		<-asked
		cancel(stopped)
		if err := <-out; !errors.Is(err, stopped) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestRefresher(t *testing.T) {
	answers := []string{"same", "new", "newer"}
	r := &secret.Refresher{Current: "same"}
	reads := 0
	r.Read = func(context.Context) (string, error) { reads++; return answers[reads-1], nil }
	if _, ok, err := r.Refresh(t.Context()); ok || err != nil {
		t.Error("the same again is not worth a try")
	}
	r = &secret.Refresher{Current: "same", Read: r.Read}
	if u, ok, err := r.Refresh(t.Context()); u != "new" || !ok || err != nil || r.Current != "new" {
		t.Error(u, ok, err)
	}
	if _, ok, _ := r.Refresh(t.Context()); ok || reads != 2 {
		t.Errorf("read %d times", reads)
	}
}
