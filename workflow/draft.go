package workflow

import (
	"crypto/sha256"
	"slices"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// The fields of the workflow draft v0.1, each with its other spellings. Its
// text says config and its schema global; defauts is its schema's own.
var (
	draftEnvelopeFields   = spellings(envelope, "sig|signature")
	draftHeaderFields     = spellings("v", "meta", "parent", "config|global", "defaults|defauts", "tasks", "catch")
	draftInvocationFields = spellings("v", "nnc", "prf", "meta", "run")
	draftTaskFields       = spellings("with", "do", "inputs", "meta", draftConfig)
	draftInputFields      = spellings("func", "args")
)

// draftConfig is where a task of the draft has its limits, inside its meta.
const draftConfig = "ipvm/config"

// draftPromises are the keys of the drafts' promises, {key: ["/", label]}.
var draftPromises = map[string]task.Branch{
	"ucan/promise": task.AwaitOK, "ucan/ok": task.AwaitOK, "ucan/err": task.AwaitError,
	"promise/ok": task.AwaitOK, "promise/err": task.AwaitError, "promise/*": task.AwaitAny,
}

// isDraft tells a document of the draft: its tasks are below run, or it is a
// task, or a map of label to task.
func isDraft(root *node) bool {
	if inner := root.lookup(envelope); inner != nil {
		return isDraftHeader(inner)
	}
	if root.lookup("jobs") != nil || root.lookup("tasks") != nil {
		return isDraftHeader(root)
	}
	return isDraftTask(root) || !isJob(root) && hasDraftTask(root)
}

func hasDraftTask(n *node) bool {
	return slices.ContainsFunc(n.items, func(item node) bool { return isDraftTask(&item) })
}

// isDraftTask tells a task of the draft from a native job: beside do it has
// fields that no job has.
func isDraftTask(n *node) bool {
	do := n.lookup("do")
	return do != nil && do.kind == stringNode && (n.lookup("inputs") != nil || n.lookup("meta") != nil)
}

// isDraftHeader tells {tasks: {run: …}} of the draft from a native workflow
// with a job of the label run, which has no maps with do in it.
func isDraftHeader(n *node) bool {
	tasks := n.lookup("tasks")
	if tasks == nil {
		return false
	}
	run := tasks.lookup("run")
	if run == nil || run.kind == listNode {
		return run != nil
	}
	with := run.lookup("with")
	hasDo := func(item node) bool { return item.lookup("do") != nil }
	return (with == nil || hasDo(*with)) && slices.ContainsFunc(run.items, hasDo)
}

// draft reads a document for which isDraft holds.
func (r *reader) draft(w *Workflow, root *node) {
	w.Dialect, r.dialect = Draft, Draft
	switch {
	case root.lookup(envelope) != nil:
		r.record(root, "the document", draftEnvelopeFields, func(name string, v *node) {
			if name == envelope {
				r.draftHeader(w, v)
			} else {
				r.signature(w, v)
			}
		})
	case root.lookup("tasks") != nil:
		r.draftHeader(w, root)
	case isDraftTask(root):
		r.labels, r.known = []string{soleLabel}, map[string]bool{soleLabel: true}
		w.Jobs = []Job{r.draftTask(soleLabel, r.posOf(root), root, &defaults{})}
	default:
		r.draftTasks(w, root, &defaults{})
	}
}

// draftHeader reads {v, meta, …, tasks}.
func (r *reader) draftHeader(w *Workflow, n *node) {
	d, _ := r.forJobs(w, n, draftHeaderFields)
	r.record(n, "the workflow", draftHeaderFields, func(name string, v *node) {
		switch name {
		case "parent":
			r.draftParent(w, v)
		case "tasks":
			r.draftInvocation(w, v, &d)
		default:
			r.headerField(w, name, v)
		}
	})
}

// draftParent reads [link, label], of which the label is not kept.
func (r *reader) draftParent(w *Workflow, v *node) {
	if v.kind == nullNode {
		return
	}
	if v.kind != listNode || len(v.items) != 2 || v.items[0].kind != linkNode || v.items[1].kind != stringNode {
		r.fault(v, Type, `write [{"/": CID}, label] or null`, "expected the parent as its link and a label, got %s", v.show())
		return
	}
	w.Parent, _ = v.items[0].value.AsLink()
	r.warn(v.line, v.col, "", "the label of the parent's task is not kept")
}

// draftInvocation reads the UCAN invocation {v, nnc, prf, run} that the tasks
// are in.
func (r *reader) draftInvocation(w *Workflow, n *node, d *defaults) {
	r.record(n, "tasks", draftInvocationFields, func(name string, v *node) {
		switch name {
		case "v":
			r.version(w, v)
		case "prf":
			if v.kind != listNode || len(v.items) > 0 {
				r.fault(v, Unsupported, "write prf: []; whoever submits the workflow runs it", "expected no proofs, got %s", v.show())
			}
		case "run":
			r.draftTasks(w, v, d)
		}
	})
	if v := n.lookup("nnc"); v != nil {
		r.enter("nnc")
		r.draftNonce(w, v)
		r.leave()
	}
}

// draftNonce reads the nonce of a draft, which may be of any length: the
// workflow's is the beginning of its hash. It counts only where there are
// effects.
func (r *reader) draftNonce(w *Workflow, v *node) {
	raw, _ := v.value.AsBytes()
	switch {
	case v.kind == nullNode:
		return
	case v.kind == stringNode:
		raw = v.text()
	case v.kind != bytesNode:
		r.fault(v, Type, `write "…", or leave it out`, "expected a nonce as text or bytes, got %s", v.show())
		return
	}
	if !w.HasEffects() {
		r.warn(v.line, v.col, "", "the nonce has no effect: a function's task is the same for everyone")
	} else if raw != "" {
		hash := sha256.Sum256([]byte(raw))
		w.Nonce = string(hash[:NonceSize])
	}
}

// draftTasks reads a map of label to task, or a list, where the labels are the
// positions.
func (r *reader) draftTasks(w *Workflow, n *node, d *defaults) {
	switch {
	case n.kind != listNode && n.kind != mapNode:
		r.fault(n, Type, `write run: {label: {with: …, do: wasm/run, inputs: {…}}}`, "expected tasks as a map or a list, got %s", n.show())
		return
	case len(n.items) == 0:
		r.fault(n, Missing, `add label: {with: …, do: wasm/run, inputs: {…}}`, "the workflow has no tasks")
		return
	}
	r.known = make(map[string]bool, len(n.items))
	for i := range n.items {
		label := n.label(i)
		r.labels, r.known[label] = append(r.labels, label), true
	}
	w.Jobs = make([]Job, 0, len(n.items))
	for i := range n.items {
		v := &n.items[i]
		pos := key{line: v.line, col: v.col}
		if n.kind == mapNode {
			pos = n.keys[i]
			r.enter(pos.text)
			r.label(pos)
		} else {
			r.enterItem(i)
		}
		w.Jobs = append(w.Jobs, r.draftTask(n.label(i), r.posAt(pos.line, pos.col), v, d))
		r.leave()
	}
}

// label is the key of item i of a map, and the position in a list.
func (n *node) label(i int) string {
	if n.kind == listNode {
		return strconv.Itoa(i)
	}
	return n.keys[i].text
}

// draftTask reads {with, do, inputs, meta}.
func (r *reader) draftTask(label string, pos Pos, n *node, d *defaults) Job {
	j := Job{Label: label, Pos: pos}
	r.edges, r.outside = nil, nil
	var s settings
	var with, do, inputs, config *node
	configure := func(v *node) {
		if config != nil {
			r.fault(v, Duplicate, "keep one of the two", "%s is given in meta and beside it", draftConfig)
			return
		}
		config = v
		r.config(v, draftConfig, &s, false)
	}
	r.record(n, "a task", draftTaskFields, func(name string, v *node) {
		switch name {
		case "with":
			with = v
		case "do":
			do = v
		case "inputs":
			inputs = v
		case draftConfig:
			configure(v)
		case "meta":
			if v.kind != mapNode && v.kind != nullNode {
				r.fault(v, Type, "write meta: {tags: [demo]}", "expected meta as a map of your own data, got %s", v.show())
			} else if c := v.lookup(draftConfig); c != nil {
				r.enter(draftConfig)
				configure(c)
				r.leave()
			}
		}
	})
	if n.kind == mapNode {
		r.draftCall(&j, n, with, do, inputs)
	}
	r.warnRetries(&j, n, &s)
	s.fill(d.settings)
	s.of(&j)
	j.Edges, j.Outside = r.edges, r.outside
	return j
}

// draftCall reads what a task does, to what, and with what.
func (r *reader) draftCall(j *Job, n, with, do, inputs *node) {
	for _, f := range []struct {
		name string
		v    *node
	}{{"with", with}, {"do", do}, {"inputs", inputs}} {
		if n.lookup(f.name) == nil {
			r.fault(n, Missing, `a task is {with: …, do: wasm/run, inputs: {func: name, args: []}}`, "the task has no field %s", f.name)
		}
	}
	if with == nil || do == nil || inputs == nil {
		return
	}
	if do.text() != abilityRun {
		r.enter("inputs")
		j.Call.Params = r.input(inputs)
		r.leave()
		r.effect(j, n, effectParts{do: do, with: with, input: inputs})
		return
	}
	r.enter("with")
	j.Call.Module = r.module(with)
	r.leave()
	r.enter("inputs")
	defer r.leave()
	j.Call.Params = ipld.List()
	r.record(inputs, "inputs", draftInputFields, func(name string, v *node) {
		switch {
		case name == "func" && v.kind == stringNode && v.text() != "":
			j.Call.Func = v.text()
		case name == "func" && v.kind != nullNode:
			r.fault(v, Type, funcHint, "expected the name of a function, got %s", v.show())
		case name == "args" && v.kind == listNode:
			j.Call.Params = r.arg(v)
		case name == "args" && v.kind != nullNode:
			r.fault(v, Type, "write args: [first, second]", "expected args as a list, got %s", v.show())
		}
	})
}

// draftHandler reads the catch of the draft: the link of a module with one
// function.
func (r *reader) draftHandler(v *node) *Handler {
	if v.kind == nullNode || v.kind == mapNode && len(v.items) == 0 {
		return nil
	}
	if v.kind != stringNode && v.kind != linkNode {
		r.fault(v, Type, "write catch: CID", "expected a handler as the CID of its module, got %s", v.show())
		return nil
	}
	link, _ := r.module(v).AsLink()
	return &Handler{Module: link, Pos: r.posOf(v)}
}
