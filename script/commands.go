package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// Command is one command of a file, where it stands in it.
type Command struct {
	// Name is the command's first field, such as collMod.
	Name     string
	Document bson.Raw
	// Index counts from 1; Line is where the command starts.
	Index, Line int
	// parse is set for {"parseSchema": ...}.
	parse *parseChange
}

// parseSchema is the command of ours that changes a class of Parse Server.
const parseSchema = "parseSchema"

// ParseCommands reads a file of commands in Extended JSON: one document, or an array of them. It checks all that can be checked without a server.
func ParseCommands(file string, extendedJSON []byte) ([]Command, error) {
	data := bytes.TrimPrefix(extendedJSON, []byte("\ufeff"))
	parts, err := splitJSON(file, data)
	if err != nil {
		return nil, err
	}
	commands := make([]Command, 0, len(parts))
	for i, p := range parts {
		c := Command{Index: i + 1, Line: lineAt(data, p.offset)}
		if err := c.read(p.text); err != nil {
			return nil, &Error{File: file, Line: c.Line, Message: fmt.Sprintf("command %d: %v", c.Index, err), Err: err}
		}
		commands = append(commands, c)
	}
	return commands, nil
}

type jsonPart struct {
	text   json.RawMessage
	offset int
}

// splitJSON finds the documents of a file.
func splitJSON(file string, data []byte) ([]jsonPart, error) {
	at := func(offset int, format string, args ...any) error {
		return &Error{File: file, Line: lineAt(data, offset), Message: fmt.Sprintf(format, args...)}
	}
	start := skipSpace(data, 0)
	if start == len(data) {
		return nil, at(0, "no command: expected a document, or an array of documents")
	}
	var parts []jsonPart
	dec := json.NewDecoder(bytes.NewReader(data))
	list := data[start] == '['
	if list {
		if _, err := dec.Token(); err != nil {
			return nil, jsonError(at, start, err)
		}
	}
	for dec.More() {
		p := jsonPart{offset: skipSpace(data, int(dec.InputOffset()))}
		if err := dec.Decode(&p.text); err != nil {
			return nil, jsonError(at, int(dec.InputOffset()), err)
		}
		parts = append(parts, p)
		if !list {
			break
		}
	}
	if list {
		if _, err := dec.Token(); err != nil {
			return nil, jsonError(at, int(dec.InputOffset()), err)
		}
	}
	if rest := skipSpace(data, int(dec.InputOffset())); rest < len(data) {
		return nil, at(rest, "more text after the end: several commands go into one array")
	}
	if len(parts) == 0 {
		return nil, at(start, "no command: the array is empty")
	}
	return parts, nil
}

func jsonError(at func(int, string, ...any) error, offset int, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = int(syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return at(math.MaxInt, "the file ends in the middle of a document")
	}
	return at(offset, "not JSON: %v", err)
}

// skipSpace moves past what may stand between two documents.
func skipSpace(data []byte, i int) int {
	for i < len(data) && bytes.IndexByte([]byte(" \t\r\n,"), data[i]) >= 0 {
		i++
	}
	return i
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

func (c *Command) read(text json.RawMessage) error {
	if len(text) == 0 || text[0] != '{' {
		return errors.New("expected a document: {\"collMod\": \"books\", ...}")
	}
	if err := bson.UnmarshalExtJSON(text, false, &c.Document); err != nil {
		return fmt.Errorf("not Extended JSON: %w", err)
	}
	elements, err := c.Document.Elements()
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		return errors.New("an empty document names no command")
	}
	c.Name = elements[0].Key()
	if c.Name != parseSchema {
		return nil
	}
	doc, ok := elements[0].Value().DocumentOK()
	if !ok || len(elements) != 1 {
		return errors.New(`expected {"parseSchema": {"class": "Game", ...}} and nothing beside it`)
	}
	c.parse, err = readParseChange(doc)
	return err
}

// RunCommands runs a file of commands one by one, with the hooks of Options. Nothing is run of a file that does not parse.
// A failure is an *Error with the command's line and number; the commands before it were run.
func RunCommands(ctx context.Context, db *mongo.Database, file string, extendedJSON []byte, o Options) error {
	commands, err := ParseCommands(file, extendedJSON)
	if err != nil {
		return err
	}
	ctx, cancel, err := o.bound(ctx, file, db)
	if err != nil {
		return err
	}
	defer cancel()
	c := &caller{db: db, before: o.Before, maxTime: o.MaxTime}
	for _, cmd := range commands {
		if cmd.parse != nil {
			_, err = c.parse(ctx, db, cmd.parse)
		} else {
			_, err = c.command(ctx, db, cmd.Document, 0)
		}
		if err != nil {
			return commandError(file, cmd, len(commands), err)
		}
		o.log("debug", "%s: command %d of %d (%s) is done", file, cmd.Index, len(commands), cmd.Name)
	}
	return nil
}

func commandError(file string, c Command, of int, err error) error {
	e := &Error{File: file, Line: c.Line, Err: err, Message: fmt.Sprintf("command %d of %d (%s): %v", c.Index, of, c.Name, err)}
	var s *stop
	if errors.As(err, &s) {
		e.Err, e.Message = s.err, fmt.Sprintf("stopped at command %d of %d (%s): %v", c.Index, of, c.Name, s.err)
		return e
	}
	var command mongo.CommandError
	var write mongo.WriteException
	switch {
	case errors.As(err, &command):
		e.Code = int(command.Code)
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		e.Code = write.WriteErrors[0].Code
	}
	return e
}

// bound applies Options.Timeout, and refuses a client whose writes could not be bounded.
func (o Options) bound(ctx context.Context, file string, db *mongo.Database) (context.Context, context.CancelFunc, error) {
	if o.MaxTime != nil && db.Client().Timeout() == nil {
		return nil, nil, fmt.Errorf("run %s: the MongoDB client was made without SetTimeout, so its writes would carry no maxTimeMS", file)
	}
	if o.Timeout > 0 {
		ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("%w of %s", ErrTimeout, o.Timeout.Round(time.Millisecond)))
		return ctx, cancel, nil
	}
	return ctx, func() {}, nil
}
