//go:build !no_secrets

package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/schemagate/schemagate/internal/trust"
)

// readVault reads PATH as `vault kv get PATH` does, with VAULT_ADDR, VAULT_TOKEN or VAULT_TOKEN_FILE, VAULT_NAMESPACE,
// VAULT_CACERT and the other variables of Vault's client.
func readVault(ctx context.Context, r reference) (string, error) {
	if os.Getenv(api.EnvVaultAddress) == "" && os.Getenv(api.EnvVaultAgentAddr) == "" {
		return "", fmt.Errorf("%w: VAULT_ADDR is not set", ErrReference)
	}
	cfg := api.DefaultConfig()
	if cfg.Error != nil {
		return "", fmt.Errorf("%w: Vault's configuration: %w", ErrReference, cfg.Error)
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return "", fmt.Errorf("%w: Vault's configuration: %w", ErrReference, err)
	}
	defer cfg.HttpClient.CloseIdleConnections()
	client.SetMaxRetries(0) // the caller tries again, and for longer
	if file := os.Getenv("VAULT_TOKEN_FILE"); file != "" && client.Token() == "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("%w: VAULT_TOKEN_FILE: %w", ErrReference, err)
		}
		client.SetToken(strings.TrimSpace(string(b)))
	}
	path, v2, err := mountOf(ctx, client, r.name)
	if err != nil {
		return "", err
	}
	s, err := client.Logical().ReadWithContext(ctx, path)
	if err != nil {
		return "", sortVault(err)
	}
	if s == nil {
		return "", fmt.Errorf("%w: there is no secret at this path, or its latest version was deleted", ErrNotFound)
	}
	data := s.Data
	if v2 {
		if data, _ = s.Data["data"].(map[string]any); data == nil {
			return "", fmt.Errorf("%w: there is no secret at this path, or its latest version was deleted", ErrNotFound)
		}
	}
	b, err := json.Marshal(data)
	return string(b), err
}

// mountOf finds out whether PATH is in a versioned store, whose API has data/ behind the mount. A token that may not ask is
// taken to know the path as the API has it.
func mountOf(ctx context.Context, client *api.Client, path string) (string, bool, error) {
	s, err := client.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	var answer *api.ResponseError
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusNotFound) {
		return path, strings.Contains(path, "/data/"), nil
	}
	if err != nil {
		return "", false, sortVault(err)
	}
	if s == nil {
		return path, false, nil
	}
	mount, _ := s.Data["path"].(string)
	options, _ := s.Data["options"].(map[string]any)
	if options["version"] != "2" {
		return path, false, nil
	}
	rest := strings.TrimPrefix(path, mount)
	return mount + "data/" + strings.TrimPrefix(rest, "data/"), true, nil
}

func sortVault(err error) error {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		if remedy := trust.Remedy(err, "VAULT_CACERT", "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"); remedy != "" {
			return fmt.Errorf("%w: %w; %s", ErrDenied, err, remedy)
		}
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	said := fmt.Errorf("%d %s", answer.StatusCode, strings.Join(answer.Errors, "; "))
	switch {
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", ErrUnreachable, said)
	case answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: Vault does not let this token (VAULT_TOKEN, VAULT_TOKEN_FILE) read it: %w", ErrDenied, said)
	}
	return fmt.Errorf("%w: Vault answers %w", ErrDenied, said)
}
