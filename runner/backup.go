package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/schemagate/schemagate/database"
)

// StepBackupVerify looks whether the backup can be read; it is part of the step before.
const StepBackupVerify StepKind = "backup_verify"

// BuiltInBackup followed by a folder is the SCHEMAGATE_BEFORE of databases that back themselves up.
const BuiltInBackup = "backup:"

// BackupLine starts the line by which the command tells where the backup lies; the last such line counts.
const BackupLine = "schemagate: backup="

// Backup is what a backup's event keeps in its note, where it is known.
type Backup struct {
	Location string `json:"location"`
	// Verified: SCHEMAGATE_BACKUP_VERIFY, or the built-in check, could read it.
	Verified bool `json:"verified"`
}

func (b Backup) String() string {
	if b.Verified {
		return b.Location + " (verified)"
	}
	return b.Location + " (not verified)"
}

// BackupOf reads the note of a backup's event; ok is false where the command did not say where the backup lies.
func BackupOf(e database.Event) (b Backup, ok bool) {
	if e.Kind != database.Backup || !strings.HasPrefix(e.Note, "{") {
		return Backup{}, false
	}
	err := json.Unmarshal([]byte(e.Note), &b)
	return b, err == nil && b.Location != ""
}

// BackupLocation is where the command's last lines say that the backup lies, or empty.
func BackupLocation(tail string) (location string) {
	for line := range strings.Lines(tail) {
		if l, ok := strings.CutPrefix(strings.TrimSpace(line), BackupLine); ok {
			location = strings.TrimSpace(l)
		}
	}
	return location
}

// backUp makes the backup and has it read. The step is what failed.
func (r *Runner) backUp(ctx context.Context, st Step) (note, tail string, failed Step, err error) {
	if folder, ok := strings.CutPrefix(st.Command, BuiltInBackup); ok {
		b, ok := r.Database.(database.Backuper)
		if !ok {
			return "", "", st, fmt.Errorf("%w: SCHEMAGATE_BEFORE=%s is not built in for %s: write a command", database.ErrConfig, BuiltInBackup, r.Database.Traits().Name)
		}
		location, err := b.Backup(ctx, folder, r.term)
		if err != nil {
			return "", "", st, fmt.Errorf("SCHEMAGATE_BEFORE: back up: %w", err)
		}
		return r.noted(Backup{location, true}), "", st, nil
	}
	tail, err = r.Commander.Command(ctx, st.Kind, st.Command, r.term)
	if err != nil {
		return "", tail, st, err
	}
	b := Backup{Location: BackupLocation(tail)}
	if r.Policy.BackupVerify != "" {
		failed = Step{Kind: StepBackupVerify, Command: r.Policy.BackupVerify}
		if b.Location == "" {
			return "", tail, failed, errors.New("SCHEMAGATE_BACKUP_VERIFY: SCHEMAGATE_BEFORE did not say what to verify: have it print a line " + BackupLine + "LOCATION at its end")
		}
		if tail, err = r.Commander.Command(ctx, failed.Kind, failed.Command, r.term); err != nil {
			return "", tail, failed, fmt.Errorf("%w: the backup %s can't be read", err, b.Location)
		}
		b.Verified = true
	}
	if b.Location == "" {
		return tail, "", st, nil
	}
	return r.noted(b), "", st, nil
}

func (r *Runner) noted(b Backup) string {
	r.Log.Info("backed up", zap.String("location", b.Location), zap.Bool("verified", b.Verified))
	note, _ := json.Marshal(b) // two plain fields
	return string(note)
}

// backUpFirst puts the backup before the first contract migration, behind the first look at who stands in its way: whoever waits
// backs nothing up, and nobody's gate is closed while the backup is made.
func (r *Runner) backUpFirst(p *Plan) {
	if r.Policy.Before == "" || r.backedUp || r.Commander == nil {
		return
	}
	if i := slices.IndexFunc(p.Steps, func(st Step) bool { return st.Kind == StepCensus }); i >= 0 {
		p.Steps = slices.Insert(p.Steps, i+1, Step{Kind: StepBefore, Command: r.Policy.Before})
	}
}
