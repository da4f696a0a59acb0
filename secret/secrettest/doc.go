// Package secrettest stands in for AWS Secrets Manager and for Vault on loopback. The first checks each request's signature as
// AWS does, and its check is itself held against the examples that AWS published.
package secrettest
