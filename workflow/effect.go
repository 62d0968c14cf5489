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

const doHint = "an ability is written like crud/read, in lower case"

// ability reads what an effect is to do.
func (r *reader) ability(v *node) string {
	s := v.text()
	switch {
	case v.kind != stringNode:
		r.fault(v, Type, "write do: crud/read", "expected an ability as text, got %s", v.show())
	case len(s) > maxLabel || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-./") != "" || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || s == "":
		r.fault(v, Invalid, doHint, "%s is no ability", quote(s))
	}
	return s
}

// effectParts are the fields of a job that is an effect.
type effectParts struct{ do, with, scheme *node }

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
	if _, promised, _ := task.AsPromise(e.URI); promised && e.Scheme == "" {
		r.fault(p.with, Missing, "add scheme: https, which the result has to have", "an effect whose URI is a result has to say its scheme")
	}
	r.effectInput(j, n)
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
		r.fault(v, Invalid, "write a whole URI, such as https://example.com/report", "%s: %v", shown, err)
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

// effectInput makes sure that the arguments of an effect have names.
func (r *reader) effectInput(j *Job, n *node) {
	switch params := j.Call.Params; {
	case params.Kind() == ipld.KindMap:
		if _, taken := params.Lookup("uri"); taken {
			r.fault(n, Invalid, "give the argument another name; the URI is said in with", "an effect has no argument uri")
		}
	case params.Len() > 0:
		r.fault(n, Type, "write input: {value: …}", "the arguments of an effect have names")
	default:
		j.Call.Params = ipld.Map()
	}
}
