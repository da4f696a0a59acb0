package migrations

import (
	"errors"
	"fmt"
	"testing"

	"github.com/schemagate/schemagate/internal/spell"
)

func TestProblem(t *testing.T) {
	cause := errors.New("cause")
	a := &Problem{File: "a.sql", Line: 3, Msg: "is wrong", Remedy: "mend it", cause: cause}
	b := &Problem{File: "."}
	for _, c := range []struct {
		p    *Problem
		want string
	}{
		{a, "a.sql:3: is wrong: mend it"},
		{&Problem{File: "a.sql", Msg: "is wrong"}, "a.sql: is wrong"},
		{&Problem{File: ".", Msg: "is empty"}, "migrations folder: is empty"},
		{&Problem{Msg: "is wrong"}, "is wrong"},
	} {
		if got := c.p.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	err := fmt.Errorf("validate: %w", joinProblems([]*Problem{a, b}))
	if ps := Problems(err); len(ps) != 2 || ps[0] != a || ps[1] != b {
		t.Errorf("problems %v", ps)
	}
	if !errors.Is(err, ErrSet) || !errors.Is(err, cause) || errors.Is(cause, ErrSet) {
		t.Error("a set's problems are not matched by what they are")
	}
	if ps := Problems(cause); ps != nil {
		t.Errorf("problems %v of another error", ps)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"no-transactions": "no-transaction", "lock-timeout": "lock_timeout", "statment_timeout": "statement_timeout", "xyz": "", "": ""} {
		if got := spell.Nearest(word, directiveNames); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestScriptNames(t *testing.T) {
	for text, want := range map[string]exported{
		`module.exports = { up, down };`:                                                     {up: true, down: true},
		`export default class { async up(db) {} async down(db) {} }`:                         {up: true, down: true},
		`exports.up = f; module.exports.down = g;`:                                           {up: true, down: true},
		`export { up, rollback as down }`:                                                    {up: true, down: true},
		`exports.up = async db => { db.down(); const x = {down: "down"}; };`:                 {up: true},
		"exports.up = 1; // down\n/* down */ 'down \\' down' + `down\n\\` down` + obj.down":  {up: true},
		`exports.up = s => s.replace(/[({]/, "").replace(/it's/, 1);` + "\nexports.down = 1": {up: true, down: true},
		`exports.up = "not closed`:                                                           {up: true},
		`exports.up = /* not closed`:                                                         {up: true},
		`backup(); shutdown();`:                                                              {},
	} {
		if got := scriptNames(text); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}
