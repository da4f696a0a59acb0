package migrations

import "strings"

// Ignore says that a rule of the linter is not to warn, and why.
type Ignore struct {
	Rule, Reason string
	// Line is where it stands.
	Line int
	// Statement is the Line of the statement that it holds for; 0 for the whole script.
	Statement int
}

// lintIgnore reads RULE REASON. Which rules there are is the linter's business.
func (p *directiveParser) lintIgnore(text string, hasValue bool) {
	rule, reason, _ := cutSpace(strings.TrimSpace(text))
	if hasValue || rule == "" || strings.TrimSpace(reason) == "" {
		p.problem("lint-ignore needs a rule and a reason", "write lint-ignore RULE and, on the same line, why it does no harm here")
		return
	}
	p.script.Ignores = append(p.script.Ignores, Ignore{Rule: rule, Reason: strings.TrimSpace(reason), Line: p.line})
}

// lateIgnore reads a lint-ignore behind the first statement, which holds for the statement that it stands before or in.
func lateIgnore(file string, c comment, statements []Statement) (Ignore, []*Problem) {
	p := directiveParser{file: file, line: c.line}
	text, _ := c.directive()
	p.parse(text)
	if len(p.problems) > 0 {
		return Ignore{}, p.problems
	}
	if c.statement >= len(statements) {
		p.problem("lint-ignore behind the last statement", "write it before the statement that it is for")
		return Ignore{}, p.problems
	}
	i := p.script.Ignores[0]
	i.Statement = statements[c.statement].Line
	return i, nil
}

// isIgnore reports whether a directive's text is a lint-ignore, the one that may stand anywhere.
func isIgnore(text string) bool {
	word, _, _ := cutSpace(strings.TrimSpace(text))
	name, _, _ := strings.Cut(word, "=")
	return name == "lint-ignore"
}
