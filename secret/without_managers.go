//go:build no_secrets

package secret

import (
	"context"
	"fmt"
)

func readAWS(_ context.Context, r reference) (string, error)   { return "", without(r) }
func readVault(_ context.Context, r reference) (string, error) { return "", without(r) }

func without(r reference) error {
	return fmt.Errorf("%w: this binary was built without secrets managers (-tags no_secrets): use %s_FILE, or take the full build", ErrReference, "SCHEMAGATE_DATABASE_URL")
}
