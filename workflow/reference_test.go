package workflow

import (
	"os"
	"strings"
	"testing"
)

// TestReference holds docs/reference.md to what documents may say: every
// spelling of every field, and every unit, is in it.
func TestReference(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, title := range []string{"Workflow documents", "Dialects"} {
		_, part, _ := strings.Cut(string(data), "\n## "+title+"\n")
		part, _, _ = strings.Cut(part, "\n## ")
		for _, s := range strings.Split(part, "\n### ") {
			title, body, _ := strings.Cut(s, "\n")
			sections[title] = body
		}
	}
	need := func(title, what string) {
		t.Helper()
		if !strings.Contains(sections[title], "`"+what+"`") {
			t.Errorf("%s: nothing about `%s`", title, what)
		}
	}
	need("The document", envelope)
	for f := range headerFields {
		need("The document", f)
	}
	for f := range configFields {
		if f != "catch" {
			need("Limits", f)
		}
	}
	need("A job", "catch")
	for f := range jobFields {
		if configFields[f] == "" && f != "nonce" { // which is known only to say that there is none
			need("A job", f)
		}
	}
	for _, r := range []record{wrapperRecord, tasksRecord, taskRecord, runRecord, inputRecord, metaRecord} {
		for f := range r.fields {
			if !strings.Contains(sections["`homestar`"], "`"+f+"`") && !strings.Contains(sections["`homestar`"], `"`+f+`":`) {
				t.Errorf("homestar: nothing about %s", f)
			}
		}
	}
	for _, fields := range []names{invocationFields, wasmRunFields} {
		for f := range fields {
			need("`ucan`", f)
		}
	}
	for _, fields := range []names{draftEnvelopeFields, draftHeaderFields, draftInvocationFields, draftTaskFields, draftInputFields} {
		for f := range fields {
			need("`draft`", f)
		}
	}
	for _, fields := range []names{jobDraftFields, jobDraftHandlerFields} {
		for f := range fields {
			need("`job-draft`", f)
		}
	}
	for f := range jobDraftJobFields {
		if configFields[f] == "" {
			need("`job-draft`", f)
		}
	}
	for p := range draftPromises {
		need("`draft`", p)
	}
	for u := range timeUnits.names {
		if u != "μs" { // another code point that looks the same
			need("Limits", u)
		}
	}
	for u := range byteUnits.names {
		need("Limits", u)
	}
	for p := range prefixes {
		need("Limits", p)
	}
	for s := range symbols {
		need("Limits", s)
	}
}
