package sqlite

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/schemagate/schemagate/database"
)

// applyLoose runs a change statement by statement on one connection. Each is tried in a transaction together with its
// progress, which is exact; only those that refuse that run outside.
func (s *session) applyLoose(ctx context.Context, c *conn, ch database.Change) error {
	began := time.Now()
	if err := s.reenter(ctx, c, ch); err != nil {
		return err
	}
	limit := patience(ch)
	// after is what is recorded once statement i is done: how far it came, or that all of it is in force.
	after := func(i int) []database.Event { return ch.After(i, time.Since(began)) }
	for i := ch.From; i == ch.From || i <= ch.Last(); i++ {
		if err := s.enter(ctx, c, limit); err != nil {
			return err
		}
		if err := s.pending(ctx, c, ch); err != nil {
			return err
		}
		ran := true
		var err error
		if i < len(ch.Statements) { // else the last one is done, or was found done
			ran, err = c.inside(ctx, ch, ch.Statements[i])
		} else {
			err = c.verify(ctx, ch)
		}
		if err != nil {
			return err
		}
		if !ran {
			if err := c.rollback(); err != nil {
				return s.db.classify(err)
			}
			if err := s.outside(ctx, c, ch, i, after); err != nil {
				return err
			}
			continue
		}
		if err := s.insert(ctx, c, after(i)...); err != nil {
			return err
		}
		if err := blameCommit(c.commit(ctx, limit), ch); err != nil {
			return err
		}
	}
	return nil
}

// inside runs a statement in the transaction under way, unless it refuses that.
func (c *conn) inside(ctx context.Context, ch database.Change, st database.Statement) (ran bool, err error) {
	if silent(st.SQL) {
		return false, nil
	}
	if err := c.statement(ctx, ch, st); !refuses(err) {
		return true, err
	}
	return false, nil
}

// reenter repeats, after an interruption, what the statements already done had set on the connection that is gone.
func (s *session) reenter(ctx context.Context, c *conn, ch database.Change) error {
	c.loose = true
	defer func() { c.loose = false }()
	for _, st := range ch.Statements[:ch.From] {
		if w := head(st.SQL); w[0] != "pragma" && w[0] != "attach" || checksForeignKeys(st.SQL) {
			continue
		}
		if err := c.one(ctx, ch, st); err != nil {
			return err
		}
	}
	return nil
}

// outside runs statement i by itself, between two events.
func (s *session) outside(ctx context.Context, c *conn, ch database.Change, i int, after func(int) []database.Event) error {
	if err := s.record(ctx, c, ch.Progress(i, i+1)); err != nil {
		return err
	}
	c.loose = true
	err := c.patiently(ctx, patience(ch), func() error { return c.one(ctx, ch, ch.Statements[i]) })
	c.loose = false
	if err != nil {
		return errors.Join(err, s.record(context.WithoutCancel(ctx), c, ch.Progress(i, 0)))
	}
	return s.record(ctx, c, after(i)...)
}

// refuses: SQLite won't run the statement inside a transaction.
func refuses(err error) bool {
	var se *database.StatementError
	if !errors.As(err, &se) || se.Code == "" {
		return false
	}
	return strings.Contains(se.Message, "within a transaction") || strings.Contains(se.Message, "within transaction") ||
		strings.Contains(se.Message, "inside a transaction")
}

// silent statements do nothing inside a transaction, and don't say so; or fail there for another reason than the one they give.
func silent(sql string) bool {
	w := head(sql)
	return w[0] == "pragma" && slices.Contains([]string{"foreign_keys", "wal_checkpoint", "locking_mode"}, w[1])
}

func checksForeignKeys(sql string) bool {
	w := head(sql)
	return w[0] == "pragma" && w[1] == "foreign_key_check"
}

// head is the first word of a statement and the first name behind it without its schema, in lower case.
func head(sql string) (words [2]string) {
	rest := sql
	next := func() string {
		rest = skip(rest)
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !('a' <= r|0x20 && r|0x20 <= 'z') })
		if n < 0 {
			n = len(rest)
		}
		var word string
		word, rest = rest[:n], rest[n:]
		return strings.ToLower(word)
	}
	words[0], words[1] = next(), next()
	if rest = skip(rest); strings.HasPrefix(rest, ".") {
		rest = rest[1:]
		words[1] = next()
	}
	return words
}

// skip takes away blanks and comments.
func skip(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n\f")
		switch {
		case strings.HasPrefix(s, "--"):
			_, s, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s, "*/")
		default:
			return s
		}
	}
}

// Probe says of a statement that was interrupted outside a transaction that it may run again, where that does no harm.
func (s *session) Probe(_ context.Context, st database.Statement) (bool, error) {
	switch w := head(st.SQL); w[0] {
	case "pragma", "attach", "analyze", "reindex":
		return false, nil
	case "vacuum":
		if w[1] != "into" {
			return false, nil
		}
	}
	return false, database.ErrUndecided
}
