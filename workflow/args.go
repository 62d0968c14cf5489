package workflow

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// args reads positional arguments.
func (r *reader) args(n *node) ipld.Value {
	if n.kind == nullNode {
		return ipld.List()
	}
	if n.kind != listNode {
		hint := "write args: [first, second]; arguments by name are input: {name: value}"
		if strings.HasPrefix(n.text(), "-") {
			hint = "put a space after the - of each item, or write args: [first, second]"
		}
		r.fault(n, Type, hint, "expected args as a list, got %s", n.show())
		return ipld.List()
	}
	return r.arg(n)
}

// input reads named arguments: a map, or a list of maps that are merged.
func (r *reader) input(n *node) ipld.Value {
	switch n.kind {
	case nullNode:
		return ipld.List()
	case mapNode:
		return ipld.Map(r.named(n, nil)...)
	case listNode:
		if len(n.items) == 0 {
			return ipld.List()
		}
		return ipld.Map(r.namedList(n)...)
	}
	r.fault(n, Type, "write input: {name: value}", "expected input as a map or a list of maps, got %s", n.show())
	return ipld.List()
}

func (r *reader) namedList(n *node) []ipld.Entry {
	var out []ipld.Entry
	first := make(map[string]key, len(n.items))
	for i := range n.items {
		item := &n.items[i]
		r.enterItem(i)
		if item.kind != mapNode {
			r.fault(item, Type, "arguments by position are args: [first, second]", "input names its arguments: expected {name: value}, got %s", item.show())
			r.leave()
			continue
		}
		out = r.named(item, out)
		for _, k := range item.keys {
			if before, ok := first[k.text]; ok {
				r.enter(k.text)
				r.report(k.line, k.col, Duplicate, "give each argument once", "the argument %s is given twice; the first is at %s", quote(k.text), before.place())
				r.leave()
				continue
			}
			first[k.text] = k
		}
		r.leave()
	}
	return out
}

// named appends the entries of map n, which name arguments.
func (r *reader) named(n *node, out []ipld.Entry) []ipld.Entry {
	if r.isPromise(n) {
		r.fault(n, BadPromise, "write input: {name: {from: label}} or args: [{from: label}]; a parameter that is really called from is passed by position", "input names its arguments, so a promise can not stand here")
		return out
	}
	for i := range n.items {
		r.enter(n.keys[i].text)
		r.paramName(n.keys[i])
		out = append(out, ipld.Entry{Key: n.keys[i].text, Value: r.arg(&n.items[i])})
		r.leave()
	}
	return out
}

// paramName reports what can not be the name of a parameter.
func (r *reader) paramName(k key) {
	switch {
	case k.text == "":
		r.report(k.line, k.col, Invalid, nameHint, "an argument has an empty name")
	case strings.Contains(k.text, "/"): // among them the keys that tasks reserve
		r.report(k.line, k.col, Invalid, nameHint, "no function has a parameter with the name %s", quote(k.text))
	}
}

// arg reads one value of an argument, with promises and files in it.
func (r *reader) arg(n *node) ipld.Value {
	switch {
	case n.kind < listNode:
		r.credential(n)
		return n.value
	case n.kind != mapNode:
		return r.plain(n, r.arg)
	case r.isPromise(n):
		return r.promise(n)
	}
	switch k, v := n.sole(); k {
	case "file":
		if v.kind != stringNode {
			r.fault(v, Type, "write {file: ./picture.png}", "expected a path, got %s", v.show())
			return ipld.Null
		}
		return r.file(n, v.text())
	case "/data":
		return task.Escape(r.data(v))
	}
	return r.plain(n, r.arg)
}

// data reads a value in which nothing has a meaning.
func (r *reader) data(n *node) ipld.Value {
	if n.kind < listNode {
		r.credential(n)
		return n.value
	}
	return r.plain(n, r.data)
}

// plain is the value of n, with child applied to the values inside.
func (r *reader) plain(n *node, child func(*node) ipld.Value) ipld.Value {
	switch n.kind {
	case hugeNode:
		r.fault(n, Invalid, "an integer goes from −2^63 to 2^64−1, a float to ±1.8e308; larger numbers are passed as text", "the number %s is out of range", cut(n.text()))
	case listNode:
		elems := make([]ipld.Value, len(n.items))
		for i := range n.items {
			r.enterItem(i)
			elems[i] = child(&n.items[i])
			r.leave()
		}
		return ipld.List(elems...)
	case mapNode:
		entries := make([]ipld.Entry, len(n.items))
		for i := range n.items {
			r.enter(n.keys[i].text)
			entries[i] = ipld.Entry{Key: n.keys[i].text, Value: child(&n.items[i])}
			r.leave()
		}
		return ipld.Map(entries...)
	case badNode:
	default:
		return n.value
	}
	return ipld.Null
}

const nameHint = "a parameter's name is made of words, such as firstName or first-name"

func cut(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// within is what is in a directory of files at CID/path, which n names.
func (r *reader) within(n *node, text string) ipld.Value {
	cid, path, _ := strings.Cut(text, "/")
	root, err := ipld.ParseLink(cid)
	if err != nil {
		r.fault(n, Invalid, cidHint, "expected ipfs://CID/path, got %s", quote("ipfs://"+text))
		return ipld.Null
	}
	if r.src.Within == nil {
		r.fault(n, File, `name the content by its own CID: {"/": CID}`, "%s can not be looked up here: this document may not name files", quote("ipfs://"+text))
		return ipld.Null
	}
	got, ok := r.imported["ipfs://"+text]
	if !ok {
		got.link, got.err = r.src.Within(root, path)
		r.imported["ipfs://"+text] = got
	}
	if got.err != nil {
		r.fault(n, File, "`ipvm block ls "+cid+"` lists what is in the directory", "%s can not be found: %v", quote("ipfs://"+text), got.err)
		return ipld.Null
	}
	return ipld.LinkValue(got.link)
}

// file imports a file that the document names.
func (r *reader) file(n *node, path string) ipld.Value {
	if url, ok := strings.CutPrefix(path, "ipfs://"); ok {
		if link, err := ipld.ParseLink(url); err == nil {
			return ipld.LinkValue(link)
		}
		return r.within(n, url)
	}
	if r.src.Files == nil {
		r.fault(n, File, `name the content by its CID: {"/": CID}`, "the file %s can not be read here: this document may not name files", quote(path))
		return ipld.Null
	}
	if path == "" {
		r.fault(n, File, "write {file: ./picture.png}", "expected a path, got empty text")
		return ipld.Null
	}
	got, ok := r.imported[path]
	if !ok {
		got.link, got.err = r.src.Files.Import(path)
		r.imported[path] = got
	}
	switch {
	case errors.Is(got.err, fs.ErrNotExist):
		r.fault(n, File, "paths are relative to the folder of the document", "there is no file %s", quote(path))
	case got.err != nil:
		r.fault(n, File, "it has to be a file that can be read, of at most 256 MiB", "the file %s can not be imported: %v", quote(path), got.err)
	default:
		return ipld.LinkValue(got.link)
	}
	return ipld.Null
}

const dataHint = `a map of this shape is a promise; plain data of the same shape is written {"/data": …}`

// isPromise tells whether a map stands for another job's result: {from} with
// nothing beside it but out and on, or one of the other spellings alone.
func isPromise(n *node) bool {
	if n.kind != mapNode {
		return false
	}
	from := false
	for _, k := range n.keys {
		switch k.text {
		case "from":
			from = true
		case "await/ok", "await/error", "await/*", "ucan/promise":
			return len(n.keys) == 1
		case "out", "on":
		default:
			return false
		}
	}
	return from
}

// isPromise is isPromise in the dialect of the document.
func (r *reader) isPromise(n *node) bool {
	k, _ := n.sole()
	return isPromise(n) || r.dialect == Draft && draftPromises[k] != ""
}

// promise reads a map for which isPromise holds.
func (r *reader) promise(n *node) ipld.Value {
	p := task.Promise{Branch: task.AwaitOK}
	ok := true
	var target *node
	for i := range n.items {
		k, v := n.keys[i].text, &n.items[i]
		r.enter(k)
		switch k {
		case "from":
			target = v
			ok = r.target(&p, v) && ok
		case "out":
			ok = r.out(&p, v) && ok
		case "on":
			ok = r.branch(&p, v) && ok
		default:
			target, p.Branch = v, task.Branch(k)
			if branch, draft := draftPromises[k]; draft {
				p.Branch = branch
				ok = r.draftPromise(&p, k, v)
			} else {
				ok = r.await(&p, v)
			}
		}
		r.leave()
	}
	if !ok || target == nil {
		return ipld.Null
	}
	r.promised(Edge{Promise: p, Pos: r.posOf(n)})
	return p.Value()
}

// promised keeps e for the job being read.
func (r *reader) promised(e Edge) {
	if e.Promise.Label == "" {
		r.outside = append(r.outside, e)
	} else {
		r.edges = append(r.edges, e)
	}
}

// target reads what a promise names: the label of a job, or the ID of a task of
// another workflow.
func (r *reader) target(p *task.Promise, v *node) bool {
	if v.kind == linkNode {
		link, _ := v.value.AsLink()
		return r.taskID(p, v, link)
	}
	if v.kind == stringNode && !r.known[v.text()] {
		if link, err := ipld.ParseLink(v.text()); err == nil {
			return r.taskID(p, v, link)
		}
	}
	return r.jobLabel(p, v)
}

// taskID reads the ID of a task of another workflow, written as v.
func (r *reader) taskID(p *task.Promise, v *node, link ipld.Link) bool {
	if !mayBeTask(link) {
		r.fault(v, BadPromise, taskIDHint, "the link %s is no Task ID", link)
		return false
	}
	p.Task = task.ID{Link: link}
	return true
}

// mayBeTask tells whether link can be a Task ID, or an instruction of Homestar,
// which is known by another hash.
func mayBeTask(link ipld.Link) bool {
	return link.Codec() == ipld.CodecDagCBOR && (link.HashCode() == hashSHA2 || link.HashCode() == hashSHA3)
}

// taskIDHint says what a Task ID is.
const taskIDHint = `give a link to content as it is: {"/": CID}; a Task ID begins with bafyrei, or bafyrmi where Homestar made it`

// jobLabel reads the label of a job of this document.
func (r *reader) jobLabel(p *task.Promise, v *node) bool {
	switch {
	case v.kind != stringNode:
		hint := dataHint
		switch v.kind {
		case intNode:
			hint = `labels are text, so quote it: "` + v.value.String() + `"`
		case listNode:
			hint = `name one label; a part of its result is {"await/ok": [label, step]}`
		}
		r.fault(v, BadPromise, hint, "expected the label of a job, got %s", v.show())
		return false
	case !r.known[v.text()]:
		r.fault(v, BadPromise, r.nearLabel(v.text()), "there is no job %s to wait for", quote(v.text()))
		return false
	}
	p.Label = v.text()
	return true
}

// nearLabel is the hint for a label that does not exist. The searches are
// bounded, as a document can have very many of them.
func (r *reader) nearLabel(name string) string {
	if r.lookups++; r.lookups > 20 {
		return ""
	}
	if hint := didYouMean(near(name, r.labels)); hint != "" {
		return hint
	}
	_, err := ipld.ParseLink(name)
	label, part, dotted := strings.Cut(name, ".")
	switch {
	case dotted && r.known[label]:
		return "the label is " + quote(label) + "; a part of its result is taken with out: " + quote(part)
	case err == nil:
		return `take the result of a task of another workflow, and the job waits for it: {from: CID}`
	case looksLikeCID(name):
		return "labels are written as they stand; if it is meant as a Task ID, copy it again: one character less or more breaks it"
	case len(r.labels) == 0:
		return `a single invocation has no other job; a task of another workflow is named by its ID: {"await/ok": {"/": CID}}`
	case len(r.labels) == 1:
		return "the only job is " + quote(r.labels[0])
	case len(r.labels) > 8:
		return "a promise names the label of a job in the same document"
	}
	return "the jobs are " + orList(r.labels)
}

// out reads which part of the result is meant.
func (r *reader) out(p *task.Promise, v *node) bool {
	i, ok := v.value.AsInt64()
	switch {
	case v.kind == nullNode:
	case v.kind == stringNode:
		p.Path = append(p.Path, task.Step{Key: v.text(), IsKey: true})
	case v.kind == intNode && ok && i >= 0 && i < 1<<31:
		p.Path = append(p.Path, task.Step{Index: int(i)})
	default:
		hint := `write out: 0 or out: "field"`
		if v.kind == listNode {
			hint = `for several steps write {"await/ok": [label, step, step]}`
		}
		r.fault(v, BadPromise, hint, "expected the index or the field of the result, got %s", v.show())
		return false
	}
	return true
}

// branch reads which way the awaited job must end.
func (r *reader) branch(p *task.Promise, v *node) bool {
	switch v.text() {
	case "success", "ok":
	case "error":
		p.Branch = task.AwaitError
	default:
		r.fault(v, BadPromise, dataHint, `expected on: error or on: success, got %s`, v.show())
		return false
	}
	return true
}

// await reads the content of {"await/ok": …} and its like: a label, or a list of a label
// and steps into the result.
func (r *reader) await(p *task.Promise, v *node) bool {
	if v.kind != listNode {
		return r.target(p, v)
	}
	if len(v.items) == 0 {
		r.fault(v, BadPromise, dataHint, "expected the label of a job, got an empty list")
		return false
	}
	ok := true
	for i := range v.items {
		r.enterItem(i)
		if i == 0 {
			ok = r.target(p, &v.items[i])
		} else {
			ok = r.out(p, &v.items[i]) && ok
		}
		r.leave()
	}
	return ok
}

// draftPromise reads the content of {"ucan/promise": ["/", label or Task ID]},
// or of another key of the drafts.
func (r *reader) draftPromise(p *task.Promise, key string, v *node) bool {
	if v.kind == listNode && len(v.items) == 2 && v.items[0].kind == linkNode {
		r.notYet(&v.items[0], "naming a task by the label that it has in another workflow", `name it by its Task ID: {"`+key+`": ["/", {"/": CID}]}`)
		return false
	}
	if v.kind != listNode || len(v.items) != 2 || v.items[0].kind != stringNode || v.items[0].text() != "/" {
		r.fault(v, BadPromise, `write {"`+key+`": ["/", label]} or {from: label}`, `expected ["/", label], got %s`, v.show())
		return false
	}
	r.enterItem(1)
	defer r.leave()
	return r.target(p, &v.items[1])
}
