package health

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// channel is a colour's linear light, after WCAG 2.2's definition of relative luminance.
func channel(v float64) float64 {
	if v /= 255; v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

type colour [3]float64

func parseColour(t *testing.T, hex string) (c colour) {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("colour %q: %v", hex, err)
	}
	return colour{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
}

// over is color-mix(in srgb, c share, below).
func (c colour) over(below colour, share float64) (out colour) {
	for i := range out {
		out[i] = c[i]*share + below[i]*(1-share)
	}
	return out
}

func (c colour) luminance() float64 {
	return 0.2126*channel(c[0]) + 0.7152*channel(c[1]) + 0.0722*channel(c[2])
}

func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text is read at 4.5 to 1 (WCAG AA) on everything that it stands on, by day and by night.
func TestPageContrast(t *testing.T) {
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(pageHTML), -1)
	if len(schemes) != 2 {
		t.Fatalf("%d schemes, want a light and a dark one", len(schemes))
	}
	if got := contrast(colour{}, colour{255, 255, 255}); math.Abs(got-21) > 1e-9 {
		t.Fatalf("black on white is %v, want 21", got)
	}
	for i, scheme := range schemes {
		of := map[string]colour{}
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6})`).FindAllStringSubmatch(scheme[1], -1) {
			of[m[1]] = parseColour(t, m[2])
		}
		grounds := map[string]colour{"paper": of["paper"], "card": of["card"]}
		tones := []string{"green", "amber", "blue", "red", "plum", "slate"}
		for _, tone := range tones {
			grounds[tone+"'s wash"] = of[tone].over(of["card"], 0.09)
		}
		check := func(text, ground string) {
			if got := contrast(of[text], grounds[ground]); got < 4.5 {
				t.Errorf("%s: %s on %s is %.2f to 1", [...]string{"light", "dark"}[i], text, ground, got)
			}
		}
		for ground := range grounds {
			check("ink", ground)
			check("soft", ground)
		}
		for _, tone := range tones { // headlines and badges: on their own wash, on cards and on the page
			for _, ground := range []string{tone + "'s wash", "card", "paper"} {
				check(tone, ground)
			}
		}
	}
}

// What a screen reader goes by: the language, landmarks, one headline, tables with heads, and a voice for what changes.
func TestPageStructure(t *testing.T) {
	page := string(pageHTML)
	for what, want := range map[string]string{
		"the language": `<html lang="en">`, "a way past the header": `class="skip"`, "the main landmark": `<main`,
		"a voice for changes": `aria-live="`, "less motion where that is asked for": "prefers-reduced-motion",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s: no %s", what, want)
		}
	}
	if n := strings.Count(page, "<h1"); n != 1 {
		t.Errorf("%d headlines, want 1", n)
	}
	for _, tag := range regexp.MustCompile(`<(?:svg|img|table|progress|section)\b[^>]*>`).FindAllString(page, -1) {
		named := strings.Contains(tag, "xmlns=") // the tab's icon, which is a picture's source
		for _, by := range []string{"aria-label", "aria-labelledby", "aria-hidden", "alt=", "role=\"presentation\""} {
			named = named || strings.Contains(tag, by)
		}
		if !named && !strings.HasPrefix(tag, "<table") {
			t.Errorf("%s has no name", tag)
		}
	}
	for _, table := range regexp.MustCompile(`(?s)<table.*?</table>`).FindAllString(page, -1) {
		if !strings.Contains(table, "<th") || !strings.Contains(table, "<caption") && !strings.Contains(table, "aria-label") {
			t.Errorf("a table without head or name: %.80s", table)
		}
	}
}
