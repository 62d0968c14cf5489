package workflow

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// The multihash codes of what identifies tasks: sha2-256, and sha3-256, by which
// the peers of this dialect identify everything.
const (
	hashSHA2 = 0x12
	hashSHA3 = 0x16
)

// homestarDocument returns the map {tasks: […]} of a document in the dialect
// of UCAN Invocation 0.2, bare or inside {name, workflow}, or nil.
func homestarDocument(root *node) (inner, name *node) {
	if w := root.lookup("workflow"); w != nil {
		if t := w.lookup("tasks"); t != nil && t.kind == listNode {
			return w, root.lookup("name")
		}
		return nil, nil
	}
	t := root.lookup("tasks")
	if t == nil || t.kind != listNode {
		return nil, nil
	}
	if len(t.items) > 0 && t.items[0].lookup("run") == nil && t.items[0].lookup("prf") == nil {
		return nil, nil // a native document with a list where a map belongs
	}
	return root, nil
}

// legacy is one task of a homestar document while it is read.
type legacy struct {
	run, meta, input *node
	runValue         ipld.Value // {rsc, op, input, nnc} as decoded
	instruction      ipld.Link
}

// homestar reads a whole document of the dialect.
func (r *reader) homestar(w *Workflow, root, inner, name *node) {
	w.Dialect = Homestar
	if inner != root {
		r.foreign(root, &wrapperRecord, func(string, *node) {})
		if name != nil && name.kind != stringNode {
			r.enter("name")
			r.fault(name, Type, `write name: "…"`, "expected the workflow's name as text, got %s", name.show())
			r.leave()
		} else if name != nil {
			w.Origin.Name = name.text()
		}
		r.enter("workflow")
		defer r.leave()
	}
	r.foreign(inner, &tasksRecord, func(string, *node) {})
	tasks := inner.lookup("tasks")
	r.enter("tasks")
	defer r.leave()
	if len(tasks.items) == 0 {
		r.fault(tasks, Missing, `add {"run": {…}, "meta": {…}, "prf": []}`, "the workflow has no tasks")
	}
	all := make([]legacy, len(tasks.items))
	jobs := make(map[ipld.Link]int, len(all))
	values := make([]ipld.Value, len(all))
	w.Jobs = make([]Job, len(all))
	for i := range all {
		r.enterItem(i)
		j := &w.Jobs[i]
		j.Label, j.Pos = strconv.Itoa(i), r.posOf(&tasks.items[i])
		values[i] = r.legacyTask(j, &all[i], &tasks.items[i])
		if _, ok := jobs[all[i].instruction]; !ok && all[i].instruction.Defined() {
			jobs[all[i].instruction] = i
		}
		r.leave()
	}
	for i := range all {
		r.enterItem(i)
		r.legacyArgs(&w.Jobs[i], &all[i], jobs)
		r.leave()
	}
	if r.faults.n == 0 {
		w.Origin.Workflow = r.identifier(tasks, ipld.Map(ipld.Entry{Key: "tasks", Value: ipld.List(values...)}))
	}
}

// record is a map of the dialect: its fields, and those that must be there.
type record struct {
	what     string
	fields   names
	required []string
}

// The maps of the dialect.
var (
	wrapperRecord = record{"the document", spellings("name", "workflow"), nil}
	tasksRecord   = record{"the workflow", spellings("tasks"), nil}
	taskRecord    = record{"a task", spellings("run", "meta", "prf", "cause"), []string{"run", "meta", "prf"}}
	runRecord     = record{"run", spellings("rsc", "op", "input", "nnc"), []string{"rsc", "op", "input", "nnc"}}
	inputRecord   = record{"input", spellings("func", "args"), []string{"func", "args"}}
	metaRecord    = record{"meta", spellings("fuel", "memory", "time"), nil}
)

// recordHint names the fields of rec.
func (r *reader) recordHint(rec *record) string {
	if len(rec.required) == 0 {
		return r.listedFields(rec.fields)
	}
	return "there have to be " + strings.Join(rec.required, ", ")
}

// foreign calls f for the known fields of n and warns about others, which the
// peers of the dialect drop without a word.
func (r *reader) foreign(n *node, rec *record, f func(name string, v *node)) {
	if n.kind != mapNode {
		r.fault(n, Type, r.recordHint(rec), "expected %s as a map, got %s", rec.what, n.show())
		return
	}
	for i := range n.items {
		k := n.keys[i]
		r.enter(k.text)
		if rec.fields[k.text] == "" {
			r.warn(k.line, k.col, r.fieldHint(k.text, rec.fields), "%s has no field %s; it is dropped", rec.what, quote(k.text))
		} else if n.items[i].kind != badNode {
			f(k.text, &n.items[i])
		}
		r.leave()
	}
	for _, name := range rec.required {
		if n.lookup(name) == nil {
			r.fault(n, Missing, r.recordHint(rec), "%s has no field %s", rec.what, quote(name))
		}
	}
}

// legacyTask reads one task but for its arguments, and returns the map
// {run, cause, meta, prf} that its identifier and the workflow's come from.
func (r *reader) legacyTask(j *Job, l *legacy, n *node) ipld.Value {
	before := r.faults.n
	cause, prf := ipld.Null, ipld.List()
	r.foreign(n, &taskRecord, func(name string, v *node) {
		switch name {
		case "run":
			l.run = v
			r.legacyRun(j, l, v)
		case "meta":
			l.meta = v
			j.Limits = r.legacyMeta(v)
		case "prf":
			if v.kind != listNode || len(v.items) > 0 {
				r.fault(v, Unsupported, "write prf: []; whoever submits the workflow runs it", "expected no proofs, got %s", v.show())
			}
		case "cause":
			if v.kind != nullNode {
				r.fault(v, Unsupported, "write cause: null", "expected no cause, got %s", v.show())
			}
		}
	})
	if r.faults.n > before {
		return ipld.Null
	}
	value := ipld.Map(
		ipld.Entry{Key: "run", Value: l.runValue}, ipld.Entry{Key: "cause", Value: cause},
		ipld.Entry{Key: "meta", Value: r.legacyData(l.meta)}, ipld.Entry{Key: "prf", Value: prf},
	)
	l.instruction = r.identifier(l.run, l.runValue)
	j.Instruction = l.instruction
	j.Ran = r.identifier(n, ipld.Map(ipld.Entry{Key: "task", Value: value}))
	return value
}

// legacyRun reads {rsc, op, input, nnc}.
func (r *reader) legacyRun(j *Job, l *legacy, n *node) {
	nnc := ipld.String("")
	var rsc, op ipld.Value
	r.foreign(n, &runRecord, func(name string, v *node) {
		switch name {
		case "rsc":
			rsc = v.value
			if v.kind != stringNode || !strings.HasPrefix(v.text(), "ipfs://") {
				r.fault(v, Invalid, "download it, import it with `ipvm block put FILE` and name its CID", "expected the module as ipfs://CID, got %s", v.show())
				return
			}
			j.Call.Module = r.moduleText(v)
		case "op":
			op = v.value
			if v.text() != "wasm/run" {
				r.fault(v, Unsupported, `only "wasm/run" is known here`, "unknown op %s", v.show())
			}
		case "nnc":
			nnc = r.legacyNonce(j, v)
		case "input":
			l.input = v
			r.legacyInput(j, v)
		}
	})
	if l.input == nil {
		return
	}
	r.enter("input")
	input := r.legacyData(l.input)
	r.leave()
	l.runValue = ipld.Map(
		ipld.Entry{Key: "rsc", Value: rsc}, ipld.Entry{Key: "op", Value: op},
		ipld.Entry{Key: "input", Value: input}, ipld.Entry{Key: "nnc", Value: nnc},
	)
}

// legacyInput reads {func, args} but for the arguments themselves.
func (r *reader) legacyInput(j *Job, n *node) {
	if n.kind == mapNode {
		for i, k := range n.keys {
			if k.text != "func" && k.text != "args" {
				r.enter(k.text)
				r.report(k.line, k.col, UnknownField, "the fields are func and args", "input has no field %s", quote(n.keys[i].text))
				r.leave()
			}
		}
	}
	r.foreign(n, &inputRecord, func(name string, v *node) {
		switch {
		case name == "func" && (v.kind != stringNode || v.text() == ""):
			r.fault(v, Type, "in this dialect each task names its function", "expected the name of a function, got %s", v.show())
		case name == "func":
			j.Call.Func = v.text()
		case name == "args" && v.kind != listNode:
			r.fault(v, Type, "write args: [first, second]", "expected args as a list, got %s", v.show())
		}
	})
}

// legacyNonce reads nnc, which is text or bytes: the bytes of either are the
// task's nonce, and the value as it stands enters the identifiers.
func (r *reader) legacyNonce(j *Job, v *node) ipld.Value {
	switch v.kind {
	case bytesNode:
		j.Nonce, _ = v.value.AsBytes()
	case stringNode:
		j.Nonce = v.text()
	default:
		r.fault(v, Type, `write "" for none, or {"/": {"bytes": base64}}`, "expected a nonce as text or bytes, got %s", v.show())
	}
	return v.value
}

// legacyMeta reads {fuel, memory, time}: Wasm fuel, bytes, milliseconds.
func (r *reader) legacyMeta(n *node) task.Limits {
	var l task.Limits
	if n.kind == nullNode {
		return l
	}
	r.foreign(n, &metaRecord, func(name string, v *node) {
		switch {
		case v.kind == nullNode:
		case name == "fuel":
			l.Gas = r.fuel(v)
		case name == "memory":
			if v.kind == stringNode {
				r.fault(v, Type, "in this dialect 1 GiB is 1073741824", "expected a number of bytes, got %s", v.show())
				return
			}
			l.Memory = r.memory(v)
		case name == "time":
			q, err := amount(v)
			if err == nil {
				q.Mul(q, new(big.Rat).SetInt64(int64(time.Millisecond)))
			}
			if err != nil || !q.IsInt() || !q.Num().IsInt64() {
				r.fault(v, Invalid, "5 seconds are 5000", "expected a number of milliseconds above 0, got %s", v.show())
				return
			}
			l.Time = time.Duration(q.Num().Int64())
		}
	})
	return l
}

// fuel reads gas; a number beyond 64 bits, which the peers' own default is once
// JSON has rounded it, means no bound.
func (r *reader) fuel(v *node) uint64 {
	if f, ok := legacyFloat(v); ok && f >= math.MaxUint64 {
		return math.MaxUint64
	}
	return r.gas(v)
}

// legacyFloat is the float that v is read as by the peers: their integers are
// of 64 bits, and larger ones are floats.
func legacyFloat(v *node) (float64, bool) {
	if f, ok := v.value.AsFloat(); ok {
		return f, true
	}
	if v.kind != hugeNode {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.text(), 64)
	return f, err == nil
}

// legacyData is the value of n as the peers decode it.
func (r *reader) legacyData(n *node) ipld.Value {
	if f, ok := legacyFloat(n); ok {
		return ipld.Float(f)
	}
	return r.plain(n, r.legacyData)
}

// identifier is the CID under which the peers know v.
func (r *reader) identifier(n *node, v ipld.Value) ipld.Link {
	block, err := ipld.AppendCBOR(nil, v)
	if err != nil {
		r.fault(n, Invalid, "", "no identifier: %v", err)
		return ipld.Link{}
	}
	link, err := ipld.LinkWithHash(ipld.CodecDagCBOR, hashSHA3, block)
	if err != nil {
		r.fault(n, Invalid, "", "no identifier: %v", err)
	}
	return link
}

// legacyArgs lowers the arguments of one task, now that every task's
// identifier is known.
func (r *reader) legacyArgs(j *Job, l *legacy, jobs map[ipld.Link]int) {
	if l.input == nil {
		return
	}
	args := l.input.lookup("args")
	if args == nil || args.kind != listNode {
		return
	}
	r.enter("run")
	r.enter("input")
	r.enter("args")
	r.edges, r.outside = nil, nil
	a := legacyArg{reader: r, jobs: jobs}
	j.Call.Params = a.value(args)
	j.Edges, j.Outside = r.edges, r.outside
	r.path = r.path[:len(r.path)-3]
}

type legacyArg struct {
	*reader
	jobs map[ipld.Link]int
}

func (a *legacyArg) value(n *node) ipld.Value {
	k, v := n.sole()
	switch k {
	case string(task.AwaitOK), string(task.AwaitError), string(task.AwaitAny):
		return a.promise(task.Branch(k), n, v)
	case "/data":
		if awaits(v) {
			a.notYet(n, `a promise inside a map whose only key is "/data"`, "give the map another key")
			return ipld.Null
		}
		return task.Escape(a.legacyData(n))
	}
	if f, ok := legacyFloat(n); ok {
		return ipld.Float(f)
	}
	return a.plain(n, a.value)
}

// awaits tells whether there is a promise in n.
func awaits(n *node) bool {
	switch k, _ := n.sole(); k {
	case string(task.AwaitOK), string(task.AwaitError), string(task.AwaitAny):
		return true
	}
	for i := range n.items {
		if awaits(&n.items[i]) {
			return true
		}
	}
	return false
}

// promise reads {"await/ok": CID}, or another branch, of the instruction of a
// task, in this document or elsewhere.
func (a *legacyArg) promise(branch task.Branch, n, v *node) ipld.Value {
	link, ok := v.value.AsLink()
	if !ok {
		a.fault(n, BadPromise, `write {"`+string(branch)+`": {"/": CID}}`, "expected the CID of an instruction, got %s", v.show())
		return ipld.Null
	}
	p := task.Promise{Branch: branch}
	if i, ok := a.jobs[link]; ok {
		p.Label = strconv.Itoa(i)
	} else if !a.taskID(&p, v, link) {
		return ipld.Null
	}
	a.promised(Edge{Promise: p, Pos: a.posOf(n)})
	return p.Value()
}
