package workflow

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Effect is what a job asks of the world.
type Effect struct {
	// URI is whom it is asked of: text in the form of [NormalURI], or a promise
	// of it.
	URI ipld.Value
	// Scheme is that of the URI, in lower case.
	Scheme string
	// Do is the ability: what is to be done, such as "crud/update".
	Do string
}

// Task is the task that has the effect, with arguments params, which are a map
// (docs/protocol.md, "Effects").
func (e *Effect) Task(sub did.DID, params ipld.Value, nonce string) task.Task {
	args := append([]ipld.Entry{{Key: "uri", Value: e.URI}}, params.Entries()...)
	return task.Task{Subject: sub, Command: "/" + e.Do, Args: ipld.Map(args...), Nonce: nonce}
}

// abilityRun is the ability of a job that calls a function.
const abilityRun = "wasm/run"

// webVerbs are the abilities that people write as HTTP names them.
var webVerbs = map[string]string{
	"GET": "crud/read", "HEAD": "crud/read", "POST": "crud/create", "PUT": "crud/update", "PATCH": "crud/update", "DELETE": "crud/delete",
}

// ability reads what an effect is to do.
func (r *reader) ability(v *node) string {
	s := v.text()
	switch {
	case v.kind != stringNode:
		r.fault(v, Type, "write do: crud/read", "expected what is to be done as text, got %s", v.show())
	case len(s) > maxLabel || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-./") != "" || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || s == "":
		hint := "write words in lower case with / between them, such as crud/read"
		if verb := webVerbs[strings.ToUpper(s)]; verb != "" {
			hint = "write do: " + verb
		}
		r.fault(v, Invalid, hint, "expected what is to be done, such as crud/read, got %s", quote(s))
	}
	return s
}

// effectParts are the fields of a job that is an effect.
type effectParts struct{ do, with, scheme, input *node }

// effect reads what a job of n asks of whom. The fields are where the reader is;
// its arguments are read.
func (r *reader) effect(j *Job, n *node, p effectParts) {
	e := &Effect{URI: ipld.Null}
	j.Effect = e
	if p.do == nil {
		r.fault(n, Missing, "add do: crud/read", "the effect does not say what is to be done: there is no field do")
	} else {
		r.enter(n.keyOf(p.do))
		e.Do = r.ability(p.do)
		r.leave()
	}
	if p.with == nil && r.misspelt("with", n, jobFields) {
		return
	}
	if p.with == nil {
		r.fault(n, Missing, "add with: https://example.com/", "the effect does not say with what: there is no field with")
	} else {
		r.enter(n.keyOf(p.with))
		r.effectURI(e, p.with)
		r.leave()
	}
	if p.scheme != nil && p.scheme.kind != nullNode {
		r.enter(n.keyOf(p.scheme))
		r.scheme(e, p.scheme)
		r.leave()
	}
	if _, promised, _ := task.AsPromise(e.URI); promised && e.Scheme == "" && p.scheme == nil {
		r.enter(n.keyOf(p.with))
		hint := "add scheme: https, or what the URI will begin with"
		if r.dialect != Native {
			hint = "this dialect has no field for it: write the URI itself, or the job in the native dialect with scheme: https"
		}
		r.fault(p.with, Missing, hint, "the URI is the result of a job, and the effect has no field scheme")
		r.leave()
	}
	r.effectInput(j, n, p.input)
}

// effectURI reads what an effect is asked of.
func (r *reader) effectURI(e *Effect, v *node) {
	if r.isPromise(v) {
		e.URI = r.promise(v)
		return
	}
	if v.kind != stringNode {
		r.fault(v, Type, "write with: https://example.com/", "expected a URI as text, got %s", v.show())
		return
	}
	uri, scheme, err := NormalURI(v.text())
	if err != nil {
		shown := quote(v.text())
		if strings.Contains(v.text(), "@") { // perhaps a password
			shown = "the URI"
		}
		r.fault(v, Invalid, uriHint(v.text(), err), "%s can not be used: %v", shown, err)
	}
	e.URI, e.Scheme = ipld.String(uri), scheme
}

// scheme reads the scheme that the URI of an effect has or will have.
func (r *reader) scheme(e *Effect, v *node) {
	s := strings.ToLower(v.text())
	switch {
	case v.kind != stringNode || !isScheme(s):
		r.fault(v, Invalid, "write scheme: https", "expected the scheme of a URI, got %s", v.show())
	case e.Scheme != "" && e.Scheme != s:
		r.fault(v, Invalid, "leave it out: the URI has its own", "the scheme of the URI is %s, not %s", e.Scheme, s)
	default:
		e.Scheme = s
	}
}

// uriHint says how to mend text that is no URI because of err.
func uriHint(text string, err error) string {
	switch err {
	case errUser:
		return "leave them out: a document is stored and passed on"
	case errFragment:
		return "leave out # and what follows it"
	case errScheme:
		if host, _ := cutAt(text, "/"); strings.Contains(strings.Trim(host, "."), ".") && strings.Trim(host, hostCharacters) == "" {
			return "did you mean " + quote("https://"+text) + "?"
		}
	}
	return "write a whole URI, such as https://example.com/report"
}

// hostCharacters are those that the names of hosts are made of.
const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

// effectInput makes sure that the arguments of an effect, which were read from
// input, a field of n, have names. Without input there are none.
func (r *reader) effectInput(j *Job, n, input *node) {
	if j.Call.Params.Len() == 0 {
		j.Call.Params = ipld.Map()
		return
	}
	r.enter(n.keyOf(input))
	defer r.leave()
	if j.Call.Params.Kind() != ipld.KindMap {
		r.fault(input, Type, "name them, as in input: {value: 1}", "an effect takes its arguments by name, not by position")
		return
	}
	r.noURI(input)
	for i := range input.items {
		if input.kind == listNode {
			r.enterItem(i)
			r.noURI(&input.items[i])
			r.leave()
		}
	}
}

// noURI reports an argument of an effect that would be taken for its URI.
func (r *reader) noURI(n *node) {
	for _, k := range n.keys {
		if k.text == "uri" {
			r.enter(k.text)
			r.report(k.line, k.col, Invalid, "write the URI in with, or give the argument another name", "an effect takes no argument named uri")
			r.leave()
		}
	}
}
