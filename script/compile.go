package script

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
	"github.com/evanw/esbuild/pkg/api"
)

// Program is one compiled script. It holds no state of a run: any number of runs may use it at a time.
type Program struct {
	file string
	code *goja.Program
}

// File is the name that messages carry.
func (p *Program) File() string { return p.file }

// Compile translates a script to what the engine runs. It executes nothing. A syntax error carries file, line and column.
// A name that ends in .ts, .mts or .cts is TypeScript; its types are stripped, not checked.
func Compile(file, source string) (*Program, error) {
	source = strings.TrimPrefix(source, "\ufeff")
	if strings.HasPrefix(source, "#!") {
		source = "//" + source[2:]
	}
	out := api.Transform(source, transform(file))
	if len(out.Errors) > 0 {
		return nil, syntaxError(file, out.Errors[0])
	}
	translated, err := withSourceMap(out)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", file, err)
	}
	ast, err := goja.Parse(file, translated, parser.WithSourceMapLoader(noSourceMaps))
	if err != nil {
		return nil, engineSyntaxError(file, err)
	}
	code, err := goja.CompileAST(ast, false)
	if err != nil {
		return nil, engineSyntaxError(file, err)
	}
	return &Program{file: file, code: code}, nil
}

func transform(file string) api.TransformOptions {
	return api.TransformOptions{
		// The base name alone: the engine resolves it against the folder of the name that it is given.
		Sourcefile:     path.Base(file),
		Loader:         loader(file),
		Format:         api.FormatCommonJS,
		Platform:       api.PlatformNode,
		Target:         api.ES2017,
		Supported:      features(),
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		Charset:        api.CharsetUTF8,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		// A project's tsconfig has no say here, and strict mode is the script's own choice.
		TsconfigRaw: `{"compilerOptions":{"alwaysStrict":false,"verbatimModuleSyntax":false}}`,
		Banner:      "(function (exports, require, module, __filename, __dirname) {",
		Footer:      "\n})",
	}
}

// withSourceMap puts the map where the engine finds it, and with it the engine maps all positions back itself. Its lookup fails at the first line's
// column 0 and behind the last position, so the map gets one more at each end: one behind that is not there, and one in front, on the banner's line, whose
// column 1 shifts all that follow, since they are relative. Columns count from 1 by that, as people expect.
func withSourceMap(out api.TransformResult) (string, error) {
	var m map[string]any
	if err := json.Unmarshal(out.Map, &m); err != nil {
		return "", fmt.Errorf("source map: %w", err)
	}
	m["mappings"] = fmt.Sprintf("AAAC%s;;;;AAAA", m["mappings"])
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("source map: %w", err)
	}
	return string(out.Code) + "\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString(text), nil
}

func loader(file string) api.Loader {
	switch path.Ext(file) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	default:
		return api.LoaderJS
	}
}

// features corrects the language level by what the engine was found to run itself. Unicode property escapes compile there but never match,
// so they are turned into a call of RegExp, which refuses them by name.
func features() map[string]bool {
	return map[string]bool{
		"bigint":                          true,
		"regexp-dot-all-flag":             true,
		"regexp-lookbehind-assertions":    true,
		"regexp-named-capture-groups":     true,
		"regexp-unicode-property-escapes": false,
		"for-await":                       false,
		"async-generator":                 false,
		"dynamic-import":                  false,
		"top-level-await":                 true, // refused for the format, in words that say so
	}
}

// noSourceMaps keeps a script's own sourceMappingURL comment from reading a file.
func noSourceMaps(string) ([]byte, error) { return nil, errors.New("source maps are not read") }

func syntaxError(file string, m api.Message) error {
	e := &Error{File: file, Name: "SyntaxError", Message: m.Text}
	if l := m.Location; l != nil {
		e.Line, e.Column = l.Line, l.Column+1
	}
	for _, n := range m.Notes {
		e.Message += "; " + n.Text
	}
	return e
}

// engineSyntaxError is what esbuild takes and the engine does not: its positions are those of the translation, unless it got as far as the source map.
func engineSyntaxError(file string, err error) error {
	e := &Error{File: file, Name: "SyntaxError", Message: "after translation: " + err.Error(), Err: err}
	var se *goja.CompilerSyntaxError
	if errors.As(err, &se) && se.File != nil {
		at := se.File.Position(se.Offset)
		e.Message, e.Line, e.Column = se.Message, at.Line, at.Column
	}
	return e
}

// missingExport says what a script should have exported.
func missingExport(file, name string) error {
	parameters := "db, client"
	if name == "batch" {
		parameters = "docs, db, client"
	}
	return &Error{File: file, Message: fmt.Sprintf("exports no function %s: expected module.exports = { async %s(%s) { ... } }", name, name, parameters)}
}
