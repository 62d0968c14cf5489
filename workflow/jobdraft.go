package workflow

import (
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// The fields of the job drafts of 2022 and 2023, each with its other spellings.
var (
	jobDraftFields = spellings("type", "version", "requestor", "nonce", "config", "run", "jobs", "ipvm/wasm", "ipvm/effects",
		"exception|ipvm/exception", "signature")
	jobDraftJobFields = spellings(append([]string{
		"type", "version", "with|wasm", "do", "func", "inputs|input|args", "outputs", "await", "public",
	}, limitFields...)...)
	jobDraftHandlerFields = spellings("type", "with|wasm", "func")
)

// jobDraftGroups are the fields of the document that hold jobs.
var jobDraftGroups = []string{"run", "jobs", "ipvm/wasm", "ipvm/effects"}

// isJobDraft tells a document of the job drafts by its type.
func isJobDraft(root *node) bool {
	t := root.lookup("type")
	return t != nil && slices.Contains([]string{
		"ipvm/job", "ipvm/workflow", "ipvm/invocation", "ipvm/wasm", "ipvm/effect", "ipvm/warpforge", "ipvm/deal",
	}, t.text())
}

// jobDraft reads a document for which isJobDraft holds.
func (r *reader) jobDraft(w *Workflow, root *node) {
	w.Dialect, r.dialect = JobDraft, JobDraft
	switch root.lookup("type").text() {
	case "ipvm/job", "ipvm/workflow":
		r.jobDraftWorkflow(w, root)
	case "ipvm/deal":
		r.fault(root, Unsupported, "give the job that the deal is about", "a deal is no workflow")
	default:
		r.labels, r.known = []string{soleLabel}, map[string]bool{soleLabel: true}
		w.Jobs = []Job{r.jobDraftJob(soleLabel, r.posOf(root), root, &defaults{}, false)}
	}
}

// jobDraftWorkflow reads {type, version, …} with its groups of jobs.
func (r *reader) jobDraftWorkflow(w *Workflow, root *node) {
	r.jobDraftLabels(root)
	var d defaults
	r.record(root, "the document", jobDraftFields, func(name string, v *node) {
		switch name { // what the jobs need
		case "config":
			var config settings
			r.config(v, "config", &config, false)
			w.Config = config.Limits
			d.fill(config.ofJobs())
		case "exception":
			d.fill(settings{catch: r.jobDraftException(v)})
		case "version":
			r.jobDraftVersion(v)
		case "requestor", "signature":
			r.headerField(w, name, v)
		}
	})
	if len(r.labels) == 0 {
		r.fault(root, Missing, `add run: {label: {type: ipvm/wasm, with: …, inputs: []}}`, "the workflow has no jobs")
	}
	for i := range root.items {
		if group, v := root.keys[i].text, &root.items[i]; slices.Contains(jobDraftGroups, group) {
			r.enter(group)
			r.jobDraftGroup(w, v, &d, group == "ipvm/effects")
			r.leave()
		}
	}
	if v := root.lookup("nonce"); v != nil {
		r.enter("nonce")
		r.draftNonce(w, v)
		r.leave()
	}
}

// jobDraftLabels collects the labels of all groups, each of which stands once.
func (r *reader) jobDraftLabels(root *node) {
	r.known = map[string]bool{}
	for i := range root.items {
		if !slices.Contains(jobDraftGroups, root.keys[i].text) {
			continue
		}
		r.enter(root.keys[i].text)
		for _, k := range root.items[i].keys {
			r.enter(k.text)
			if r.known[k.text] {
				r.report(k.line, k.col, Duplicate, "rename one of the two", "the job %s is in two groups", quote(k.text))
			}
			r.leave()
			r.labels, r.known[k.text] = append(r.labels, k.text), true
		}
		r.leave()
	}
}

func (r *reader) jobDraftGroup(w *Workflow, n *node, d *defaults, effects bool) {
	if n.kind != mapNode {
		r.fault(n, Type, "write {label: {with: CID, inputs: []}}", "expected jobs as a map of label to job, got %s", n.show())
		return
	}
	for i := range n.items {
		k := n.keys[i]
		r.enter(k.text)
		r.label(k)
		w.Jobs = append(w.Jobs, r.jobDraftJob(k.text, r.posAt(k.line, k.col), &n.items[i], d, effects))
		r.leave()
	}
}

func (r *reader) jobDraftVersion(v *node) {
	if s := v.text(); s != "0.1.0" && s != "0.0.1" {
		r.fault(v, Unsupported, `write version: "0.1.0"`, "the version %s of the job draft is not known here, only 0.0.1 and 0.1.0", v.show())
	}
}

// jobDraftException reads {label: {with}}: the one handler of all failures.
func (r *reader) jobDraftException(v *node) *Handler {
	if v.kind == nullNode || v.kind == mapNode && len(v.items) == 0 {
		return nil
	}
	label, handler := v.sole()
	if handler == nil {
		r.fault(v, Unsupported, "write {label: {with: …}}", "expected one handler, got %s", v.show())
		return nil
	}
	r.enter(label)
	defer r.leave()
	h := &Handler{Pos: r.posOf(handler)}
	r.record(handler, "a handler", jobDraftHandlerFields, func(name string, v *node) {
		switch name {
		case "type":
			if !isWasmType(v.text()) {
				r.notYet(v, "a handler of type "+v.show(), "write type: ipvm/wasm")
			}
		case "with":
			h.Module, _ = r.module(v).AsLink()
		case "func":
			h.Func = r.jobDraftFunc(v)
		}
	})
	if handler.lookup("with") == nil && handler.lookup("wasm") == nil {
		r.fault(handler, Missing, "add with: CID", "the handler does not say which module it runs: there is no field with")
	}
	return h
}

func (r *reader) jobDraftFunc(v *node) string {
	if v.kind != stringNode && v.kind != nullNode {
		r.fault(v, Type, funcHint, "expected the name of a function, got %s", v.show())
	}
	return v.text()
}

func isWasmType(s string) bool {
	return s == "ipvm/wasm" || s == "ipvm/invocation" || s == "wasm" || s == "wasm/1.0"
}

func isEffectType(s string) bool {
	s = strings.TrimPrefix(s, "ipvm/")
	return s == "effect" || strings.HasPrefix(s, "effect/")
}

// jobDraftJob reads {type, with, do, inputs, …}; effect tells that its group
// is that of effects.
func (r *reader) jobDraftJob(label string, pos Pos, n *node, d *defaults, effect bool) Job {
	j := Job{Label: label, Pos: pos}
	r.edges, r.outside = nil, nil
	j.Call.Params = ipld.List()
	var s settings
	var await, with, do, input *node
	r.record(n, "a job", jobDraftJobFields, func(name string, v *node) {
		switch name {
		case "type":
			if isEffectType(v.text()) {
				effect = true
			} else if !isWasmType(v.text()) {
				r.notYet(v, "a job of type "+v.show(), "write type: ipvm/wasm or type: ipvm/effect")
			}
		case "version":
			r.jobDraftVersion(v)
		case "do":
			do = v
			effect = effect || v.text() != abilityRun
		case "with":
			with = v
			r.respell(v)
		case "func":
			j.Call.Func = r.jobDraftFunc(v)
		case "inputs":
			input, j.Call.Params = v, r.jobDraftInputs(v)
		case "outputs":
			if v.kind != nullNode && (v.kind != listNode || len(v.items) > 0) {
				r.notYet(v, "a list of outputs", "leave it out; a part of a result is {from: label, out: index}")
			}
		case "await":
			await = v
		case "public":
			if public, ok := v.value.AsBool(); !ok {
				r.fault(v, Type, "leave it out, or write public: true", "expected true or false, got %s", v.show())
			} else if !public {
				r.notYet(v, "a job that is not public", "leave public out to run it as any other job")
			}
		default:
			r.setting(&s, name, v, false)
		}
	})
	if effect {
		r.effect(&j, n, effectParts{do: do, with: with, input: input})
	} else {
		r.jobDraftModule(&j, n, with)
	}
	if await != nil {
		r.enter("await")
		r.order(await)
		r.leave()
	}
	r.warnRetries(&j, n, &s)
	s.fill(d.settings)
	s.of(&j)
	j.Edges, j.Outside = r.edges, r.outside
	return j
}

// jobDraftModule reads what a job runs.
func (r *reader) jobDraftModule(j *Job, n, with *node) {
	if with == nil {
		if n.kind == mapNode && n.lookup("with") == nil && n.lookup("wasm") == nil {
			r.fault(n, Missing, "add with: CID", "the job does not say which module it runs: there is no field with")
		}
		return
	}
	r.enter(n.keyOf(with))
	defer r.leave()
	j.Call.Module = r.module(with)
}

// keyOf is the key under which item is in map n.
func (n *node) keyOf(item *node) string {
	for i := range n.items {
		if &n.items[i] == item {
			return n.keys[i].text
		}
	}
	return ""
}

// jobDraftInputs reads arguments by name, a map or a list of maps, or by
// position.
func (r *reader) jobDraftInputs(n *node) ipld.Value {
	r.respell(n)
	if n.kind != listNode {
		return r.input(n)
	}
	named := 0
	for i := range n.items {
		if k, _ := n.items[i].sole(); n.items[i].kind == mapNode && !r.isPromise(&n.items[i]) && k != "file" && k != "/data" {
			named++
		}
	}
	switch named {
	case 0:
		return r.arg(n)
	case len(n.items):
		return r.input(n)
	}
	r.fault(n, Invalid, "write all inputs as {name: value}, or none", "some inputs have names and some have none")
	return ipld.List()
}

// respell gives the drafts' promises the native form: {from: group/label} or
// {from: label/out} where there is no such label, and output for out.
func (r *reader) respell(n *node) {
	if k, _ := n.sole(); k == "/data" {
		return
	}
	other := func(k key) bool { return !slices.Contains([]string{"from", "out", "output", "on"}, k.text) }
	if from := n.lookup("from"); from != nil && (from.kind == stringNode || from.kind == linkNode) && !slices.ContainsFunc(n.keys, other) {
		label := from.text()
		for _, group := range []string{"effects/", "wasm/", "jobs/"} {
			if rest, ok := strings.CutPrefix(label, group); ok && !r.known[label] {
				label = rest
			}
		}
		if rest, ok := strings.CutSuffix(label, "/out"); ok && !r.known[label] {
			label = rest
		}
		if r.known[label] {
			from.value = ipld.String(label)
		}
		for i := range n.keys {
			if n.keys[i].text == "output" && n.lookup("out") == nil {
				n.keys[i].text = "out"
			}
		}
	}
	for i := range n.items {
		r.respell(&n.items[i])
	}
}
