package ipvm_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// taskVector: one call as written, with the values of what it awaits and the
// type of its function → its three addresses.
func taskVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Call    json.RawMessage            `json:"call"`    // {mod, fun, params} as written
		Awaited map[string]json.RawMessage `json:"awaited"` // Task ID → outcome
		Export  string                     `json:"export"`
		Params  []param                    `json:"params"`
		Subject string                     `json:"subject"`
		Nonce   string                     `json:"nonce"`
	}
	read(t, in, &v)
	sub := did.Pure
	if v.Subject != "" {
		sub = did.DID(v.Subject)
	}
	written := task.Task{Subject: sub, Command: task.CommandRun, Args: value(t, v.Call), Nonce: v.Nonce}
	compact := func(v ipld.Value) ipld.Value {
		v, err := task.Compact(v, func(ipld.Block) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	written.Args = compact(written.Args)
	out := map[string]string{"written": id(t, written)}
	call, err := written.Call()
	if err != nil {
		t.Fatal(err)
	}
	params, err := task.MapPromises(call.Params, func(p task.Promise) (ipld.Value, error) {
		o, ok := v.Awaited[p.Task.String()]
		if !ok {
			return ipld.Null, fmt.Errorf("nothing for %s", p.Task)
		}
		val, failure := p.Resolve(task.Outcome{Value: value(t, o)})
		if failure != nil {
			return ipld.Null, errors.New(failure.Message)
		}
		return task.Escape(val), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	call.Params = params
	out["reified"] = id(t, call.Task(sub, v.Nonce))
	f := wit.Func{Name: v.Export}
	for _, p := range v.Params {
		f.Params = append(f.Params, wit.Field{Name: p.Name, Type: types[p.Type]})
	}
	args := wit.Args{Positional: task.Unescape(params).Elems()}
	if params.Kind() == ipld.KindMap {
		args = wit.Args{Named: task.Unescape(params), IsNamed: true}
	}
	canonical, err := f.Canonical(args)
	if err != nil {
		t.Fatal(err)
	}
	call.Func, call.Params = v.Export, task.Escape(compact(ipld.List(canonical...)))
	resolved := call.Task(sub, v.Nonce)
	out["resolved"] = id(t, resolved)
	block, err := resolved.Block()
	if err != nil {
		t.Fatal(err)
	}
	out["resolvedCBOR"] = hex.EncodeToString(block.Data)
	return out
}

type param struct{ Name, Type string }

// types are the WIT types that vectors name.
var types = map[string]*wit.Type{
	"u8": {Kind: wit.U8}, "u64": {Kind: wit.U64}, "s64": {Kind: wit.S64}, "f32": {Kind: wit.F32}, "f64": {Kind: wit.F64},
	"string": {Kind: wit.StringKind}, "list<u8>": {Kind: wit.List, Elem: &wit.Type{Kind: wit.U8}},
	"option<string>":                 {Kind: wit.Option, Elem: &wit.Type{Kind: wit.StringKind}},
	"list<tuple<string, u8>>":        {Kind: wit.List, Elem: &wit.Type{Kind: wit.Tuple, Items: []*wit.Type{{Kind: wit.StringKind}, {Kind: wit.U8}}}},
	"variant { none, some(string) }": {Kind: wit.Variant, Fields: []wit.Field{{Name: "none"}, {Name: "some", Type: &wit.Type{Kind: wit.StringKind}}}},
	"variant { await-ok(string) }":   {Kind: wit.Variant, Fields: []wit.Field{{Name: "await/ok", Type: &wit.Type{Kind: wit.StringKind}}}},
	"flags { read, write }":          {Kind: wit.Flags, Names: []string{"read", "write"}},
}

func id(t testing.TB, tk task.Task) string {
	t.Helper()
	got, err := tk.ID()
	if err != nil {
		t.Fatal(err)
	}
	return got.String()
}

// promiseVector: a promise and an outcome → the value or the kind of failure;
// or data → how it stands in a task.
func promiseVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Promise json.RawMessage `json:"promise"`
		OK      json.RawMessage `json:"ok"`
		Error   string          `json:"error"`
		Data    json.RawMessage `json:"data"`
	}
	read(t, in, &v)
	if v.Data != nil {
		data := value(t, v.Data)
		escaped := task.Escape(data)
		if !task.Unescape(escaped).Equal(data) {
			t.Errorf("%s does not come back", data)
		}
		return map[string]any{"escaped": raw(escaped)}
	}
	p, ok, err := task.AsPromise(value(t, v.Promise))
	if !ok || err != nil {
		return map[string]any{"promise": ok, "wellFormed": err == nil}
	}
	out := task.Outcome{Failure: task.Failf(task.Kind(v.Error), "")}
	if v.Error == "" {
		out = task.Outcome{Value: value(t, v.OK)}
	}
	val, failure := p.Resolve(out)
	if failure != nil {
		return map[string]any{"failure": failure.Kind}
	}
	return map[string]any{"value": raw(val)}
}

// effectVector: a URI → its normal form, or a document with effects → its
// address and the as-written Task IDs.
func effectVector(t testing.TB, in json.RawMessage) any {
	var v struct{ URI, Document, Owner string }
	read(t, in, &v)
	if v.Document != "" {
		return identifiers(t, "document", []byte(v.Document), did.DID(v.Owner))
	}
	uri, scheme, err := workflow.NormalURI(v.URI)
	if err != nil {
		return map[string]bool{"refused": true}
	}
	return map[string]string{"uri": uri, "scheme": scheme}
}
