package database

import (
	"context"
	"slices"
)

// Shape is how another tool's table, or collection, is recognised.
type Shape struct {
	// Name is in lower case; the table's may be in any.
	Name string
	// Columns must all be there; with Only, no others may.
	Columns []string
	Only    bool
}

// Fits judges a table by its columns, in lower case.
func (s Shape) Fits(columns []string) bool {
	for _, c := range s.Columns {
		if !slices.Contains(columns, c) {
			return false
		}
	}
	return !s.Only || len(columns) == len(s.Columns)
}

// Fitting returns the first shape that a table has.
func Fitting(shapes []Shape, name string, columns []string) (Shape, bool) {
	for _, s := range shapes {
		if s.Name == name && s.Fits(columns) {
			return s, true
		}
	}
	return Shape{}, false
}

// ForeignTable is another tool's table with all its rows.
type ForeignTable struct {
	Shape Shape
	// Schema is empty where the database has none; Table is spelled as the database has it.
	Schema, Table string
	// Rows are text by column, in lower case. NULL is left out, true is "true" or "1", bytes are \x and hex digits.
	Rows []map[string]string
}

// String is how people write the table's name.
func (t ForeignTable) String() string {
	if t.Schema == "" {
		return t.Table
	}
	return t.Schema + "." + t.Table
}

// Foreign is implemented by a database that can read other tools' records.
type Foreign interface {
	// Foreign returns the tables of these shapes that the connection sees, and changes nothing.
	Foreign(ctx context.Context, shapes []Shape) ([]ForeignTable, error)
}

// ForeignWrite changes another tool's table.
type ForeignWrite struct {
	Schema, Table string
	// Create makes the table; empty where it is there.
	Create string
	// Delete are the rows to delete first, by the columns given; one without columns is all of them.
	Delete []map[string]any
	// Insert are rows; a value is nil, a string, an int64, a bool, bytes or a time.
	Insert []map[string]any
}

// ForeignSession is implemented by a session that can write another tool's record.
type ForeignSession interface {
	// HandBack writes under the fence, together with the events.
	HandBack(ctx context.Context, w ForeignWrite, events ...Event) error
}
