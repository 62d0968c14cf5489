package workflow

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// The maps of a UCAN 1.0 invocation.
var (
	invocationFields = spellings("cmd", "args", "sub", "nonce", "iss", "aud", "prf", "meta", "iat", "exp", "cause")
	wasmRunFields    = spellings("mod", "fun", "params")
)

// isInvocation tells the payload of a UCAN 1.0 invocation: a command and its
// arguments, which are no jobs.
func isInvocation(root *node) bool {
	cmd, args := root.lookup("cmd"), root.lookup("args")
	return cmd != nil && cmd.kind == stringNode && args != nil && root.lookup("with") == nil
}

// isEnvelope tells a signed UCAN 1.0 token: a signature and {h, tag: payload}.
func isEnvelope(root *node) bool {
	return root.kind == listNode && len(root.items) == 2 && root.items[0].kind == bytesNode && root.items[1].lookup("h") != nil
}

// invocation reads the payload of a UCAN 1.0 invocation that nobody signed: a
// workflow of one job, of whoever submits it.
func (r *reader) invocation(w *Workflow, root *node) {
	w.Dialect = UCAN
	j := Job{Label: soleLabel, Pos: r.posOf(root)}
	subject := did.Pure
	var written ipld.Value // args
	cmd := root.lookup("cmd")
	before, runs := r.faults.n, cmd.text() == task.CommandRun
	r.record(root, "an invocation", invocationFields, func(name string, v *node) {
		switch name {
		case "cmd":
			if !runs && !strings.HasPrefix(v.text(), "/") {
				r.fault(v, Invalid, "write cmd: "+task.CommandRun, "%s is no command: it does not begin with /", quote(v.text()))
			}
		case "args":
			written = r.data(v)
			if runs {
				r.wasmRun(&j, v)
			} else {
				r.effectArgs(&j, cmd, v)
			}
		case "sub":
			subject = r.subject(v)
		case "nonce":
			j.Nonce = r.nonce(v, 0)
		case "meta":
			j.Limits = r.legacyMeta(v)
		default:
			r.claim(name, v)
		}
	})
	nonce := root.lookup("nonce")
	switch {
	case !runs && root.lookup("sub") == nil:
	case !runs && subject == did.Pure:
		r.enter("sub")
		r.fault(root.lookup("sub"), Invalid, "name whose resource it is, or leave sub out", "only functions belong to %s", did.Pure)
		r.leave()
	case !runs:
		j.Subject = subject
	case j.Nonce != "" && root.lookup("sub") != nil && subject == did.Pure:
		r.enter("nonce")
		r.fault(nonce, Invalid, "leave the nonce out, or name another subject", "a task of %s has an empty nonce: it is the same for everyone", did.Pure)
		r.leave()
	case j.Nonce != "" && subject != did.Pure:
		j.Subject = subject
	}
	j.Edges, j.Outside = r.edges, r.outside
	w.Jobs = []Job{j}
	if r.faults.n == before && (runs && j.Nonce == "" || j.Subject != "") {
		command := cmd.text()
		id, err := task.Task{Subject: subject, Command: command, Args: written, Nonce: j.Nonce}.ID()
		if err != nil {
			r.fault(root, Invalid, "", "no Task ID: %v", err)
		}
		w.Jobs[0].Instruction = id.Link
	}
}

// wasmRun reads the arguments of /wasm/run.
func (r *reader) wasmRun(j *Job, n *node) {
	j.Call.Params = ipld.List()
	r.record(n, "args", wasmRunFields, func(name string, v *node) {
		switch name {
		case "mod":
			j.Call.Module = r.module(v)
		case "fun":
			if v.kind != stringNode {
				r.fault(v, Type, `write "" when the module exports exactly one function`, "expected the name of a function, got %s", v.show())
			}
			j.Call.Func = v.text()
		case "params":
			j.Call.Params = r.params(v)
		}
	})
	if n.kind == mapNode && n.lookup("mod") == nil {
		r.fault(n, Missing, `add "mod": CID`, "args has no field %q", "mod")
	}
}

// runWorkflow is the command of an invocation that signs a workflow.
const runWorkflow = "/ipvm/run"

// effectArgs reads the arguments of a command that is an effect. They are taken
// as they are: its author has given the task its address.
func (r *reader) effectArgs(j *Job, cmd, n *node) {
	e := &Effect{Do: strings.TrimPrefix(cmd.text(), "/"), URI: ipld.Null}
	j.Effect, j.Call.Params = e, ipld.Map()
	if n.kind != mapNode {
		r.fault(n, Type, `write args: {"uri": …}`, "expected args as a map, got %s", n.show())
		return
	}
	uri := n.lookup("uri")
	switch {
	case uri == nil && cmd.text() == runWorkflow:
		r.fault(n, Unsupported, "give the document of the workflow itself; `ipvm sign` writes it together with the invocation", "expected a call or an effect, got %s, which asks for a whole workflow that is not in it", quote(cmd.text()))
		return
	case uri == nil:
		r.fault(n, Unsupported, `add "uri", or write cmd: `+task.CommandRun+` to call a function`, "expected args with a uri, as for each command but %s, got cmd %s without one", task.CommandRun, quote(cmd.text()))
		return
	}
	r.enter("uri")
	r.effectURI(e, uri)
	if s, _ := e.URI.AsString(); uri.kind == stringNode && s != uri.text() && s != "" {
		r.fault(uri, Invalid, "write it in its normal form: "+s, "the URI is not in the form in which URIs are compared")
	}
	r.leave()
	var rest []ipld.Entry
	for _, e := range r.plain(n, r.taskArg).Entries() {
		if e.Key != "uri" {
			rest = append(rest, e)
		}
	}
	j.Call.Params = ipld.Map(rest...)
}

// params reads a list of arguments, or a map of them by name.
func (r *reader) params(n *node) ipld.Value {
	if n.kind != listNode && n.kind != mapNode {
		r.fault(n, Type, "write params: [first, second] or {name: value}", "expected params as a list, or as a map by name, got %s", n.show())
		return ipld.List()
	}
	for i := range n.keys {
		r.enter(n.keys[i].text)
		r.paramName(n.keys[i])
		r.leave()
	}
	return r.plain(n, r.taskArg)
}

// taskArg reads an argument as a task has it: nothing but promises and escapes
// has a meaning.
func (r *reader) taskArg(n *node) ipld.Value {
	switch k, v := n.sole(); k {
	case string(task.AwaitOK), string(task.AwaitError), string(task.AwaitAny):
		return r.promise(n)
	case "/data":
		return task.Escape(r.data(v))
	}
	return r.plain(n, r.taskArg)
}

// subject reads the principal whose task it is.
func (r *reader) subject(v *node) did.DID {
	if s := v.text(); v.kind == stringNode && s == string(did.Pure) {
		return did.Pure
	}
	d, err := did.Parse(v.text())
	if v.kind != stringNode || err != nil {
		r.fault(v, Invalid, "write sub: "+string(did.Pure)+", or leave it out", "expected a did:key, got %s", v.show())
	}
	return d
}

// claim reads a field that counts only in a signed token. One that would
// forbid or demand something is not passed over.
func (r *reader) claim(name string, v *node) {
	switch {
	case v.kind == nullNode, name == "prf" && v.kind == listNode && len(v.items) == 0:
	case name == "iss", name == "aud", name == "iat":
		r.warn(v.line, v.col, "", "nobody signed this invocation, so %s has no effect; it is run as your own", name)
	case name == "prf":
		r.fault(v, Unsupported, "write prf: []; whoever submits the workflow runs it", "expected no proofs, got %s", v.show())
	default:
		r.notYet(v, "an invocation with "+name, "write "+name+": null")
	}
}

// envelope refuses a signed token. That a signature holds does not say that
// its issuer may ask this of this node, now.
func (r *reader) envelope(root *node) {
	r.notYet(root, "a signed invocation", "to run it as your own, give only its payload: {cmd: "+task.CommandRun+", args: …}")
}

// dataURL is how a document holds a module itself.
const dataURL = "data:application/wasm;base64,"

// inline reads a module that the document holds. Its blocks go with the
// workflow.
func (r *reader) inline(v *node) ipld.Value {
	code, err := decodeBase64(strings.TrimPrefix(v.text(), dataURL))
	if err != nil {
		r.fault(v, Invalid, "copy the module again, or name its CID", "expected a module as %s…, got %v", dataURL, err)
		return ipld.Null
	}
	link, err := ipld.ImportFile(code, func(b ipld.Block) error {
		r.blocks = append(r.blocks, b)
		return nil
	})
	if err != nil {
		r.fault(v, Invalid, "", "the module can not be imported: %v", err)
		return ipld.Null
	}
	return ipld.LinkValue(link)
}
