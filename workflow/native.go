package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// names maps each spelling of a field to the field.
type names map[string]string

func spellings(fields ...string) names {
	n := names{}
	for _, f := range fields {
		all := strings.Split(f, "|")
		for _, s := range all {
			n[s] = all[0]
		}
	}
	return n
}

// The fields of the native dialect, each with its other spellings.
var (
	envelopeFields = spellings("ipvm/workflow", "signature")
	headerFields   = spellings("v", "meta", "parent", "config", "defaults", "requestor", "nonce", "jobs|tasks", "catch", "signature")
	limitFields    = []string{"time|timeout", "memory", "gas|maxGas", "disk", "check|verification", "secret", "retries", "catch", "needs"}
	configFields   = spellings(limitFields...)
	jobFields      = spellings(append([]string{
		"type", "with", "func", "input", "args", "on", "await", "do", "emits", "fresh", "share", "scheme", "run", "config", "nonce",
	}, limitFields...)...)
)

// unlisted are the fields that hints do not offer: those that have no effect
// yet and those that only `ipvm` writes.
var unlisted = map[string]bool{
	"emits": true, "fresh": true, "nonce": true, "run": true, "share": true, "signature": true,
}

// envelope is the key that a native document may be wrapped in.
const envelope = "ipvm/workflow"

// theWorkflow is what messages call the header of a document.
const theWorkflow = "the workflow"

// shapes are how to write what people like to write as something else than a
// map.
var shapes = map[string]string{
	"on":        "write on: {error: [label]} or on: {success: [label]}, with the labels of the jobs to run then",
	"a handler": "write catch: {with: CID, func: name}; a job to run after a failure is named in on: {error: [label]}",
	"needs":     "to wait for jobs write await: [label]; what a node must have is needs: {labels: [gpu]}",
	"consensus": "write check: " + checkShapes[Consensus],
}

// notFields say what to do instead of writing a field that there is not.
var notFields = map[string]string{
	"name":        "notes go into meta of the workflow, or are comments",
	"title":       "notes go into meta of the workflow, or are comments",
	"description": "notes go into meta of the workflow, or are comments",
	"out":         "the part of a result is named where it is used: {from: label, out: field}",
	"output":      "the part of a result is named where it is used: {from: label, out: field}",
	"outputs":     "the part of a result is named where it is used: {from: label, out: field}",
	"env":         "what a program takes stands in input: {args: […], env: {…}, stdin: …}",
	"stdin":       "what a program takes stands in input: {args: […], env: {…}, stdin: …}",
	"if":          "to run this job after another went well or failed, write there on: {success: [label]} or on: {error: [label]}",
	"when":        "to run this job after another went well or failed, write there on: {success: [label]} or on: {error: [label]}",
}

// record calls f for each field of map n, in order, with its first spelling.
// It reports what is no map, unknown fields, and fields given under two names.
func (r *reader) record(n *node, what string, fields names, f func(name string, v *node)) {
	if n.kind != mapNode {
		hint := shapes[what]
		if hint == "" {
			hint = r.listedFields(fields)
		}
		r.fault(n, Type, hint, "expected %s as a map, got %s", what, n.show())
		return
	}
	known := make([]int, 0, 16) // indices of the known fields so far
	for i := range n.items {
		k := n.keys[i]
		name, ok := fields[k.text]
		if !ok && n.items[i].kind == badNode {
			continue
		}
		r.enter(k.text)
		j := slices.IndexFunc(known, func(j int) bool { return fields[n.keys[j].text] == name })
		switch {
		case !ok && what == theWorkflow && hasCall(&n.items[i]):
			r.report(k.line, k.col, UnknownField, "a job stands inside jobs: indent it further", "%s has no field %s", what, quote(k.text))
		case !ok && (what == "config" || what == "defaults") && jobFields[k.text] != "" && r.dialect == Native:
			r.report(k.line, k.col, UnknownField, "write it in each job", "%s has no field %s", what, quote(k.text))
		case !ok:
			r.report(k.line, k.col, UnknownField, r.fieldHint(k.text, fields), "%s has no field %s", what, quote(k.text))
		case j >= 0:
			first := n.keys[known[j]]
			r.report(k.line, k.col, Duplicate, "keep one of the two", "%s is the same field as %s at %s", quote(k.text), quote(first.text), first.place())
		default:
			known = append(known, i)
			if n.items[i].kind != badNode {
				f(name, &n.items[i])
			}
		}
		r.leave()
	}
}

// fieldHint says what the unknown field name may have been meant to be.
func (r *reader) fieldHint(name string, fields names) string {
	if r.faults.n >= maxFaults || r.warnings.n >= maxFaults {
		return ""
	}
	if field, rest, ok := strings.Cut(name, ":"); ok && fields[field] != "" {
		return "put a space after the colon: " + field + ": " + cut(rest)
	}
	for _, also := range [][2]string{
		{"arguments", "args"},
		{"params", "args"},
		{"parameters", "args"},
		{"inputs", "input"},
		{"function", "func"},
		{"fun", "func"},
		{"module", "with"},
		{"mod", "with"},
		{"wasm", "with"},
		{"uses", "with"},
		{"uri", "with"},
		{"url", "with"},
		{"fuel", "gas"},
		{"mem", "memory"},
		{"depends", "await"},
		{"dependson", "await"},
		{"version", "v"},
		{"workflow", "jobs"},
		{"rsc", "with"},
		{"op", "type"},
		{"limits", "config"},
		{"retry", "retries"},
		{"after", "await"},
		{"waitfor", "await"},
		{"failure", "error"},
		{"failed", "error"},
		{"ok", "success"},
	} {
		if fold(name) == also[0] && fields[also[1]] != "" {
			return didYouMean(also[1:])
		}
	}
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(s string) bool { return r.hidden(s) })
	if hint := didYouMean(near(name, known)); hint != "" {
		return hint
	}
	if hint := notFields[fold(name)]; hint != "" && r.dialect == Native && fields["with"]+fields["jobs"] != "" {
		return hint
	}
	return r.listedFields(fields)
}

// hidden tells whether hints do not offer a field.
func (r *reader) hidden(field string) bool { return unlisted[field] && r.dialect == Native }

// listedFields names the fields that people write.
func (r *reader) listedFields(fields names) string {
	var listed []string
	for s, first := range fields {
		if s == first && !r.hidden(s) {
			listed = append(listed, s)
		}
	}
	if len(listed) == 1 {
		return "the only field is " + listed[0]
	}
	slices.Sort(listed)
	return "the fields are " + strings.Join(listed, ", ")
}

const smallestHint = `the smallest workflow is {"with": CID, "func": "name", "args": []}`

// document reads the root in whichever dialect it is.
func (r *reader) document(root *node) *Workflow {
	w := &Workflow{Version: Version, Dialect: Native}
	r.dialect = Native
	if isEnvelope(root) {
		r.envelope(root)
		return w
	}
	if root.kind != mapNode {
		r.fault(root, Type, smallestHint, "expected a workflow as a map, got %s", root.show())
		return w
	}
	inner, name := homestarDocument(root)
	switch {
	case inner != nil:
		r.homestar(w, root, inner, name)
	case isJobDraft(root):
		r.jobDraft(w, root)
	case isDraft(root):
		r.draft(w, root)
	case root.lookup(envelope) != nil:
		r.record(root, "the document", envelopeFields, func(name string, v *node) {
			if name == "signature" {
				r.signature(w, v)
				return
			}
			r.header(w, v)
		})
	case isInvocation(root):
		r.invocation(w, root)
	case root.lookup("jobs") != nil || root.lookup("tasks") != nil:
		r.header(w, root)
	case isJob(root):
		r.labels, r.known = []string{soleLabel}, map[string]bool{soleLabel: true}
		w.Jobs = append(w.Jobs, r.job(soleLabel, r.posOf(root), root, &defaults{}))
		r.connect(w)
	default:
		r.jobs(w, root, &defaults{})
	}
	return w
}

// soleLabel is the label of a document that is one bare job.
const soleLabel = "job"

// isJob tells a bare job from a bare map of label to job: one of a job's own
// fields is there and is not itself a job.
func isJob(n *node) bool {
	for _, k := range []string{"with", "type", "func", "do", "args", "input", "gas", "maxGas", "on"} {
		if v := n.lookup(k); v != nil {
			return v.lookup("with") == nil && v.lookup("func") == nil && v.lookup("run") == nil
		}
	}
	return false
}

// hasCall tells whether n says what to call, as a job does.
func hasCall(n *node) bool {
	return n.lookup("with") != nil || n.lookup("func") != nil
}

// header reads {v, meta, …, jobs}.
func (r *reader) header(w *Workflow, n *node) {
	d, jobs := r.forJobs(w, n, headerFields)
	r.record(n, theWorkflow, headerFields, func(name string, v *node) {
		if name == "jobs" && !(v.kind == nullNode && jobsBeside(n)) {
			r.jobs(w, v, &d)
		} else {
			r.headerField(w, name, v)
		}
	})
	if n.kind == mapNode && jobs == nil {
		r.fault(n, Missing, `add jobs: {label: {with: …, func: …}}`, "the workflow has no jobs")
	}
}

// jobsBeside tells whether there are jobs among the fields of header n, where
// they are reported.
func jobsBeside(n *node) bool {
	for i, k := range n.keys {
		if headerFields[k.text] == "" && hasCall(&n.items[i]) {
			return true
		}
	}
	return false
}

// headerField reads a field of the header that has nothing to do with jobs.
func (r *reader) headerField(w *Workflow, name string, v *node) {
	switch name {
	case "v":
		r.version(w, v)
	case "meta":
		if v.kind != mapNode && v.kind != nullNode {
			r.fault(v, Type, "write meta: {tags: [demo]}", "expected meta as a map of your own data, got %s", v.show())
		}
		w.Meta = r.data(v)
	case "parent":
		w.Parent = r.parent(v)
	case "nonce":
		w.Nonce = r.nonce(v, NonceSize)
	case "requestor":
		if v.kind != nullNode {
			w.Requestor, w.requestorPos = did.DID(r.agent(v)), r.posOf(v)
		}
	case "signature":
		r.signature(w, v)
	}
}

// forJobs reads what is needed before the jobs are: their form, and what each of
// them is given. Defaults come before what config says, that before a handler
// of the whole workflow.
func (r *reader) forJobs(w *Workflow, n *node, known names) (d defaults, jobs *node) {
	fields := make(map[string]*node)
	for i := range n.keys { // none where it is no map
		if name, ok := known[n.keys[i].text]; ok && fields[name] == nil {
			fields[name] = &n.items[i]
		}
	}
	read := func(name string, f func(v *node)) {
		if v := fields[name]; v != nil && v.kind != badNode {
			r.enter(name)
			f(v)
			r.leave()
		}
	}
	var config settings
	jobs = fields["jobs"]
	read("defaults", func(v *node) { r.config(v, "defaults", &d.settings, false) })
	read("config", func(v *node) {
		r.config(v, "config", &config, lowered(jobs))
		if config.Memory > 0 && !lowered(jobs) {
			r.warn(v.line, v.col, "write it in defaults", "the memory in config has no effect: it is a limit of each job, not of the whole run")
		}
	})
	w.Config = config.Limits
	d.fill(config.ofJobs())
	read("catch", func(v *node) { d.fill(settings{catch: r.handler(v)}) })
	return d, jobs
}

func (r *reader) version(w *Workflow, v *node) {
	if v.kind != stringNode {
		r.fault(v, Type, `quote it: v: "0.1.0"`, "expected the version as text, got %s", v.show())
	} else if v.text() != Version {
		r.fault(v, Unsupported, `write v: "0.1.0", or leave it out`, "the version %s of the specification is not known here, only %q", quote(v.text()), Version)
	}
	w.Version = Version
}

func (r *reader) parent(v *node) ipld.Link {
	link, _ := v.value.AsLink()
	if v.kind != linkNode && v.kind != nullNode {
		r.fault(v, Type, `write {"/": CID} or null`, "expected the link of the parent workflow, got %s", v.show())
	}
	return link
}

// nonce reads raw bytes: none, or exactly size of them where size is not 0.
func (r *reader) nonce(v *node, size int) string {
	b, ok := v.value.AsBytes()
	switch {
	case v.kind == nullNode, v.kind == stringNode && v.text() == "":
	case !ok:
		r.fault(v, Type, `write {"/": {"bytes": base64}}`, "expected the nonce as bytes, got %s", v.show())
	case size > 0 && len(b) != size && b != "":
		r.fault(v, Invalid, "16 bytes are 22 characters of base64; or leave the nonce out", "expected a nonce of %d bytes, got %d", size, len(b))
	}
	return b
}

// notYet reports what a later version will do.
func (r *reader) notYet(v *node, what, hint string) {
	r.fault(v, Unsupported, hint, "%s is not supported by this version of ipvm", what)
}

// maxSignature bounds the tokens with which a workflow is signed, in bytes.
const maxSignature = 1 << 20

// signature reads the tokens by whose authority the workflow is to run, a
// container, as bytes. What they say is not looked at.
func (r *reader) signature(w *Workflow, v *node) {
	b, ok := v.value.AsBytes()
	switch {
	case v.kind == nullNode:
	case r.dialect != Native:
		r.notYet(v, "a signature in this dialect", "remove it to run the workflow as your own, or sign it with `ipvm sign`")
	case !ok:
		r.fault(v, Type, "sign with `ipvm sign`; to run the workflow as your own, remove the signature", "expected the signature as bytes, got %s", v.show())
	case len(b) > maxSignature:
		r.fault(v, Size, "leave out proofs that are not needed", "the signature has %d bytes; at most %d are read", len(b), maxSignature)
	default:
		w.Signature = []byte(b)
	}
}

// jobs reads the map of label to job.
func (r *reader) jobs(w *Workflow, n *node, d *defaults) {
	switch {
	case n.kind == listNode:
		r.fault(n, Type, "give each job a label: jobs: {first: {…}, second: {…}}", "expected jobs as a map of label to job, got %s", n.show())
		return
	case n.kind != mapNode:
		r.fault(n, Type, `add label: {with: …, func: …}`, "expected jobs as a map of label to job, got %s", n.show())
		return
	case len(n.items) == 0:
		r.fault(n, Missing, `add label: {with: …, func: …}`, "the workflow has no jobs")
		return
	}
	r.known = make(map[string]bool, len(n.keys))
	for _, k := range n.keys {
		r.labels, r.known[k.text] = append(r.labels, k.text), true
	}
	d.lowered = lowered(n)
	w.Jobs = make([]Job, 0, len(n.items))
	if r.fieldsBeside(n) {
		return
	}
	for i := range n.items {
		k := n.keys[i]
		r.enter(k.text)
		r.label(k)
		w.Jobs = append(w.Jobs, r.job(k.text, r.posAt(k.line, k.col), &n.items[i], d))
		r.leave()
	}
	if d.lowered {
		r.resolveLowered(w)
	}
	r.connect(w)
}

// fieldsBeside reports the first field of a job that stands among the jobs, and
// tells whether there is one.
func (r *reader) fieldsBeside(n *node) bool {
	for i, k := range n.keys {
		if jobFields[k.text] != "" && n.items[i].kind != mapNode && n.items[i].kind != badNode {
			r.enter(k.text)
			r.report(k.line, k.col, Type, "indent it further than the label of its job", "expected the label of a job, got %s, which is a field of a job", quote(k.text))
			r.leave()
			return true
		}
	}
	return false
}

func (r *reader) label(k key) {
	switch {
	case k.text == "":
		r.report(k.line, k.col, Invalid, "give the job a name: first: {with: …}", "a job's label is empty")
	case len(k.text) > maxLabel:
		r.report(k.line, k.col, Size, "shorten it; meta has room for descriptions", "the label has %d bytes; at most %d are allowed", len(k.text), maxLabel)
	case strings.Contains(k.text, "/"):
		r.report(k.line, k.col, Invalid, "use - or . instead", "the label %s contains a /", quote(k.text))
	}
}
