package secrettest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// The credentials that the stand-in knows, and where it stands.
const (
	AccessKey = "AKIDEXAMPLE"
	SecretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	Region    = "eu-central-1"
)

// AWS stands in for Secrets Manager.
type AWS struct {
	*httptest.Server
	mu      sync.Mutex
	secrets map[string]string
	binary  map[string][]byte
	reads   int
	failing func(http.ResponseWriter) bool
}

// NewAWS starts one.
func NewAWS(tb testing.TB) *AWS {
	tb.Helper()
	a := &AWS{secrets: map[string]string{}, binary: map[string][]byte{}}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	tb.Cleanup(a.Close)
	return a
}

// Env are the variables that lead the SDK here: NAME=value.
func (a *AWS) Env() []string {
	return []string{"AWS_ENDPOINT_URL=" + a.URL, "AWS_REGION=" + Region, "AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent"}
}

// Put stores a secret.
func (a *AWS) Put(name, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.secrets[name] = text
}

// PutBinary stores a secret that is no text.
func (a *AWS) PutBinary(name string, b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.binary[name] = b
}

// Reads counts the secrets handed out.
func (a *AWS) Reads() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reads
}

// Fail makes every answer an error of AWS's, until status is 0.
func (a *AWS) Fail(status int, code string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failing = nil
	if status != 0 {
		a.failing = func(w http.ResponseWriter) bool { refuse(w, status, code); return true }
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "said the stand-in"})
}

func (a *AWS) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || a.failing != nil && a.failing(w) {
		return
	}
	if err := Verify(r, body, AccessKey, SecretKey, Region, "secretsmanager"); err != nil {
		refuse(w, http.StatusBadRequest, "InvalidSignatureException")
		return
	}
	var in struct {
		SecretID string `json:"SecretId"`
	}
	if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || json.Unmarshal(body, &in) != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestException")
		return
	}
	out := map[string]any{"Name": in.SecretID, "VersionId": "1"}
	if b, ok := a.binary[in.SecretID]; ok {
		out["SecretBinary"] = b
	} else if s, ok := a.secrets[in.SecretID]; ok {
		out["SecretString"] = s
	} else {
		refuse(w, http.StatusBadRequest, "ResourceNotFoundException")
		return
	}
	a.reads++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}
