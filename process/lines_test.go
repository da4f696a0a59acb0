package process

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"whole lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"a line in pieces", []string{"a", "b", "\nc\n"}, []string{"ab", "c"}},
		{"empty lines", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"CRLF, cut between the two", []string{"a\r", "\nb\r\n"}, []string{"a", "b"}},
		{"no end", []string{"a\nb"}, []string{"a", "b"}},
		{"the longest", []string{long + "\n"}, []string{long}},
		{"the longest, its end later", []string{long, "\n", "a\n"}, []string{long, "a"}},
		{"too long", []string{long + "yz\na\n"}, []string{long, "yz", "a"}},
		{"too long, no end", []string{long, long, "y"}, []string{long, long, "y"}},
		{"cut between characters", []string{long[1:] + "é\n"}, []string{long[1:], "é"}},
		{"bytes that are no text", []string{long[1:] + "\xff\xff\n"}, []string{long[1:] + "\xff", "\xff"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			w := Lines(func(line string) { got = append(got, line) })
			for _, s := range test.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := errors.Join(w.Close(), w.Close()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("got %d lines %.60q, want %d", len(got), got, len(test.want))
			}
			if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
				t.Fatalf("Write after Close = %v", err)
			}
		})
	}
}

func TestTail(t *testing.T) {
	tests := []struct {
		keep int
		add  string
		want string
	}{
		{0, "a b", ""},
		{3, "", ""},
		{3, "a b", "a b"},
		{3, "a b c", "a b c"},
		{3, "a b c d", "b c d"},
		{3, "a b c d e f g", "e f g"},
	}
	for _, test := range tests {
		tail := NewTail(test.keep)
		for _, line := range strings.Fields(test.add) {
			tail.Add(line)
		}
		if got := strings.Join(tail.Lines(), " "); got != test.want {
			t.Errorf("the last %d of %q: got %q, want %q", test.keep, test.add, got, test.want)
		}
	}
}

func TestEnviron(t *testing.T) {
	t.Setenv("PROCESS_TEST_SECRET", "s3cret")
	t.Setenv("PROCESS_TEST_KEPT", "a=b")
	t.Setenv("PROCESS_TEST_CHANGED", "old")
	got := Environ(
		[]string{"PROCESS_TEST_SECRET", "PROCESS_TEST_NONE", "PROCESS_TEST_NEW"},
		map[string]string{"PROCESS_TEST_CHANGED": "new", "PROCESS_TEST_NEW": ""},
	)
	var ours []string
	for _, entry := range got {
		if strings.HasPrefix(entry, "PROCESS_TEST_") {
			ours = append(ours, entry)
		}
	}
	want := []string{"PROCESS_TEST_KEPT=a=b", "PROCESS_TEST_CHANGED=new", "PROCESS_TEST_NEW="}
	if !slices.Equal(ours, want) {
		t.Fatalf("got %q, want %q", ours, want)
	}
	if len(got) != len(os.Environ()) { // one gone, one new
		t.Fatalf("%d entries of %d", len(got), len(os.Environ()))
	}
}
