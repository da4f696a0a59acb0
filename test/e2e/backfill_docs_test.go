package e2e

import (
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/test/harness"
)

// backfillPage takes docs/backfills.md apart: the files of a language, and the commands, by section.
func backfillPage(t *testing.T, lang string) (files harness.Files, commands map[string][]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/backfills.md")
	if err != nil {
		t.Fatal(err)
	}
	files, commands = harness.Files{}, map[string][]string{}
	section, fence, block := "", "", ""
	for line := range strings.Lines(string(page)) {
		switch {
		case fence == "" && strings.HasPrefix(line, "## "):
			section = strings.TrimSpace(line[3:])
		case fence == "" && strings.HasPrefix(line, "```"):
			fence, block = strings.TrimSpace(line[3:]), ""
		case strings.HasPrefix(line, "```"):
			_, name, named := strings.Cut(strings.SplitN(block, "\n", 2)[0], "file: ")
			switch {
			case fence == "sh":
				commands[section] = append(commands[section], strings.Fields(strings.ReplaceAll(block, "\n", " \n "))...)
			case fence == lang && lang == "json":
				files["0002_currency.up.json"] = block
			case fence == lang && named:
				files[name] = block
			}
			fence = ""
		case fence == "sh":
			block += "schemagate " + strings.TrimPrefix(line, "schemagate ")
		default:
			block += line
		}
	}
	return files, commands
}

// obey runs a section's commands, as they stand there.
func (s *stage) obey(words []string) (out string) {
	s.T.Helper()
	if len(words) == 0 {
		s.T.Error("the section has no commands")
	}
	for _, command := range strings.Split(strings.Join(words, " "), "schemagate ")[1:] {
		out += s.Expect(0, strings.Fields(command)...).Out.Text()
	}
	return out
}

// TestBackfillsPageMongoDB and TestBackfillsPageSQL run everything that docs/backfills.md shows.
func TestBackfillsPageMongoDB(t *testing.T) {
	t.Parallel()
	files, commands := backfillPage(t, "js")
	const drop = "20240401100000-drop-amount.js"
	contract := files[drop]
	delete(files, drop)
	s, db := mongoStage(t, files)
	for i := range 50 {
		if _, err := db.Collection("payments").InsertOne(t.Context(), bson.D{{Key: "amount", Value: float64(i) + .25}}); err != nil {
			t.Fatal(err)
		}
	}
	words := commands["A new shape for a large collection, without downtime"]
	at := len(words) - 3 // schemagate up --contract
	if out := s.obey(words[:at]); !strings.Contains(out, "does not gate this release") || !strings.Contains(out, "done") {
		t.Errorf("the commands say:\n%s", out)
	}
	s.Write(harness.Files{drop: contract})
	s.obey(words[at:])
	for filter, want := range map[string]int64{"amount": 0, "amount_cents": 50} {
		if n, err := db.Collection("payments").CountDocuments(t.Context(), bson.D{{Key: filter, Value: bson.D{{Key: "$exists", Value: true}}}}); err != nil || n != want {
			t.Errorf("%d documents have %s, want %d (%v)", n, filter, want, err)
		}
	}
	files, _ = backfillPage(t, "json")
	s, db = mongoStage(t, files)
	if _, err := db.Collection("payments").InsertOne(t.Context(), bson.D{{Key: "amount", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	s.Up()
	if n, err := db.Collection("payments").CountDocuments(t.Context(), bson.D{{Key: "currency", Value: "EUR"}}); err != nil || n != 1 {
		t.Errorf("%d documents have a currency (%v)", n, err)
	}
}

func TestBackfillsPageSQL(t *testing.T) {
	t.Parallel()
	files, commands := backfillPage(t, "sql")
	s := newStage(t, files)
	s.Up()
	if out := s.obey(commands["What holds it up, and what you can do"]); !strings.Contains(out, "paused") && !strings.Contains(out, "pending") {
		t.Errorf("the commands say:\n%s", out)
	}
	s.obey(commands["Fleets of init containers only"])
	if got := s.Psql("select count(*) from payments where amount_cents = amount * 100"); got != "5000" {
		t.Errorf("%s rows are filled", got)
	}
}
