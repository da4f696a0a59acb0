package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/database"
)

// TestHistoryPageHasEveryFieldAndKind holds docs/history.md, which auditors rely on, against the code.
func TestHistoryPageHasEveryFieldAndKind(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "history.md"))
	if err != nil {
		t.Fatal(err)
	}
	fields, kindsTable, _ := strings.Cut(string(text), "| kind | |")
	documented := func(part string) map[string]bool {
		out := map[string]bool{}
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(part, -1) {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				out[name[1]] = true
			}
		}
		return out
	}
	same := func(what string, have, want map[string]bool) {
		for name := range want {
			if !have[name] {
				t.Errorf("docs/history.md lacks the %s %q", what, name)
			}
		}
		for name := range have {
			if !want[name] {
				t.Errorf("docs/history.md has a %s %q that the code does not", what, name)
			}
		}
	}
	want := map[string]bool{}
	var collect func(reflect.Type)
	collect = func(s reflect.Type) {
		for i := range s.NumField() {
			name, _, _ := strings.Cut(s.Field(i).Tag.Get("json"), ",")
			switch {
			case s.Field(i).Anonymous:
				collect(s.Field(i).Type)
			case name != "-":
				want[name] = true
			}
		}
	}
	collect(reflect.TypeFor[eventJSON]())
	same("field", documented(fields), want)
	want = map[string]bool{}
	for _, k := range kinds() {
		want[k] = true
	}
	same("kind", documented(kindsTable), want)
}

// TestEveryKindIsKnown finds a kind of event that was added to the package and not here.
func TestEveryKindIsKnown(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "database", "database.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\t\w+ +Kind = "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(found) < 12 {
		t.Fatalf("found %d kinds", len(found))
	}
	for _, k := range found {
		if !slices.Contains(kinds(), k[1]) {
			t.Errorf("history --kind does not know %q", k[1])
		}
	}
}

func TestHistoryFilter(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
	events := []database.Event{
		{ID: 1, Kind: database.Applied, Version: "0007", At: at(-40)},
		{ID: 2, Kind: database.RolledBack, Version: "7", At: at(-13)},
		{ID: 3, Kind: database.Complete, At: at(-12)},
		{ID: 4, Kind: database.Failed, Version: "8", At: at(-1)},
	}
	for name, c := range map[string]struct {
		since, version, kind string
		want                 []int64
	}{
		"everything":     {"", "", "", []int64{1, 2, 3, 4}},
		"how long ago":   {"13h30m", "", "", []int64{2, 3, 4}},
		"a date":         {"2026-01-31", "", "", []int64{3, 4}},
		"a moment":       {"2026-01-31T10:00:00Z", "", "", []int64{4}},
		"another zone":   {"2026-01-31T02:00:00+02:00", "", "", []int64{3, 4}},
		"version":        {"", "007", "", []int64{1, 2}},
		"kinds":          {"", "", "failed, rolled back", []int64{2, 4}},
		"kind, hyphened": {"", "", "rolled-back", []int64{2}},
		"all of them":    {"20h", "7", "rolled back", []int64{2}},
	} {
		f, err := newEventFilter(c.since, c.version, c.kind, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []int64
		for _, e := range events {
			if f.has(e) {
				got = append(got, e.ID)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, c := range [][3]string{{"yesterday", "", ""}, {"-3h", "", ""}, {"", "", "apply"}} {
		if _, err := newEventFilter(c[0], c[1], c[2], now); !errors.Is(err, config.ErrUsage) {
			t.Errorf("%v: got %v", c, err)
		}
	}
}
