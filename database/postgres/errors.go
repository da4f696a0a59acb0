package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/internal/trust"
)

// sortConnect says whether waiting can help.
func sortConnect(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch {
		case pe.Code == "3D000", strings.HasPrefix(pe.Code, "28"), strings.HasPrefix(pe.Code, "42"), pe.Code == "08P01":
			return fmt.Errorf("%w: %w", database.ErrDenied, serverError(pe))
		}
		return fmt.Errorf("%w: %w", database.ErrUnreachable, serverError(pe))
	}
	if remedy := trust.Remedy(err, "sslrootcert", "sslcert and sslkey"); remedy != "" {
		return fmt.Errorf("%w: %w; %s", database.ErrConfig, plain(err), remedy)
	}
	if err != nil && strings.Contains(err.Error(), "server refused TLS") { // pgconn has no type for it
		return fmt.Errorf("%w: %w: it has none, and sslmode asks for it", database.ErrConfig, plain(err))
	}
	return fmt.Errorf("%w: %w", database.ErrUnreachable, plain(err))
}

// plain keeps the words of an error and drops what pgconn puts around it, the connection string's parts.
func plain(err error) error {
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return ce.Unwrap()
	}
	return err
}

// serverError is the server's message, its hint and its SQLSTATE; never DETAIL, which holds row data.
func serverError(pe *pgconn.PgError) error {
	return &database.StatementError{File: "server", Message: pe.Message, Hint: pe.Hint, Code: pe.Code, Err: pe}
}

// class is what an SQLSTATE means for us; nil where it is the statement's own fault.
func class(code string) error {
	switch code {
	case "55P03":
		return database.ErrBlocked
	case "57P01", "57P02", "57P03", "57P05", "57014", "25P03", "25P04", "40001", "40P01", "72000":
		return database.ErrInterrupted
	}
	switch {
	case strings.HasPrefix(code, "53"):
		return database.ErrInterrupted // disk full, out of memory, too many connections: nobody's fault, and it may pass
	case strings.HasPrefix(code, "08"):
		return database.ErrUnknown
	}
	return nil
}

// classify sorts an error of our own statements.
func classify(conn *pgconn.PgConn, err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		if c := class(pe.Code); c != nil {
			return fmt.Errorf("%w: %w", c, serverError(pe))
		}
		if pe.Code == "42501" {
			return fmt.Errorf("%w: %w", database.ErrDenied, serverError(pe))
		}
		return serverError(pe)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || conn.IsClosed() || pgconn.Timeout(err) {
		return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
	}
	return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
}

func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}
