package lint

import (
	"io"
	"net/url"
	"path/filepath"
	"slices"
)

const (
	sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"
	home        = "https://github.com/schemagate/schemagate"
	docAddress  = home + "/blob/main/"
)

// The part of SARIF 2.1.0 that is used here.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string      `json:"id"`
		ShortDescription sarifText   `json:"shortDescription"`
		FullDescription  sarifText   `json:"fullDescription"`
		HelpURI          string      `json:"helpUri"`
		Help             sarifText   `json:"help"`
		Default          sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// WriteSARIF writes SARIF 2.1.0, which code hosts and editors show beside the code. What was silenced is there with its reason.
func (r *Result) WriteSARIF(w io.Writer, version string) error {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	d := &run.Tool.Driver
	d.Name, d.Version, d.InformationURI = "schemagate", version, home
	for _, rule := range Rules() {
		d.Rules = append(d.Rules, sarifRule{
			ID: rule.ID, ShortDescription: sarifText{rule.Title}, FullDescription: sarifText{rule.Why}, HelpURI: docAddress + rule.Doc(),
			Help: sarifText{"Safe: " + rule.Safe + "."}, Default: sarifConfig{rule.Severity.level()},
		})
	}
	for _, f := range slices.Concat(r.Findings, r.Silenced) {
		result := sarifResult{
			RuleID: f.Rule, RuleIndex: slices.IndexFunc(d.Rules, func(s sarifRule) bool { return s.ID == f.Rule }), Level: f.Severity.level(),
			Message:   sarifText{f.Message + ". " + f.effect() + ". Safe: " + f.Safe + "."},
			Locations: []sarifLocation{{sarifPhysical{sarifArtifact{address(f.File)}, sarifRegion{f.Line}}}},
		}
		if f.Reason != "" {
			result.Suppressions = []sarifSuppression{{"inSource", f.Reason}}
		}
		run.Results = append(run.Results, result)
	}
	return write(w, sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

// level is SARIF's word.
func (s Severity) level() string {
	if s == Info {
		return "note"
	}
	return string(s)
}

// address is a file's path as a URI.
func address(file string) string {
	u := url.URL{Path: filepath.ToSlash(file)}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}
