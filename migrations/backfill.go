package migrations

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/schemagate/schemagate/internal/spell"
)

// Backfill is what the directive backfill says: a change of data that is made in batches, in the order of a key.
type Backfill struct {
	// Line is where the directive begins.
	Line int
	// Table is the table or collection, and Key the columns or fields of the unique, ordered key that is walked, as the author
	// wrote them.
	Table string
	Key   []string
	// Where, if not empty, tells the rows that still need the change: a condition in SQL, or a filter in Extended JSON.
	Where string
	// Left, if not empty, is a query that answers how many rows still need the change.
	Left string
	// Size is the most keys in one batch, 0 leaving it to the engine; Pause is kept between batches.
	Size  int
	Pause time.Duration
	// Background: it does not gate the release.
	Background bool
	// Statements is the batch in SQL, each statement divided at its marks; Update is the change in Extended JSON.
	Statements [][]Part
	Update     string
}

// Part is a piece of a batch statement: its own text, or one of the marks.
type Part struct {
	Text string
	Mark string
}

// The marks of a batch statement. From and To are the first and the last key of the batch, both included; Batch is the whole
// condition: the keys from first to last, and where= if that is given; Where is where= alone.
const (
	MarkFrom  = "from"
	MarkTo    = "to"
	MarkWhere = "where"
	MarkBatch = "batch"
)

// maxBatch bounds a batch, and with it the memory that one takes.
const maxBatch = 100_000

var (
	backfillPairs = [...]string{"table", "collection", "key", "where", "filter", "left", "size", "pause"}
	backfillFlags = [...]string{"background", "idempotent"}
)

// backfill collects the words and pairs of one line; a value that holds spaces stands in single or double quotes, doubled inside.
func (p *directiveParser) backfill(text string, hasValue bool) {
	if hasValue {
		p.problem("directive backfill takes pairs, not a value", "write backfill table=... key=...")
		return
	}
	if p.script.Backfill == nil {
		p.script.Backfill, p.given = &Backfill{Line: p.line}, map[string]bool{}
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexAny(text, "= \t")
		word := text
		if end >= 0 {
			word = text[:end]
		}
		if end < 0 || text[end] != '=' {
			p.backfillWord(word)
			text = text[len(word):]
			continue
		}
		value, rest, ok := cutValue(text[end+1:])
		if !ok {
			p.problem(fmt.Sprintf("backfill: the quoted value of %s is not closed, or goes on after its quote", word), "close the quote on the same line")
			return
		}
		if p.given[word] {
			p.problem(fmt.Sprintf("backfill: %s is there twice", word), "keep one")
		}
		p.given[word] = true
		p.backfillPair(word, value)
		text = rest
	}
}

func (p *directiveParser) backfillWord(word string) {
	switch word {
	case "background":
		p.script.Backfill.Background = true
	case "idempotent":
		p.script.Idempotent = true
	default:
		p.unknownBackfill(word)
	}
}

func (p *directiveParser) unknownBackfill(word string) {
	known := append(backfillPairs[:len(backfillPairs):len(backfillPairs)], backfillFlags[:]...)
	remedy := "it takes " + strings.Join(backfillPairs[:], "=, ") + "= (with quotes around a value that holds spaces) and the words " + strings.Join(backfillFlags[:], ", ")
	if n := spell.Nearest(word, known); n != "" && n != word {
		remedy = fmt.Sprintf("did you mean %q?", n)
	}
	p.problem(fmt.Sprintf("backfill: %q is not known", word), remedy)
}

func (p *directiveParser) backfillPair(name, value string) {
	b := p.script.Backfill
	if strings.TrimSpace(value) == "" {
		p.problem(fmt.Sprintf("backfill: %s needs a value", name), "write "+name+"=VALUE")
		return
	}
	switch name {
	case "table", "collection":
		b.Table = value
	case "key":
		for k := range strings.SplitSeq(value, ",") {
			b.Key = append(b.Key, strings.TrimSpace(k))
		}
	case "where", "filter":
		b.Where = value
	case "left":
		b.Left = value
	case "size":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxBatch {
			p.problem(fmt.Sprintf("backfill: size=%s is not a number from 1 to %d", value, maxBatch), "write the most keys that one batch may take")
		}
		b.Size = n
	case "pause":
		if d := p.duration("backfill: pause", value); d != nil {
			b.Pause = *d
		}
	default:
		p.unknownBackfill(name)
	}
}

// checkBackfill finishes what the directive began, once the script is parsed: the statements are divided at their marks.
func checkBackfill(d Dialect, s *Script) (problems []*Problem) {
	b := s.Backfill
	bad := func(line int, remedy, format string, args ...any) {
		problems = append(problems, &Problem{File: s.File, Line: line, Msg: "backfill: " + fmt.Sprintf(format, args...), Remedy: remedy})
	}
	noun := "table"
	if d == MongoDB {
		noun = "collection"
	}
	if b.Table == "" {
		bad(b.Line, "write "+noun+"=NAME", "it names no %s", noun)
	}
	for _, k := range b.Key {
		if k == "" {
			bad(b.Line, "write key=COLUMN, or key=COLUMN,COLUMN", "a part of its key is empty")
		}
	}
	if len(b.Key) == 0 {
		bad(b.Line, "write key=COLUMN: a unique key that can be ordered; key=COLUMN,COLUMN for one of several", "it names no key")
	}
	if s.Verify != "" {
		bad(s.VerifyLine, "give where= or left=, which has to come to 0, or verify in the next migration", "verify= has no place beside it")
	}
	if s.NoTransaction {
		bad(b.Line, "remove no-transaction: each batch is a transaction of its own", "a batch runs inside a transaction")
	}
	if d == MongoDB {
		if b.Left != "" {
			bad(b.Line, "give a filter: what it finds is what is left", "left= is for SQL")
		}
		if b.Where != "" && !json.Valid([]byte(b.Where)) {
			bad(b.Line, "write it in Extended JSON, in quotes", "the filter is not valid JSON")
		}
		if b.Where == "" && !s.Idempotent {
			bad(b.Line, "give a filter that finds what still needs the change, or say idempotent",
				"without transactions a batch may be repeated after a crash")
		}
		return problems
	}
	if b.Where != "" && b.Left != "" {
		bad(b.Line, "keep where=, from which what is left is counted, or write both conditions into left=", "where= and left= say the same twice")
	}
	for _, st := range s.Statements {
		parts := marked(d, st.SQL)
		has := map[string]bool{}
		for _, part := range parts {
			has[part.Mark] = true
		}
		switch {
		case st.Copy != nil:
			bad(st.Line, "write an UPDATE, INSERT or DELETE", "COPY can't be made in batches")
		case !has[MarkBatch] && !(has[MarkFrom] && has[MarkTo]):
			bad(st.Line, "write WHERE :batch, or WHERE "+strings.Join(b.Key, ", ")+" BETWEEN :from AND :to", "the statement would run on the whole table each time")
		case b.Where != "" && !has[MarkBatch] && !has[MarkWhere] && !s.Idempotent:
			bad(st.Line, "write WHERE :batch, or add AND :where", "the statement ignores where=, and would change again what is done already")
		case has[MarkWhere] && b.Where == "":
			bad(st.Line, "add where=CONDITION to the directive", "it uses :where, and there is none")
		}
		b.Statements = append(b.Statements, parts)
	}
	return problems
}

// marked divides a statement at its marks. What stands in strings, quoted names and comments is none, nor is what follows ::.
func marked(d Dialect, sql string) (parts []Part) {
	last := 0
	s := splitter{dialect: d, text: sql, line: 1, whole: true}
	s.tokens = make([]string, 0, headLen)
	for s.i < len(sql) {
		at := s.i
		if s.next() != nil {
			break // it was parsed once; what can't be read again has no marks
		}
		if sql[at] != ':' || s.i != at+1 || at > 0 && sql[at-1] == ':' {
			continue
		}
		end := at + 1
		for end < len(sql) && isWordStart(sql[end]) {
			end++
		}
		switch name := strings.ToLower(sql[at+1 : end]); name {
		case MarkFrom, MarkTo, MarkWhere, MarkBatch:
			parts = append(parts, Part{Text: sql[last:at]}, Part{Mark: name})
			last, s.i = end, end
		}
	}
	return append(parts, Part{Text: sql[last:]})
}

// jsonBackfill reads {"backfill": {...}}, or returns nil where the file holds commands.
func jsonBackfill(script *Script) []*Problem {
	var doc struct {
		Backfill *json.RawMessage `json:"backfill"`
	}
	if json.Unmarshal([]byte(script.Text), &doc) != nil || doc.Backfill == nil {
		return nil
	}
	line := 1 + strings.Count(script.Text[:max(0, strings.Index(script.Text, `"backfill"`))], "\n")
	bad := func(msg string) []*Problem {
		return []*Problem{{File: script.File, Line: line, Msg: "backfill: " + msg,
			Remedy: `write {"backfill": {"collection": "users", "key": "_id", "filter": {...}, "update": {...}}}, and if need be "size", "pause", "background", "idempotent"`}}
	}
	var in struct {
		Collection string          `json:"collection"`
		Key        json.RawMessage `json:"key"`
		Filter     json.RawMessage `json:"filter"`
		Update     json.RawMessage `json:"update"`
		Size       int             `json:"size"`
		Pause      string          `json:"pause"`
		Background bool            `json:"background"`
		Idempotent bool            `json:"idempotent"`
	}
	dec := json.NewDecoder(strings.NewReader(string(*doc.Backfill)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return bad(err.Error())
	}
	b := &Backfill{Line: line, Table: in.Collection, Size: in.Size, Background: in.Background, Where: string(in.Filter), Update: string(in.Update)}
	script.Idempotent = script.Idempotent || in.Idempotent
	var one string
	switch {
	case len(in.Key) == 0:
		b.Key = []string{"_id"}
	case json.Unmarshal(in.Key, &one) == nil:
		b.Key = []string{one}
	case json.Unmarshal(in.Key, &b.Key) != nil:
		return bad("key is neither a field nor a list of fields")
	}
	if in.Pause != "" {
		var err error
		if b.Pause, err = time.ParseDuration(in.Pause); err != nil || b.Pause < 0 {
			return bad("pause is not a duration such as 10ms")
		}
	}
	if in.Size < 0 || in.Size > maxBatch {
		return bad(fmt.Sprintf("size is not a number from 1 to %d", maxBatch))
	}
	if len(in.Update) == 0 {
		return bad("it has no update")
	}
	script.Backfill = b
	return nil
}
