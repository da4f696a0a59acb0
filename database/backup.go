package database

import "context"

// Backuper is a database that can back itself up without a tool.
type Backuper interface {
	// Backup writes a copy into the folder, reads it back, and returns where it lies. What can't be read is an error.
	Backup(ctx context.Context, folder string, t Term) (location string, err error)
}
