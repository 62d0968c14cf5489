package workflow

import (
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
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
	limitFields    = []string{"time|timeout", "memory", "gas|maxGas", "disk", "check|verification", "secret", "retries", "catch"}
	configFields   = spellings(limitFields...)
	jobFields      = spellings(append([]string{
		"type", "with", "func", "input", "args", "on", "await", "do", "emits", "fresh", "share", "scheme", "run", "config", "nonce",
	}, limitFields...)...)
)

// unlisted are the fields that hints do not offer: those that have no effect
// yet and those that only `ipvm` writes.
var unlisted = map[string]bool{
	"await": true, "catch": true, "check": true, "disk": true, "do": true, "emits": true, "fresh": true, "nonce": true, "requestor": true,
	"retries": true, "run": true, "scheme": true, "secret": true, "share": true, "signature": true,
}

// envelope is the key that a native document may be wrapped in.
const envelope = "ipvm/workflow"

// record calls f for each field of map n, in order, with its first spelling.
// It reports what is no map, unknown fields, and fields given under two names.
func (r *reader) record(n *node, what string, fields names, f func(name string, v *node)) {
	if n.kind != mapNode {
		r.fault(n, Type, "", "expected %s as a map, got %s", what, n.show())
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
	var all, listed []string
	for s, first := range fields {
		all = append(all, s)
		if s == first && !unlisted[s] {
			listed = append(listed, s)
		}
	}
	slices.Sort(all)
	slices.Sort(listed)
	for _, also := range [][2]string{
		{"arguments", "args"}, {"params", "args"}, {"parameters", "args"}, {"inputs", "input"}, {"function", "func"}, {"fun", "func"}, {"module", "with"}, {"mod", "with"},
		{"wasm", "with"}, {"fuel", "gas"}, {"mem", "memory"}, {"needs", "await"}, {"version", "v"}, {"workflow", "jobs"}, {"rsc", "with"}, {"op", "type"},
	} {
		if fold(name) == also[0] && fields[also[1]] != "" {
			return didYouMean(also[1:])
		}
	}
	if hint := didYouMean(near(name, all)); hint != "" {
		return hint
	}
	return "the fields are " + strings.Join(listed, ", ")
}

// document reads the root in whichever dialect it is.
func (r *reader) document(root *node) *Workflow {
	w := &Workflow{Version: Version, Dialect: Native}
	if root.kind != mapNode {
		r.fault(root, Type, `the smallest workflow is {"with": CID, "func": "name", "args": []}`, "expected a workflow as a map, got %s", root.show())
		return w
	}
	inner, name := homestarDocument(root)
	switch {
	case inner != nil:
		r.homestar(w, root, inner, name)
	case root.lookup(envelope) != nil:
		r.record(root, "the document", envelopeFields, func(name string, v *node) {
			if name == "signature" {
				r.signature(v)
				return
			}
			r.header(w, v)
		})
	case root.lookup("jobs") != nil || root.lookup("tasks") != nil:
		r.header(w, root)
	case isJob(root):
		r.labels, r.known = []string{soleLabel}, map[string]bool{soleLabel: true}
		w.Jobs = append(w.Jobs, r.job(soleLabel, r.posOf(root), root, &defaults{}))
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

// header reads {v, meta, …, jobs}.
func (r *reader) header(w *Workflow, n *node) {
	var d defaults
	var jobs *node
	// Defaults and the form of the jobs are needed before the jobs are read.
	for i := range n.items {
		switch headerFields[n.keys[i].text] {
		case "jobs":
			jobs = &n.items[i]
		case "defaults":
			r.enter(n.keys[i].text)
			r.config(&n.items[i], "defaults", &d.limits, false)
			r.leave()
		}
	}
	r.record(n, "the workflow", headerFields, func(name string, v *node) {
		switch name {
		case "v":
			r.version(w, v)
		case "meta":
			if v.kind != mapNode && v.kind != nullNode {
				r.fault(v, Type, "", "expected meta as a map of your own data, got %s", v.show())
			}
			w.Meta = r.data(v)
		case "parent":
			w.Parent = r.parent(v)
		case "config":
			r.config(v, "config", &w.Config, lowered(jobs))
		case "nonce":
			w.Nonce = r.nonce(v, 16)
		case "jobs":
			r.jobs(w, v, &d)
		case "requestor":
			r.notYet(v, "a workflow with a requestor", "leave it out: whoever submits the workflow is its owner")
		case "signature":
			r.signature(v)
		case "catch":
			r.catch(v)
		}
	})
	if n.kind == mapNode && jobs == nil {
		r.fault(n, Missing, `add jobs: {label: {with: …, func: …}}`, "the workflow has no jobs")
	}
}

// lowered tells whether the jobs are in the normalised form, in which times
// are whole nanoseconds.
func lowered(jobs *node) bool {
	if jobs == nil || len(jobs.items) == 0 {
		return false
	}
	return jobs.items[0].lookup("run") != nil
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
		r.fault(v, Invalid, "", "expected a nonce of %d bytes, got %d", size, len(b))
	}
	return b
}

// notYet reports what a later version will do.
func (r *reader) notYet(v *node, what, hint string) {
	r.fault(v, Unsupported, hint, "%s is not supported by this version of ipvm", what)
}

func (r *reader) signature(v *node) {
	if v.kind != nullNode {
		r.notYet(v, "a signed workflow", "remove the signature to run the workflow as your own")
	}
}

func (r *reader) catch(v *node) {
	if v.kind != nullNode {
		r.notYet(v, "a handler (catch)", "remove it: a failure then ends the workflow")
	}
}

// defaults are what the workflow gives every job.
type defaults struct {
	limits  task.Limits
	lowered bool // the jobs are in the normalised form
}

// merge fills what l leaves open.
func (d *defaults) merge(l task.Limits) task.Limits {
	if l.Gas == 0 {
		l.Gas = d.limits.Gas
	}
	if l.Memory == 0 {
		l.Memory = d.limits.Memory
	}
	if l.Time == 0 {
		l.Time = d.limits.Time
	}
	return l
}

func (r *reader) config(n *node, what string, l *task.Limits, lowered bool) {
	if n.kind == nullNode {
		return
	}
	r.record(n, what, configFields, func(name string, v *node) { r.limit(l, name, v, lowered) })
}

// limit reads one field of a config. In the normalised form a time is a
// number of nanoseconds.
func (r *reader) limit(l *task.Limits, name string, v *node, lowered bool) {
	if v.kind == nullNode {
		return
	}
	switch name {
	case "time":
		if lowered && v.kind == intNode {
			list := node{kind: listNode, line: v.line, col: v.col, items: []node{*v, {kind: stringNode, value: ipld.String("ns")}}}
			v = &list
		}
		l.Time = r.time(v)
	case "memory":
		l.Memory = r.memory(v)
	case "gas":
		l.Gas = r.gas(v)
	case "disk":
		r.notYet(v, "a disk limit", "leave it out: a pure job can not write to a disk")
	case "check":
		r.check(v)
	case "secret":
		if b, ok := v.value.AsBool(); !ok {
			r.fault(v, Type, "", "expected true, false or null, got %s", v.show())
		} else if b {
			r.notYet(v, "a secret job", "")
		}
	case "retries":
		if i, ok := v.value.AsUint64(); !ok || v.kind != intNode || i > 1000 {
			r.fault(v, Invalid, "", "expected a number of retries from 0 to 1000, got %s", v.show())
			return
		}
		r.warn(v.line, v.col, "", "retries are for jobs that ask the world; a pure job needs none and has none")
	case "catch":
		r.catch(v)
	}
}

// check reads how results are to be verified (WORKFLOWS, "VERIFICATION").
func (r *reader) check(v *node) {
	name := v.text()
	if k, _ := v.sole(); k != "" {
		name = k
	}
	switch name {
	case "attestation":
		if v.kind == stringNode {
			return
		}
	case "oracle", "consensus", "optimistic", "zkp":
		r.notYet(v, "verification by "+name, `leave it out, or write check: attestation`)
		return
	}
	r.fault(v, Invalid, "leave it out, or write check: attestation", `expected "attestation" or one of the maps {oracle}, {consensus}, {optimistic}, {zkp}, got %s`, v.show())
}

// jobs reads the map of label to job.
func (r *reader) jobs(w *Workflow, n *node, d *defaults) {
	switch {
	case n.kind == listNode:
		r.fault(n, Type, "give each job a label: jobs: {first: {…}, second: {…}}", "expected jobs as a map of label to job, got a list")
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
}

func (r *reader) label(k key) {
	switch {
	case k.text == "":
		r.report(k.line, k.col, Invalid, "", "a job's label is empty")
	case len(k.text) > maxLabel:
		r.report(k.line, k.col, Size, "", "the label has %d bytes; at most %d are allowed", len(k.text), maxLabel)
	case strings.Contains(k.text, "/"):
		r.report(k.line, k.col, Invalid, "use - or . instead", "the label %s contains a /", quote(k.text))
	}
}

// job reads one job.
func (r *reader) job(label string, pos Pos, n *node, d *defaults) Job {
	j := Job{Label: label, Pos: pos}
	r.edges = nil
	var g given
	if n.kind != mapNode {
		r.fault(n, Type, "a document is {jobs: {label: job}}, only {label: job}, or one job; a job is {with: …, func: …}", "expected a job as a map, got %s", n.show())
		return j
	}
	r.record(n, "a job", jobFields, func(name string, v *node) { r.jobField(&j, &g, name, v) })
	switch {
	case (g.run != nil) != d.lowered:
		r.fault(n, Invalid, "run is what `ipvm` writes, for all jobs of a workflow; people write with, func and args", "either all jobs have the field run or none has")
	case d.lowered:
		r.lowered(&j, n, &g)
	default:
		r.finishJob(&j, n, &g)
	}
	j.Limits = d.merge(j.Limits)
	j.Edges = r.edges
	return j
}

// given is what a job's fields were, where one depends on another.
type given struct {
	run, with, args, input, config *node
	effect                         bool
	inline                         string // a limit given beside config
}

func (r *reader) jobField(j *Job, g *given, name string, v *node) {
	switch name {
	case "type":
		g.effect = g.effect || strings.HasPrefix(v.text(), "effect/")
		r.jobType(v)
	case "with":
		g.with = v
	case "func":
		if v.kind == nullNode {
			return
		}
		if v.kind != stringNode || v.text() == "" {
			r.fault(v, Type, "leave func out when the module exports exactly one function", "expected the name of a function, got %s", v.show())
		}
		j.Call.Func = v.text()
	case "input":
		g.input = v
		j.Call.Params = r.input(v)
	case "args":
		g.args = v
		j.Call.Params = r.args(v)
	case "run":
		g.run = v
	case "config":
		g.config = v
	case "nonce":
		r.fault(v, UnknownField, "only the workflow's header has a nonce; a pure job never needs one", "a job has no nonce of its own")
	case "on", "await", "do", "emits", "fresh", "share", "scheme":
		r.later(name, v)
		g.effect = g.effect || name == "do"
	default:
		g.inline = name
		r.limit(&j.Limits, name, v, false)
	}
}

func (r *reader) jobType(v *node) {
	switch s := v.text(); {
	case v.kind != stringNode:
		r.fault(v, Type, `write type: wasm/1.0`, "expected the type as text, got %s", v.show())
	case s == "wasm/1.0":
	case strings.HasPrefix(s, "effect/"):
		r.notYet(v, "a job of type "+quote(s), "only functions can be run: type wasm/1.0")
	case strings.HasPrefix(s, "wasm/"):
		r.fault(v, Unsupported, "write type: wasm/1.0", "the type %s is not known here, only wasm/1.0", quote(s))
	default:
		r.fault(v, Invalid, "write type: wasm/1.0, or leave it out", "unknown type %s", quote(s))
	}
}

// later reports the fields of a job whose time has not come. Those that say
// nothing pass.
func (r *reader) later(name string, v *node) {
	if v.kind == nullNode || v.kind == listNode && len(v.items) == 0 {
		return
	}
	switch name {
	case "on":
		r.on(v)
	case "await":
		r.notYet(v, "waiting for a job without using its result (await)", "use its result: args: [{from: label}]")
	case "do":
		r.notYet(v, "an effect (do)", "only functions can be run; do the effect outside the workflow")
	default:
		r.notYet(v, "the field "+quote(name)+", which belongs to effects,", "remove it")
	}
}

// on accepts {error: [], success: []}, as the specification's example has it.
func (r *reader) on(v *node) {
	r.record(v, "on", spellings("error", "success"), func(name string, v *node) {
		switch {
		case v.kind == nullNode, v.kind == listNode && len(v.items) == 0:
		case v.kind == listNode:
			r.notYet(v, "a job that runs only on "+name+" of another (on)", "remove it, or leave the list empty")
		default:
			r.fault(v, Type, "", "expected a list of labels, got %s", v.show())
		}
	})
}

// finishJob checks what only the whole job shows.
func (r *reader) finishJob(j *Job, n *node, g *given) {
	switch {
	case g.effect: // reported; its with is no module
	case g.with != nil:
		r.enter("with")
		j.Call.Module = r.module(g.with)
		r.leave()
	case n.lookup("with") == nil && n.lookup(mergeKey) == nil:
		r.fault(n, Missing, `add with: CID, or with: ./module.wasm on the command line`, "the job does not say which module it runs: there is no field with")
	}
	if g.args != nil && g.input != nil {
		r.fault(g.args, Duplicate, "args are by position, input is by name; keep one", "both args and input are given")
	}
	if g.args == nil && g.input == nil {
		j.Call.Params = ipld.List()
	}
	if g.config != nil {
		r.enter("config")
		if g.inline != "" {
			r.fault(g.config, Duplicate, "put them all into the job, or all into config", "limits are given both in config and beside it (%s)", g.inline)
		}
		r.config(g.config, "config", &j.Limits, false)
		r.leave()
	}
}

// module reads `with`: a CID, ipfs://CID, a link, or a path.
func (r *reader) module(v *node) ipld.Value {
	switch v.kind {
	case linkNode:
		return v.value
	case stringNode:
		return r.moduleText(v)
	case mapNode:
		if k, path := v.sole(); k == "file" && path.kind == stringNode {
			return r.file(v, path.text())
		}
		if isPromise(v) {
			r.notYet(v, "a module that is the result of another job (a promise in with)", "name the module by its CID or path")
			return ipld.Null
		}
	}
	r.fault(v, Type, `write a CID, ipfs://CID, {"/": CID} or a path such as ./module.wasm`, "expected a module, got %s", v.show())
	return ipld.Null
}

func (r *reader) moduleText(v *node) ipld.Value {
	s := v.text()
	cid, isURL := strings.CutPrefix(s, "ipfs://")
	link, err := ipld.ParseLink(cid)
	scheme, _, otherURL := strings.Cut(s, "://")
	switch {
	case err == nil:
		return ipld.LinkValue(link)
	case s == "":
		r.fault(v, Invalid, "", "expected a module, got empty text")
	case isURL && strings.Contains(cid, "/"):
		r.notYet(v, "a path inside an ipfs:// URL", "name the module's own CID")
	case isURL:
		r.fault(v, Invalid, cidHint, "expected ipfs://CID, got %s", quote(s))
	case otherURL:
		r.fault(v, Invalid, "download it and use its path, or name its CID", "a module is named by its CID or a path, not by a %s:// URL", scheme)
	case looksLikeCID(s):
		r.fault(v, Invalid, "copy the CID again: one character less or more breaks it; a file with this name is written ./"+s, "%s looks like a CID but is none", quote(s))
	default:
		return r.file(v, s)
	}
	return ipld.Null
}

const cidHint = "a CID is a long text such as bafkrei… or Qm…"

// looksLikeCID tells a mistyped CID from a file name.
func looksLikeCID(s string) bool {
	return len(s) >= 40 && !strings.ContainsAny(s, "/\\.") && (strings.HasPrefix(s, "baf") || strings.HasPrefix(s, "Qm") || strings.HasPrefix(s, "z"))
}

// lowered reads a job of the normalised form, {run: {sub, cmd, args, nonce},
// config}. Its promises wait for Task IDs, which resolveLowered turns into
// labels once all jobs are known; their place is the job's.
func (r *reader) lowered(j *Job, n *node, g *given) {
	for i := range n.keys {
		if k := n.keys[i]; k.text != "run" && k.text != "config" {
			r.report(k.line, k.col, UnknownField, "", "a job with run has no field %s beside it but config", quote(k.text))
		}
	}
	r.enter("run")
	t, err := task.FromValue(r.data(g.run))
	if err == nil {
		j.Call, err = t.Call()
	}
	if err == nil && t.Subject != did.Pure {
		_, err = did.Parse(string(t.Subject))
		j.Subject, j.Nonce = t.Subject, t.Nonce
	}
	if err != nil {
		r.fault(g.run, Invalid, "run is {sub, cmd, args, nonce} of the task as `ipvm` writes it", "not a task: %s", strings.TrimPrefix(err.Error(), "task: "))
	} else if j.Call.Module.Kind() != ipld.KindLink {
		r.fault(g.run, Unsupported, "", "the module is a %s, not a link", j.Call.Module.Kind())
	}
	r.leave()
	if g.config != nil {
		r.enter("config")
		r.config(g.config, "config", &j.Limits, true)
		r.leave()
	}
}

// resolveLowered replaces, in jobs of the normalised form, awaited Task IDs by
// the labels of the jobs that have them. Where two jobs are the same task it
// is the first label, which names the same result.
func (r *reader) resolveLowered(w *Workflow) {
	labels := make(map[ipld.Link]string, len(w.Jobs))
	for i := range w.Jobs {
		j := &w.Jobs[i]
		id, err := j.task().ID()
		if err != nil {
			continue // reported
		}
		if _, ok := labels[id.Link]; !ok {
			labels[id.Link] = j.Label
		}
	}
	for i := range w.Jobs {
		j := &w.Jobs[i]
		at := node{line: int32(j.Pos.Line), col: int32(j.Pos.Col)}
		r.path = append(r.path, step{key: j.Label, isKey: true}, step{key: "run", isKey: true})
		params, err := task.MapPromises(j.Call.Params, func(p task.Promise) (ipld.Value, error) {
			label, ok := labels[p.Task.Link]
			switch {
			case p.Branch != task.AwaitOK:
				r.notYet(&at, "a promise of "+string(p.Branch), "")
			case p.Label != "":
				r.fault(&at, BadPromise, "", "a task awaits a Task ID, not the label %s", quote(p.Label))
			case !ok:
				r.fault(&at, BadPromise, "", "awaits the task %s, which is not in this workflow", p.Task)
			}
			p.Label, p.Task = label, task.ID{}
			j.Edges = append(j.Edges, Edge{p, j.Pos})
			return p.Value(), nil
		})
		if err != nil {
			r.fault(&at, BadPromise, "", "%v", err)
		}
		j.Call.Params = params
		r.path = r.path[:len(r.path)-2]
	}
}

// task is the job's task while its promises still wait for Task IDs.
func (j *Job) task() task.Task {
	if j.Subject == "" {
		return j.Call.Pure()
	}
	return j.Call.Task(j.Subject, j.Nonce)
}

var zero = ipld.Int(0)
