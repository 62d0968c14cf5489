package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
)

const formType = "Content-Type: multipart/form-data; boundary=b"

// form is a form of parts, each a header and a body.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=" + parts[i] + "\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

// A document that names files by path comes as a form that says which files are
// behind them.
func TestForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	files := `{"./add.wasm": "` + r.module(t) + `"}`
	const document = "a: {with: ./add.wasm, args: [1]}\n"
	m := r.do(t, "POST", "/v1/workflows?wait", form("document", document, "files", files), formType).json(t, http.StatusOK)
	expect(t, "state", m["state"], any("ok"))
	plain := r.do(t, "POST", "/v1/workflows?wait", "a: {with: "+r.module(t)+", args: [1]}\n").json(t, http.StatusOK)
	expect(t, "workflow", m["workflow"], plain["workflow"])
	typed := form("document\r\nContent-Type: application/yaml; charset=utf-8", document, "files", files)
	r.do(t, "POST", "/v1/workflows", typed, formType).json(t, http.StatusAccepted)

	p := r.do(t, "POST", "/v1/workflows", form("document", "a: {with: ./sub.wasm, args: [1]}\n", "files", files), formType)
	p.problem(t, http.StatusUnprocessableEntity, api.Faults, "./sub.wasm")
	for name, test := range map[string]struct{ body, header, text string }{
		"no boundary":   {form("document", document), "Content-Type: multipart/form-data", "boundary"},
		"no document":   {form("files", files), formType, "no document"},
		"unknown part":  {form("document", document, "more", "x"), formType, "more"},
		"twice":         {form("document", document, "document", document), formType, "twice"},
		"cut off":       {strings.TrimSuffix(form("document", document), "--b--\r\n"), formType, "the form: "},
		"no object":     {form("document", document, "files", "[]"), formType, "not a JSON object"},
		"a path twice":  {form("document", document, "files", `{"a": "`+r.module(t)+`", "a": "`+r.module(t)+`"}`), formType, "not a JSON object"},
		"no CID":        {form("document", document, "files", `{"./add.wasm": "x"}`), formType, "not a CID"},
		"not even text": {form("document", document, "files", `{"./add.wasm": 1}`), formType, "not a CID"},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.do(t, "POST", "/v1/workflows", test.body, test.header)
			p.problem(t, http.StatusBadRequest, api.BadRequest, test.text)
		})
	}
	picture := form("document\r\nContent-Type: image/png", document)
	r.do(t, "POST", "/v1/workflows", picture, formType).problem(t, http.StatusUnsupportedMediaType, api.Unsupported, "image/png")
}
