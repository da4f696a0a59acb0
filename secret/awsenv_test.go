package secret_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/schemagate/schemagate/secret"
	"github.com/schemagate/schemagate/secret/secrettest"
)

// platform is an agent that hands credentials out, as each of AWS's does; what it is asked without is the test's.
func platform(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

func expiry() string { return time.Now().Add(time.Hour).UTC().Format(time.RFC3339) }

func handOut(w http.ResponseWriter, key string) {
	_ = json.NewEncoder(w).Encode(map[string]string{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": secrettest.AccessKey, "SecretAccessKey": key,
		"Token": "session", "Expiration": expiry(), "LastUpdated": "2026-01-01T00:00:00Z"})
}

// TestAWSCredentials: each way by which AWS gives a workload its credentials, and what is wrong with it said.
func TestAWSCredentials(t *testing.T) {
	a := secrettest.NewAWS(t)
	setenv(t, a.Env())
	a.Put("db", wanted)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const ref = "aws-secretsmanager://db"
	refuses(t, ref, secret.ErrDenied, "no AWS credentials")

	t.Run("shared file", func(t *testing.T) {
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file("# [default]\n[default]\naws_access_key_id = x\naws_secret_access_key = hunter2\n[prod]\naws_access_key_id="+
			secrettest.AccessKey+"\naws_secret_access_key = "+secrettest.SecretKey+"\n[sso]\nsso_start_url = https://x\n"))
		refuses(t, ref, secret.ErrDenied)
		t.Setenv("AWS_PROFILE", "prod")
		resolves(t, ref, wanted)
		t.Setenv("AWS_PROFILE", "sso")
		refuses(t, ref, secret.ErrReference, "no keys of AWS_PROFILE sso", "export-credentials")
	})
	t.Run("container", func(t *testing.T) {
		url := platform(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "pod" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			handOut(w, secrettest.SecretKey)
		})
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url+"/v1/credentials")
		refuses(t, ref, secret.ErrDenied)
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file("pod"))
		resolves(t, ref, wanted)
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "")
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod")
		resolves(t, ref, wanted)
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials")
		refuses(t, ref, secret.ErrReference, "192.0.2.1 is neither this host nor an agent")
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "elsewhere")
		refuses(t, ref, secret.ErrReference, "not a URL")
	})
	t.Run("web identity", func(t *testing.T) {
		url := platform(t, func(w http.ResponseWriter, r *http.Request) {
			if r.ParseForm() != nil || r.Form.Get("WebIdentityToken") != "jwt" || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/shop" || r.Form.Get("RoleSessionName") != "shop" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>`+
				`<SecretAccessKey>%s</SecretAccessKey><SessionToken>s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
				secrettest.AccessKey, secrettest.SecretKey, expiry())
		})
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file("jwt"))
		refuses(t, ref, secret.ErrReference, "needs AWS_ROLE_ARN")
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/shop")
		t.Setenv("AWS_ROLE_SESSION_NAME", "shop")
		t.Setenv("AWS_ENDPOINT_URL_STS", url)
		resolves(t, ref, wanted)
	})
	t.Run("instance", func(t *testing.T) {
		url := platform(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/latest/api/token":
				w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
				_, _ = w.Write([]byte("imds"))
			case "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials-extended/":
				_, _ = w.Write([]byte("shop"))
			default:
				handOut(w, secrettest.SecretKey)
			}
		})
		t.Setenv("AWS_EC2_METADATA_DISABLED", "")
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
		resolves(t, ref, wanted)
	})
}

// TestAWSEndpoint: a service's own endpoint goes before the one for all, and either can be ignored.
func TestAWSEndpoint(t *testing.T) {
	a := secrettest.NewAWS(t)
	setenv(t, a.Env())
	a.Put("db", wanted)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	refuses(t, "aws-secretsmanager://db", secret.ErrUnreachable)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", a.URL)
	resolves(t, "aws-secretsmanager://db", wanted)
	// The SDK refuses the two together, which tells that it was asked for both.
	for name, said := range map[string]string{"AWS_USE_FIPS_ENDPOINT": "FIPS and custom endpoint", "AWS_USE_DUALSTACK_ENDPOINT": "Dualstack and custom endpoint"} {
		t.Setenv(name, "true")
		refuses(t, "aws-secretsmanager://db", secret.ErrUnreachable, said)
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CA_BUNDLE", "/nonexistent")
	refuses(t, "aws-secretsmanager://db", secret.ErrReference, "AWS_CA_BUNDLE")
}
