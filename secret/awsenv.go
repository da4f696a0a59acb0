//go:build !no_secrets

package secret

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// awsConfig does what the SDK's package config does, but for what belongs to people's own machines: SSO, roles and processes of profiles. With them
// come clients whose tables are built at every start of the binary, whether a secret is read or not.
func awsConfig(region string) (aws.Config, error) {
	cfg := aws.Config{
		Region:        cmp.Or(region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		ConfigSources: []any{awsEnv{}},
	}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" && !awsTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
		cfg.BaseEndpoint = &url
	}
	if path := os.Getenv("AWS_CA_BUNDLE"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return cfg, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return cfg, fmt.Errorf("AWS_CA_BUNDLE: no certificate in %s", path)
		}
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			t.TLSClientConfig.RootCAs = roots
		})
	}
	provider, err := awsCredentials(cfg)
	if err != nil {
		return cfg, err
	}
	cfg.Credentials = aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
	return cfg, nil
}

// awsCredentials takes the first that the environment has, in the SDK's order.
func awsCredentials(cfg aws.Config) (aws.CredentialsProvider, error) {
	if id, key := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"); id != "" && key != "" {
		return credentials.NewStaticCredentialsProvider(id, key, os.Getenv("AWS_SESSION_TOKEN")), nil
	}
	if file := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); file != "" {
		role := os.Getenv("AWS_ROLE_ARN")
		if role == "" {
			return nil, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE needs AWS_ROLE_ARN")
		}
		return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), role, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = os.Getenv("AWS_ROLE_SESSION_NAME") }), nil
	}
	if p, err := awsShared(); p != nil || err != nil {
		return p, err
	}
	if path := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		return awsContainer("http://169.254.170.2"+path, cfg), nil
	}
	if full := os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"); full != "" {
		if err := containerHost(full); err != nil {
			return nil, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI: %w", err)
		}
		return awsContainer(full, cfg), nil
	}
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imds.NewFromConfig(cfg) }), nil
}

// awsShared reads keys from the shared credentials file; nothing there is no provider.
func awsShared() (aws.CredentialsProvider, error) {
	profile, path := os.Getenv("AWS_PROFILE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil // nobody's files
		}
		path = filepath.Join(home, ".aws", "credentials")
	}
	keys := map[string]string{}
	file, err := os.Open(path)
	if err == nil {
		defer func() { _ = file.Close() }() // it was only read
		section, lines := "", bufio.NewScanner(file)
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if name, ok := strings.CutPrefix(line, "["); ok {
				section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			} else if k, v, ok := strings.Cut(line, "="); ok && section == cmp.Or(profile, "default") && !strings.HasPrefix(line, "#") {
				keys[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
			}
		}
	}
	if keys["aws_access_key_id"] == "" || keys["aws_secret_access_key"] == "" {
		if profile != "" {
			return nil, fmt.Errorf("no keys of AWS_PROFILE %s in %s; roles, processes and SSO of profiles are not read here: "+
				"`aws configure export-credentials --format env` turns them into variables", profile, path)
		}
		return nil, nil
	}
	return credentials.NewStaticCredentialsProvider(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"]), nil
}

func awsContainer(endpoint string, cfg aws.Config) aws.CredentialsProvider {
	return endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
		if cfg.HTTPClient != nil {
			o.HTTPClient = cfg.HTTPClient
		}
		o.AuthorizationToken = os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				token, err := os.ReadFile(file) // it is renewed
				return string(token), err
			})
		}
	})
}

// containerHost refuses to send the token to anybody but this host and the two agents of AWS, where nothing encrypts it.
func containerHost(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return errors.New("not a URL with a host")
	}
	if u.Scheme == "https" {
		return nil
	}
	addresses := []string{u.Hostname()}
	if net.ParseIP(u.Hostname()) == nil {
		if addresses, err = net.LookupHost(u.Hostname()); err != nil {
			return err
		}
	}
	for _, a := range addresses {
		ip := net.ParseIP(a)
		if !ip.IsLoopback() && a != "169.254.170.2" && a != "169.254.170.23" && !ip.Equal(net.ParseIP("fd00:ec2::23")) {
			return fmt.Errorf("%s is neither this host nor an agent of ECS or EKS, and the URL is not https", u.Hostname())
		}
	}
	return nil
}

func awsTrue(name string) bool { return strings.EqualFold(os.Getenv(name), "true") }

// awsEnv is what the SDK's clients ask a source of configuration for.
type awsEnv struct{}

// GetServiceBaseEndpoint is AWS_ENDPOINT_URL_SECRETS_MANAGER and its kin.
func (awsEnv) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "" && !awsTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), nil
}

// GetUseFIPSEndpoint is AWS_USE_FIPS_ENDPOINT.
func (awsEnv) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return aws.FIPSEndpointStateEnabled, awsTrue("AWS_USE_FIPS_ENDPOINT"), nil
}

// GetUseDualStackEndpoint is AWS_USE_DUALSTACK_ENDPOINT.
func (awsEnv) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return aws.DualStackEndpointStateEnabled, awsTrue("AWS_USE_DUALSTACK_ENDPOINT"), nil
}
