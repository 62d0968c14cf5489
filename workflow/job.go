package workflow

import (
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// job reads one job.
func (r *reader) job(label string, pos Pos, n *node, d *defaults) Job {
	j := Job{Label: label, Pos: pos}
	r.edges, r.outside = nil, nil
	var g given
	if n.kind != mapNode {
		hint := "a document is {jobs: {label: job}}, only {label: job}, or one job; a job is {with: …, func: …}"
		if field, _, ok := strings.Cut(n.text(), ":"); ok && jobFields[field] != "" {
			hint = "put a space after each colon: with: ./module.wasm"
		}
		r.fault(n, Type, hint, "expected a job as a map, got %s", n.show())
		return j
	}
	r.record(n, "a job", jobFields, func(name string, v *node) { r.jobField(&j, &g, d, name, v) })
	switch {
	case (g.run != nil) != d.lowered:
		r.fault(n, Invalid, "run is what `ipvm` writes, for all jobs of a workflow; people write with, func and args", "either all jobs have the field run or none has")
	case d.lowered:
		r.lowered(&j, n, &g)
	default:
		r.finishJob(&j, n, &g)
	}
	r.warnRetries(&j, n, &g.settings)
	g.settings.fill(d.settings)
	g.settings.of(&j)
	if g.await != nil {
		r.enter("await")
		r.order(g.await)
		r.leave()
	}
	j.Edges, j.Outside = r.edges, r.outside
	return j
}

// warnRetries warns of a function that asks to be tried again.
func (r *reader) warnRetries(j *Job, n *node, s *settings) {
	if j.Effect == nil && s.retries != nil {
		if k := n.keyOf(s.retried); k != "" {
			r.enter(k)
			defer r.leave()
		}
		r.warn(s.retried.line, s.retried.col, "", "retries are for jobs that ask the world; a pure job needs none and has none")
	}
}

// given is what a job's fields were, where one depends on another.
type given struct {
	settings
	run, with, args, input, config, await, do, scheme, fn *node

	effect bool   // its type says so
	inline string // a limit given beside config
}

func (r *reader) jobField(j *Job, g *given, d *defaults, name string, v *node) {
	switch name {
	case "type":
		g.effect = r.jobType(v)
	case "with":
		g.with = v
	case "func":
		if v.kind == nullNode {
			return
		}
		if v.kind != stringNode || v.text() == "" {
			r.fault(v, Type, funcHint, "expected the name of a function, got %s", v.show())
		}
		j.Call.Func, g.fn = v.text(), v
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
	case "on":
		r.on(j, v)
	case "await":
		g.await = v
	case "do":
		if v.kind != nullNode {
			g.do = v
		}
	case "scheme":
		g.scheme = v
	case "emits", "fresh", "share":
		r.later(name, v)
	default:
		g.inline = name
		r.setting(&g.settings, name, v, d.lowered)
	}
}

// jobType reads the type of a job and tells whether it is that of an effect.
func (r *reader) jobType(v *node) (effect bool) {
	switch s := v.text(); {
	case v.kind != stringNode:
		r.fault(v, Type, `write type: wasm/1.0`, "expected the type as text, got %s", v.show())
	case s == "wasm/1.0":
	case s == "effect/1.0":
		return true
	case strings.HasPrefix(s, "effect/"):
		r.fault(v, Unsupported, "write type: effect/1.0", "the type %s is not known here, only effect/1.0", quote(s))
		return true
	case strings.HasPrefix(s, "wasm/"):
		r.fault(v, Unsupported, "write type: wasm/1.0", "the type %s is not known here, only wasm/1.0", quote(s))
	default:
		r.fault(v, Invalid, "write type: wasm/1.0 or effect/1.0, or leave it out", "unknown type %s", quote(s))
	}
	return false
}

// later reports the fields of a job whose time has not come. Those that say
// nothing pass.
func (r *reader) later(name string, v *node) {
	if v.kind == nullNode || v.kind == listNode && len(v.items) == 0 {
		return
	}
	r.notYet(v, "the field "+quote(name)+", which belongs to effects,", "remove it")
}

// on reads {error: [label…], success: [label…]}: the jobs that j sets off.
func (r *reader) on(j *Job, v *node) {
	if v.kind == nullNode {
		return
	}
	r.record(v, "on", spellings("error", "success"), func(name string, v *node) {
		branch, list := task.AwaitOK, &j.On.Success
		if name == "error" {
			branch, list = task.AwaitError, &j.On.Error
		}
		r.labelList(v, func(label string, at Pos) {
			*list = append(*list, label)
			t := Edge{Kind: EdgeTrigger, Promise: task.Promise{Branch: branch, Label: j.Label}, Pos: at}
			r.triggers = append(r.triggers, trigger{label, t})
		})
		slices.SortFunc(*list, ipld.CompareKeys)
	})
}

// trigger is an edge that leads to the job with a label.
type trigger struct {
	label string
	edge  Edge
}

// order reads [label…]: jobs that must go well before this one starts.
func (r *reader) order(v *node) {
	r.labelList(v, func(label string, at Pos) {
		r.edges = append(r.edges, Edge{Kind: EdgeAwait, Promise: task.Promise{Branch: task.AwaitOK, Label: label}, Pos: at})
	})
}

// labelList reads a list of labels of this document, each once.
func (r *reader) labelList(v *node, f func(label string, at Pos)) {
	if v.kind == nullNode {
		return
	}
	if v.kind != listNode {
		hint := "write a list, also of one: [label]"
		if r.known[v.text()] {
			hint = "write a list, also of one: [" + quote(v.text()) + "]"
		}
		r.fault(v, Type, hint, "expected a list of labels, got %s", v.show())
		return
	}
	seen := make(map[string]bool, len(v.items))
	for i := range v.items {
		r.enterItem(i)
		var p task.Promise
		if item := &v.items[i]; item.kind == mapNode {
			r.fault(item, BadPromise, "write the label alone, as text", "expected the label of a job, got %s", item.show())
		} else if item.kind == linkNode {
			r.fault(item, BadPromise, `take the result of a task of another workflow, and the job waits for it: {from: {"/": CID}}`, "expected the label of a job of this document, got %s", item.show())
		} else if r.jobLabel(&p, item) {
			if seen[p.Label] {
				r.fault(&v.items[i], Duplicate, "name each job once", "the job %s is named twice", quote(p.Label))
			} else {
				f(p.Label, r.posOf(&v.items[i]))
			}
			seen[p.Label] = true
		}
		r.leave()
	}
}

// connect gives each job the edges of those that set it off.
func (r *reader) connect(w *Workflow) {
	if len(r.triggers) == 0 {
		return
	}
	byLabel := make(map[string]*Job, len(w.Jobs))
	for i := range w.Jobs {
		byLabel[w.Jobs[i].Label] = &w.Jobs[i]
	}
	for _, t := range r.triggers {
		if j := byLabel[t.label]; j != nil {
			j.Edges = append(j.Edges, t.edge)
		}
	}
}

// finishJob checks what only the whole job shows.
func (r *reader) finishJob(j *Job, n *node, g *given) {
	switch {
	case g.effect || g.do != nil && g.do.text() != abilityRun:
		r.finishEffect(j, n, g)
	case g.with != nil:
		r.enter("with")
		j.Call.Module = r.module(g.with)
		r.leave()
	case n.lookup("with") == nil && n.lookup(mergeKey) == nil && !r.misspelt("with", n, jobFields):
		r.fault(n, Missing, withHint, "the job does not say which module it runs: there is no field with")
	}
	if g.args != nil && g.input != nil {
		r.enter("args")
		r.fault(g.args, Duplicate, "args are by position, input is by name; keep one", "both args and input are given")
		r.leave()
	}
	if g.scheme != nil && g.scheme.kind != nullNode && j.Effect == nil {
		r.enter("scheme")
		r.fault(g.scheme, Invalid, "remove it", "scheme belongs to effects, and this job calls a function")
		r.leave()
	}
	if g.args == nil && g.input == nil && j.Effect == nil {
		j.Call.Params = ipld.List()
	}
	if g.config != nil {
		r.enter("config")
		if g.inline != "" {
			r.fault(g.config, Duplicate, "put them all into the job, or all into config", "limits are given both in config and beside it (%s)", g.inline)
		}
		r.config(g.config, "config", &g.settings, false)
		r.leave()
	}
}

// withHint is for a job or handler without a module.
const withHint = "add with: ./module.wasm, or with: and the CID of the module"

// misspelt tells whether an unknown field of n was taken for the one of that
// name.
func (r *reader) misspelt(name string, n *node, fields names) bool {
	for _, k := range n.keys {
		if strings.HasPrefix(k.text, name+":") || fields[k.text] == "" && r.fieldHint(k.text, fields) == didYouMean([]string{name}) {
			return true
		}
	}
	return false
}

// finishEffect reads the parts of a job that is an effect.
func (r *reader) finishEffect(j *Job, n *node, g *given) {
	if g.fn != nil {
		j.Effect = &Effect{}
		r.enter("func")
		mark := effectMark(g)
		r.fault(g.fn, Invalid, "to call the function remove "+mark+"; to ask for the effect remove func", "an effect calls no function, and %s makes the job an effect", mark)
		r.leave()
		return
	}
	if g.do != nil && g.do.text() == abilityRun {
		r.enter("do")
		r.fault(g.do, Invalid, "to call a function remove the type, or write type: wasm/1.0", "expected an effect, as the type says, got %s, which calls a function", quote(abilityRun))
		r.leave()
	}
	input := g.input
	if g.args != nil {
		input = g.args
	}
	r.effect(j, n, effectParts{g.do, g.with, g.scheme, input})
}

// effectMark is the field that makes a job an effect.
func effectMark(g *given) string {
	if g.do != nil {
		return "do"
	}
	return "type"
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
		if r.isPromise(v) {
			return r.promise(v)
		}
	}
	r.fault(v, Type, moduleHint, "expected a module, got %s", v.show())
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
	case strings.HasPrefix(s, dataURL):
		return r.inline(v)
	case strings.HasPrefix(s, "data:"):
		r.fault(v, Invalid, "a module inside a document is written "+dataURL+"…", "expected a module, got %s", quote(s))
	case s == "":
		r.fault(v, Invalid, moduleHint, "expected a module, got empty text")
	case isURL && strings.Contains(cid, "/"):
		return r.within(v, cid)
	case isURL:
		r.fault(v, Invalid, cidHint, "expected ipfs://CID, got %s", quote(s))
	case otherURL:
		hint := "download it and use its path, or name its CID"
		if scheme == "file" {
			hint = "write the path alone"
		}
		r.fault(v, Invalid, hint, "expected a module by its CID or path, got a URL that begins with %s://", scheme)
	case looksLikeCID(s):
		r.fault(v, Invalid, "copy the CID again: one character less or more breaks it; a file with this name is written ./"+s, "%s looks like a CID but is none", quote(s))
	default:
		return r.file(v, s)
	}
	return ipld.Null
}

const moduleHint = `write a CID, ipfs://CID, {"/": CID} or a path such as ./module.wasm`

const funcHint = "write func: name, or leave it out where the module exports exactly one function"

const cidHint = "a CID is a long text such as bafkrei… or Qm…"

// looksLikeCID tells a mistyped CID from a file name.
func looksLikeCID(s string) bool {
	return len(s) >= 40 && !strings.ContainsAny(s, "/\\.") && (strings.HasPrefix(s, "baf") || strings.HasPrefix(s, "Qm") || strings.HasPrefix(s, "z"))
}
