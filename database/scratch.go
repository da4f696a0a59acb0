package database

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Scratcher makes empty databases that nobody else uses, beside the one of its URL: a set is proved there.
type Scratcher interface {
	NewScratch(ctx context.Context) (Scratch, error)
	// Sweep drops the scratch databases that a crash left behind, those that were made longer ago than age, and names them.
	Sweep(ctx context.Context, age time.Duration) ([]string, error)
}

// Scratch is such a database, until Drop.
type Scratch interface {
	Database
	// Name is how a person finds it.
	Name() string
	// Try runs a change beside history and fence: its statements, then its Verify, in a transaction where the database has one.
	// What it did is kept, or undone where that is possible. A script has the function of that name called.
	Try(ctx context.Context, c Change, function string, keep bool) error
	// Schema describes what the migrations made, without our own tables. It goes by names: the order of columns, row data and
	// whatever the server numbers are no part of it.
	Schema(ctx context.Context) (Objects, error)
	Drop(ctx context.Context) error
}

// Objects are definitions by what they define: "column public.orders.total" is "numeric(10,2) not null".
type Objects map[string]string

// Add takes one in; what turns up twice is told twice.
func (o Objects) Add(name, definition string) {
	if have, ok := o[name]; ok {
		definition = have + "; " + definition
	}
	o[name] = definition
}

const (
	// ScratchPrefix starts the name of every scratch database.
	ScratchPrefix = "schemagate_scratch_"
	scratchTime   = "20060102t150405"
)

// ErrInUse: a scratch database could not be dropped, since somebody is connected to it.
var ErrInUse = errors.New("the scratch database is in use")

// NewScratchName says when it was made, so that what a crash left can be told from what is at work.
func NewScratchName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return ScratchPrefix + time.Now().UTC().Format(scratchTime) + "_" + hex.EncodeToString(b[:])
}

// ScratchOlder tells whether name is that of a scratch database which was made longer ago than age, on this host's clock.
func ScratchOlder(name string, age time.Duration) bool {
	rest, ok := strings.CutPrefix(name, ScratchPrefix)
	if !ok {
		return false
	}
	at, _, ok := strings.Cut(rest, "_")
	made, err := time.Parse(scratchTime, at)
	return ok && err == nil && time.Since(made) > age
}
