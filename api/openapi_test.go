package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
)

// TestOpenAPI holds the description to what is answered, in both directions: each
// operation is there, and no other. What the answers hold, every test of this
// package holds to its schemas.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d, err := described()
	must(t, err)
	var want []string
	for path, operations := range d.Paths {
		for method := range operations {
			want = append(want, strings.ToUpper(method)+" "+path)
		}
	}
	var have []string
	h := api.New(api.Config{})
	for path, methods := range h.Routes() {
		for _, method := range methods {
			have = append(have, method+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	expect(t, "operations", have, want)

	r := newRig(t, options{})
	resp := r.do(t, "GET", "/v1/openapi.json", "")
	expect(t, "the document", resp.json(t, http.StatusOK)["openapi"], any("3.1.0"))
}

// TestOpenAPIRefs: what the description refers to is in it, and all of it is used.
func TestOpenAPIRefs(t *testing.T) {
	t.Parallel()
	var doc struct {
		Components map[string]map[string]any
	}
	must(t, json.Unmarshal(api.OpenAPI, &doc))
	unused := map[string]bool{}
	delete(doc.Components, "securitySchemes") // which are named, not referred to
	for kind, all := range doc.Components {
		for name := range all {
			unused["#/components/"+kind+"/"+name] = true
		}
	}
	for _, m := range regexp.MustCompile(`"\$ref": "([^"]*)"`).FindAllStringSubmatch(string(api.OpenAPI), -1) {
		if _, ok := unused[m[1]]; !ok {
			t.Errorf("there is no %s", m[1])
		}
		unused[m[1]] = false
	}
	maps.DeleteFunc(unused, func(ref string, is bool) bool { return !is || ref == "#/components/schemas/Event" })
	expect(t, "unused", len(unused), 0)
}
