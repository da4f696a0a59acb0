//go:build !no_secrets

package secret

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/schemagate/schemagate/internal/trust"
)

// readAWS goes the SDK's usual ways, see awsConfig.
func readAWS(ctx context.Context, r reference) (string, error) {
	cfg, err := awsConfig(r.region)
	if err != nil {
		return "", fmt.Errorf("%w: the AWS configuration: %w", ErrReference, err)
	}
	if cfg.Region == "" {
		return "", fmt.Errorf("%w: no region: add ?region=REGION, or set AWS_REGION", ErrReference)
	}
	// The caller tries again, and for longer than the SDK would.
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	// Asked for here, since the client's own error would not tell this from a refusal. It caches them.
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		if promised() && passing(err) {
			return "", fmt.Errorf("%w: AWS credentials: %w", ErrUnreachable, err)
		}
		return "", fmt.Errorf("%w: no AWS credentials: give the workload a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", ErrDenied, err)
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &r.name})
	if err != nil {
		return "", sortAWS(err, cfg.Region)
	}
	if out.SecretString != nil {
		return *out.SecretString, nil
	}
	if !utf8.Valid(out.SecretBinary) {
		return "", fmt.Errorf("%w: %w", ErrShape, errNoText)
	}
	return string(out.SecretBinary), nil
}

// promised tells whether the platform said that it gives this workload a role, so that its silence may pass. Elsewhere silence
// is what asking for an instance's role comes to where there is no instance.
func promised() bool {
	for _, name := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

func sortAWS(err error, region string) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if remedy := trust.Remedy(err, "AWS_CA_BUNDLE", ""); remedy != "" {
			return fmt.Errorf("%w: %w; %s", ErrDenied, err, remedy)
		}
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	said := fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	switch {
	case passing(err):
		return fmt.Errorf("%w: %w", ErrUnreachable, said)
	case api.ErrorCode() == "ResourceNotFoundException":
		return fmt.Errorf("%w: there is no such secret in region %s: %w", ErrNotFound, region, said)
	}
	return fmt.Errorf("%w: region %s: %w", ErrDenied, region, said)
}

// passing: worth another try.
func passing(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ThrottlingException", "InternalServiceError", "ServiceUnavailable", "InternalFailure", "RequestLimitExceeded":
			return true
		}
	}
	var send *smithyhttp.RequestSendError
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		code := answer.HTTPStatusCode()
		return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
	}
	return errors.As(err, &send) || errors.Is(err, context.DeadlineExceeded)
}
