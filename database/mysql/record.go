package mysql

import (
	"context"
	"strings"

	"github.com/schemagate/schemagate/database"
)

func (s *session) insert(e database.Event) string {
	down := "NULL"
	if e.Down != nil {
		down = lit(*e.Down)
	}
	values := []string{lit(s.db.opt.Service), lit(string(e.Kind)), lit(e.Version), lit(e.Name), lit(e.Checksum), lit(e.Digest), num(s.term.Number),
		lit(s.term.Holder), lit(s.origin.Release), lit(s.origin.Replica), "UTC_TIMESTAMP(6)", num(e.Duration.Microseconds()), num(e.Done), num(e.Trying),
		lit(e.Prefix), lit(e.Code), lit(e.Error), lit(e.Note), lit(e.Format), down}
	return "INSERT INTO " + s.db.table("history") + " (service, kind, version, name, checksum, digest, term, holder, `release`, replica, at, duration_us, " +
		"done, trying, prefix, code, error, note, format, down) VALUES (" + strings.Join(values, ", ") + ")"
}

// Record appends events under the fence.
func (s *session) Record(ctx context.Context, events ...database.Event) error {
	if err := s.reopen(ctx); err != nil {
		return err
	}
	if err := s.enter(ctx, s.own); err != nil {
		return err
	}
	for i := range events {
		if err := s.carry(ctx, &events[i]); err != nil {
			rollback(ctx, s.own)
			return err
		}
	}
	return s.commit(ctx, s.own, events...)
}

// carry gives an interruption the progress of the file it interrupted: the caller knows of none where a file asked for a
// transaction, and the latest event is what the next term goes by.
func (s *session) carry(ctx context.Context, e *database.Event) error {
	if e.Kind != database.Interrupted || e.Done > 0 || e.Trying > 0 || e.Version == "" {
		return nil
	}
	rows, err := s.own.rows(ctx, "SELECT kind, done, trying, prefix, note FROM "+s.db.table("history")+s.db.mine()+" AND version = "+lit(e.Version)+
		" AND (kind IN ('running', 'applied', 'rolled back', 'resolved', 'interrupted') OR kind = 'failed' AND (done > 0 OR prefix <> '')) ORDER BY id DESC LIMIT 1")
	if err != nil {
		return classify(err)
	}
	if len(rows) == 0 || rows[0][0] == string(database.Applied) || rows[0][0] == string(database.RolledBack) {
		return nil
	}
	r := rows[0]
	if r[0] == string(database.Resolved) && r[4] != database.ResolvedStatement {
		return nil
	}
	var n numbers
	e.Done, e.Trying, e.Prefix = int(n.of(r[1])), int(n.of(r[2])), r[3]
	if r[0] != string(database.Resolved) && e.Note == "" {
		e.Note = r[4]
	}
	return n.err
}
