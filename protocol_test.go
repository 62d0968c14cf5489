package ipvm_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

var update = flag.Bool("update", false, "rewrite the computed halves of the vectors; for new vectors only")

// TestProtocol holds the code against the vectors of docs/protocol.md. What a
// vector expects never changes: that would forget every result there is.
func TestProtocol(t *testing.T) {
	t.Parallel()
	for file, compute := range map[string]func(testing.TB, json.RawMessage) any{
		"encoding.json": encodingVector, "links.json": linkVector, "sizes.json": sizeVector, "tasks.json": taskVector,
		"promises.json": promiseVector, "workflows.json": workflowVector, "remembered.json": rememberedVector, "homestar.json": homestarVector,
		"receipts.json": receiptVector, "random.json": randomVector, "authority.json": authorityVector, "containers.json": containerVector,
		"effects.json": effectVector, "judged.json": judgedVector, "submission.json": submissionVector,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			checkVectors(t, filepath.Join("testdata/protocol", file), compute)
		})
	}
}

// vector is one golden case: what goes in, and what must come out.
type vector struct {
	Name string          `json:"name"`
	In   json.RawMessage `json:"in"`
	Out  json.RawMessage `json:"out,omitempty"`
}

func checkVectors(t *testing.T, path string, compute func(testing.TB, json.RawMessage) any) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	for i, v := range all {
		got, err := json.Marshal(compute(t, v.In))
		if err != nil {
			t.Fatal(err)
		}
		if *update && v.Out == nil {
			all[i].Out = got
			continue
		}
		var want bytes.Buffer
		if err := json.Compact(&want, v.Out); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.Name, diff)
		}
	}
	if *update {
		data, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t testing.TB, in json.RawMessage, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(in))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("vector %s: %v", in, err)
	}
}

func value(t testing.TB, dagJSON []byte) ipld.Value {
	t.Helper()
	v, err := ipld.DecodeJSON(dagJSON)
	if err != nil {
		t.Fatalf("%s: %v", dagJSON, err)
	}
	return v
}

func raw(v ipld.Value) json.RawMessage { return json.RawMessage(v.String()) }

// encodingVector: a value in DAG-JSON → its bytes and link; or hostile bytes →
// refused.
func encodingVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Value json.RawMessage `json:"value"`
		CBOR  string          `json:"cbor"`
	}
	read(t, in, &v)
	if v.CBOR != "" {
		data, err := hex.DecodeString(v.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ipld.DecodeCBOR(data)
		return map[string]bool{"refused": err != nil}
	}
	data, link, err := ipld.Encode(value(t, v.Value))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"cbor": hex.EncodeToString(data), "link": link.String()}
}

// pattern is n bytes: byte i is the low byte of i*167 + (i>>8)*13 + (i>>16)*7.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*167 + (i>>8)*13 + (i>>16)*7)
	}
	return b
}

// linkVector: bytes, text or integers → what stands for them in a task.
func linkVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Pattern int             `json:"pattern"`
		File    string          `json:"file"`
		Ints    int             `json:"integers"` // given to list<u8>
		Text    int             `json:"text"`
		List    bool            `json:"inList"`
		Value   json.RawMessage `json:"value"`
	}
	read(t, in, &v)
	var arg ipld.Value
	switch {
	case v.File != "":
		data, err := os.ReadFile(v.File)
		if err != nil {
			t.Fatal(err)
		}
		arg = ipld.Bytes(data)
	case v.Ints > 0:
		elems := make([]ipld.Value, v.Ints)
		for i, b := range pattern(v.Ints) {
			elems[i] = ipld.Uint(uint64(b))
		}
		canonical, err := (&wit.Type{Kind: wit.List, Elem: &wit.Type{Kind: wit.U8}}).Canonical(ipld.List(elems...))
		if err != nil {
			t.Fatal(err)
		}
		arg = canonical
	case v.Text > 0:
		arg = ipld.String(strings.Repeat("x", v.Text))
	case v.Value != nil:
		arg = value(t, v.Value)
	default:
		arg = ipld.Bytes(pattern(v.Pattern))
	}
	if v.List {
		arg = ipld.List(arg, arg)
	}
	blocks := 0
	got, err := task.Compact(arg, func(ipld.Block) error { blocks++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"blocks": blocks, "same": got.Equal(arg)}
	if !got.Equal(arg) {
		out["value"] = raw(got)
	}
	return out
}

// sizeVector: a value of so many text bytes → whether it stands in a receipt,
// is boxed, or is refused; and arguments likewise.
func sizeVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Encoded int  `json:"encoded"` // size of the value's encoding
		Args    bool `json:"args"`
	}
	read(t, in, &v)
	text := func(n int) ipld.Value { // a string whose encoding is n bytes, for n ≥ 65,541
		return ipld.String(strings.Repeat("x", n-5))
	}
	if v.Args {
		call := task.Call{Module: ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil)), Params: ipld.List()}
		empty, err := ipld.AppendCBOR(nil, call.Pure().Args)
		if err != nil {
			t.Fatal(err)
		}
		call.Params = ipld.List(text(v.Encoded - len(empty)))
		_, err = call.Pure().ID()
		return map[string]bool{"refused": errors.Is(err, task.ErrSize)}
	}
	var val ipld.Value
	if v.Encoded > 65540 {
		val = text(v.Encoded)
	} else {
		val = ipld.String(strings.Repeat("x", v.Encoded-3)) // two-byte length
	}
	out, block, err := receipt.Box(val)
	if err != nil {
		return map[string]bool{"refused": errors.Is(err, task.ErrSize)}
	}
	got := map[string]any{"boxed": block != nil}
	if block != nil {
		got["link"] = out.String()
	}
	return got
}

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

// workflowVector: a document → its address and the as-written Task IDs.
func workflowVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Document string `json:"document"`
		Owner    string `json:"owner"`
	}
	read(t, in, &v)
	return identifiers(t, "document", []byte(v.Document), did.DID(v.Owner))
}

func identifiers(t testing.TB, name string, data []byte, owner did.DID) map[string]any {
	t.Helper()
	w, err := workflow.Parse(workflow.Source{Name: name, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	tasks := map[string]string{}
	for i := range g.Len() {
		tasks[g.Label(i)] = g.Step(i).ID.String()
	}
	again, err := workflow.Parse(workflow.Source{Data: g.Normal().Data, Format: workflow.CBOR})
	if err != nil {
		t.Fatalf("the normal form as a document: %v", err)
	}
	h, err := graph.Build(again, graph.Options{})
	if err != nil || h.Link() != g.Link() {
		t.Errorf("the normal form of the normal form is another: %v", err)
	}
	return map[string]any{"workflow": g.Link().String(), "tasks": tasks}
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

// submissionVector: a document → what its workflow may use at most, as the
// arguments of /ipvm/run.
func submissionVector(t testing.TB, in json.RawMessage) any {
	var v struct{ Document, Owner string }
	read(t, in, &v)
	w, err := workflow.Parse(workflow.Source{Name: "document", Data: []byte(v.Document)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{Owner: did.DID(v.Owner)})
	if err != nil {
		t.Fatal(err)
	}
	return raw(authority.DemandOf(g, engine.Policy{}).Value())
}

// rememberedVector: a receipt and the limits of now → whether it answers.
func rememberedVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Kind, Trap, Schedule      string
		Gas, GasLimit, MemLimit   uint64
		NowGas, NowMem, ModuleMax uint64
	}
	read(t, in, &v)
	r := receipt.Receipt{Gas: v.Gas, Limits: task.Limits{Gas: v.GasLimit, Memory: v.MemLimit}, Schedule: "wasmtime-44"}
	if v.Kind != "ok" {
		r.Out.Failure = &task.Failure{Kind: task.Kind(v.Kind), Trap: v.Trap}
	}
	if v.Schedule == "" {
		v.Schedule = r.Schedule
	}
	return map[string]bool{
		"remembered": r.Remembered(),
		"answers":    r.Answers(task.Limits{Gas: v.NowGas, Memory: v.NowMem}, v.Schedule, v.ModuleMax),
	}
}

// homestarVector: a document of the other implementation → its identifiers
// there, and ours.
func homestarVector(t testing.TB, in json.RawMessage) any {
	var v struct{ File string }
	read(t, in, &v)
	data, err := os.ReadFile(filepath.Join("workflow/testdata/homestar", v.File))
	if err != nil {
		t.Fatal(err)
	}
	w, err := workflow.Parse(workflow.Source{Name: v.File, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	out := identifiers(t, v.File, data, "did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg")
	instructions := map[string]string{}
	for _, j := range w.Jobs {
		instructions[j.Label] = j.Instruction.String()
	}
	out["origin"], out["instructions"] = w.Origin.Workflow.String(), instructions
	return out
}

// receiptVector: what a receipt says, and the key that signs → its bytes.
func randomVector(t testing.TB, in json.RawMessage) any {
	var v struct{ Task string }
	read(t, in, &v)
	link, err := ipld.ParseLink(v.Task)
	if err != nil {
		t.Fatal(err)
	}
	seed := task.ID{Link: link}.Seed()
	host, err := wasi.New(wasi.Config{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	get, _ := wasi.Preview1("wasi_snapshot_preview1", "random_get")
	mem := make([]byte, 48)
	if errno, err := get.Call(host, mem, []uint64{0, uint64(len(mem))}); errno != 0 || err != nil {
		t.Fatal(errno, err)
	}
	return map[string]string{"seed": hex.EncodeToString(seed[:]), "first": hex.EncodeToString(mem)}
}

func receiptVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Key, Task      string
		OK             json.RawMessage
		Error          string
		Trap           string
		Value          json.RawMessage
		Gas, GasLimit  uint64
		Memory, Memlim uint64
	}
	read(t, in, &v)
	key, err := did.ParseMultibase(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	link, err := ipld.ParseLink(v.Task)
	if err != nil {
		t.Fatal(err)
	}
	r := receipt.Receipt{
		Executor: key.DID(), Task: task.ID{Link: link}, Gas: v.Gas, Memory: v.Memory, HasMemory: v.Memory > 0,
		Limits: task.Limits{Gas: v.GasLimit, Memory: v.Memlim}, Schedule: "wasmtime-44",
	}
	if v.Error != "" {
		r.Out.Failure = &task.Failure{Kind: task.Kind(v.Error), Trap: v.Trap}
		if v.Value != nil {
			r.Out.Failure.Value = value(t, v.Value)
		}
	} else {
		r.Out.Value = value(t, v.OK)
	}
	signed, err := receipt.Issue(key, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := receipt.Parse(signed.Bytes())
	if err == nil {
		err = again.Verify()
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"cbor": hex.EncodeToString(signed.Bytes()), "link": signed.Link().Base58()}
}

// TestUCANTaskID checks the Task ID vectors of UCAN Invocation 1.0.
func TestUCANTaskID(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/protocol/ucan-task-id.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var v struct{ Name, CBORHex, CID, CID58 string }
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		block, err := hex.DecodeString(v.CBORHex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := task.Parse(block)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		id, err := got.ID()
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if id.String() != v.CID || id.Base58() != v.CID58 {
			t.Errorf("%s: Task ID %s, want %s", v.Name, id, v.CID)
		}
	}
	if n != 3 {
		t.Errorf("%d vectors, want 3", n)
	}
}

// authorityVector: an invocation with its proofs and what was revoked, at a
// time and an executor → authorised; or which of them is malformed; or denied,
// why and by which proof, counted from 0 (−1 is the invocation).
// judgedVector: a policy and what agents said of a task, asked for under 1,000
// gas and 64 MiB → what that comes to. Agent "a" has the Ed25519 key whose seed is
// 32 times the letter a, and so on.
func judgedVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Strategy, Agents string
		Threshold        int
		Said             []struct {
			By          string
			Value       int64
			Gas, Memory uint64
		}
	}
	read(t, in, &v)
	names := map[did.DID]string{}
	key := func(name string) did.PrivateKey {
		k, err := did.ParseMultibase("M" + base64.StdEncoding.EncodeToString([]byte("\x80\x26"+strings.Repeat(name, 32))))
		if err != nil {
			t.Fatal(err)
		}
		names[k.DID()] = name
		return k
	}
	p := receipt.Policy{Strategy: v.Strategy, Threshold: v.Threshold}
	for _, name := range v.Agents {
		p.Agents = append(p.Agents, key(string(name)).DID())
	}
	id := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xf6})}
	var e receipt.Evidence
	for _, said := range v.Said {
		signed, err := receipt.Issue(key(said.By), receipt.Receipt{
			Task: id, Out: task.Outcome{Value: ipld.Int(said.Value)}, Gas: said.Gas,
			Limits: task.Limits{Gas: 1 << 40, Memory: receipt.RoundMemory(said.Memory)}, Schedule: "s",
		})
		if err != nil {
			t.Fatal(err)
		}
		e = append(e, signed)
	}
	called := func(all []did.DID) string {
		var out []string
		for _, d := range all {
			out = append(out, names[d])
		}
		slices.Sort(out)
		return strings.Join(out, "")
	}
	j := receipt.Judge(p, receipt.Question{Task: id, Limits: task.Limits{Gas: 1000, Memory: 64 << 20}, Schedule: "s"}, e)
	out := map[string]any{"verdict": j.Verdict.String()}
	switch j.Verdict {
	case receipt.Accepted:
		out["value"], out["by"] = raw(j.Claims[0].Receipts[0].Out.Value), called(j.Claims[0].By)
	case receipt.Pending:
		out["need"], out["from"] = j.Need, called(j.From)
	}
	var liars []did.DID
	for _, c := range j.Equivocations {
		liars = append(liars, c.A.Executor)
	}
	if liars != nil {
		out["equivocating"] = called(liars)
	}
	return out
}

func authorityVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Executor    did.DID  `json:"executor"`
		Time        int64    `json:"time"`
		Invocation  []byte   `json:"invocation"`
		Proofs      [][]byte `json:"proofs"`
		Revocations [][]byte `json:"revocations"`
	}
	read(t, in, &v)
	inv, err := ucan.ParseInvocation(v.Invocation)
	if err != nil {
		return malformedVector(t, err, "invocation")
	}
	var proofs ucan.Container
	for i, data := range v.Proofs {
		proof, err := ucan.ParseDelegation(data)
		if err != nil {
			return malformedVector(t, err, fmt.Sprintf("proof %d", i))
		}
		proofs.Delegations = append(proofs.Delegations, proof)
	}
	var revoked ucan.Revocations
	moment := ucan.Moment{Now: time.Unix(v.Time, 0), Revoked: revoked.Revoked}
	for _, data := range v.Revocations {
		token, err := ucan.ParseInvocation(data)
		if err != nil {
			t.Fatal(err)
		}
		revocation, err := ucan.ReadRevocation(token, ucan.Facts{Moment: moment})
		if err != nil {
			t.Fatal(err)
		}
		if err := revoked.Add(revocation); err != nil {
			t.Fatal(err)
		}
	}
	_, err = ucan.Authorize(inv, ucan.Facts{Moment: moment, Executor: v.Executor, Proofs: proofs.Proof})
	var denied *ucan.Denied
	switch {
	case err == nil:
		return map[string]bool{"authorised": true}
	case !errors.As(err, &denied):
		t.Fatal(err)
	}
	return struct {
		Denied ucan.Reason `json:"denied"`
		Proof  int         `json:"proof"`
	}{denied.Reason, denied.Proof}
}

func malformedVector(t testing.TB, err error, what string) any {
	t.Helper()
	if !errors.Is(err, ucan.ErrMalformed) {
		t.Fatal(err)
	}
	return map[string]string{"malformed": what}
}

// containerVector: a container → the links of its tokens; or malformed.
func containerVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Container []byte `json:"container"`
	}
	read(t, in, &v)
	c, err := ucan.ReadContainer(v.Container, nil)
	if err != nil {
		return malformedVector(t, err, "container")
	}
	links := []string{}
	for _, token := range c.Invocations {
		links = append(links, token.Link().String())
	}
	for _, token := range c.Delegations {
		links = append(links, token.Link().String())
	}
	slices.Sort(links)
	return map[string][]string{"tokens": links}
}
