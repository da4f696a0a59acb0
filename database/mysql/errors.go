package mysql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	mysql "github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/internal/trust"
)

func code(err error) uint16 {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return me.Number
	}
	return 0
}

var denied = []uint16{1044, 1045, 1049, 1142, 1143, 1227, 1370, 1698}

// class is what the server's error means for us; nil where it is the statement's own fault.
func class(me *mysql.MySQLError) error {
	switch me.Number {
	case 1205:
		return database.ErrBlocked
	case 1213, 1020, 1317, 1053, 1927, 1152, 1158, 1159, 1160, 1161, 1184, 4031, // deadlock, killed, shut down, cut off
		1021, 1037, 1038, 1041, 1135, 1206, 1040, 1203, 1226: // disk full, out of memory, too many connections: it may pass
		return database.ErrInterrupted
	case 1290, 1836: // a failover makes the old primary read-only; 1290 has other meanings too
		if strings.Contains(me.Message, "read-only") || strings.Contains(me.Message, "read only") {
			return database.ErrInterrupted
		}
	}
	return nil
}

// sortConnect says whether waiting can help.
func (d *DB) sortConnect(err error) error {
	var me *mysql.MySQLError
	remedy := trust.Remedy(err, "ssl-ca", "ssl-cert and ssl-key")
	switch {
	case errors.Is(err, mysql.ErrNoTLS): // and nothing is sent without it
		return fmt.Errorf("%w: %w", database.ErrDenied, err)
	case remedy != "":
		return fmt.Errorf("%w: %w; %s", database.ErrDenied, err, remedy)
	case !errors.As(err, &me):
		return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
	case me.Number == 1044:
		return d.lacks(err, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES", d.name)
	case slices.Contains(denied, me.Number):
		return fmt.Errorf("%w: %w", database.ErrDenied, serverError(me))
	}
	return fmt.Errorf("%w: %w", database.ErrUnreachable, serverError(me))
}

// lacks says which GRANT is missing.
func (d *DB) lacks(err error, privileges, schema string) error {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		err = serverError(me)
	}
	return fmt.Errorf("%w: %w; the user needs: GRANT %s ON %s.* TO '%s'", database.ErrDenied, err, privileges, ident(schema), d.user)
}

func serverError(me *mysql.MySQLError) error {
	return &database.StatementError{File: "server", Message: message(me), Code: strconv.Itoa(int(me.Number)), Err: me}
}

// classify sorts an error of our own statements.
func classify(err error) error {
	var me *mysql.MySQLError
	if !errors.As(err, &me) {
		return fmt.Errorf("%w: %w", database.ErrUnreachable, err)
	}
	if c := class(me); c != nil {
		return fmt.Errorf("%w: %w", c, serverError(me))
	}
	if slices.Contains(denied, me.Number) {
		return fmt.Errorf("%w: %w", database.ErrDenied, serverError(me))
	}
	return serverError(me)
}

var (
	quotedKey   = regexp.MustCompile(`(?s)'.*' for key `)
	quotedValue = regexp.MustCompile(`(?s)(value:?) '.*'( for |$)`)
	nearText    = regexp.MustCompile(`(?s)^(.*?)[;,]? (?:check the manual.*?)?near '.*' at line (\d+)$`)
)

// message is the server's own, without row data and without the statement's text.
func message(me *mysql.MySQLError) string {
	switch m := me.Message; me.Number {
	case 1062, 1586:
		return quotedKey.ReplaceAllString(m, "for key ")
	case 1064, 1149:
		return nearText.ReplaceAllString(m, "$1")
	case 1690:
		before, _, _ := strings.Cut(m, " in '")
		return before
	default:
		return quotedValue.ReplaceAllString(m, "$1$2")
	}
}

// syntaxLine is the line of the statement that a syntax error is on, counted from 1, or 0.
func syntaxLine(me *mysql.MySQLError) int {
	if m := nearText.FindStringSubmatch(me.Message); m != nil && me.Number == 1064 {
		n, _ := strconv.Atoi(m[2]) // digits
		return n
	}
	return 0
}
