package workflow

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Version is the version of the specification that native documents follow.
const Version = "0.1.0"

// MaxBytes is the default bound on the size of one document.
const MaxBytes = 16 << 20

// maxLabel bounds a job's label, in bytes.
const maxLabel = 256

// Format is the encoding of a document.
type Format string

// The formats. Auto decides by the file name's extension, then by content.
const (
	Auto Format = ""
	JSON Format = "json"
	YAML Format = "yaml"
	CBOR Format = "cbor"
)

// Dialect is the grammar that a document is written in.
type Dialect string

// The dialects.
const (
	// Native is the IPVM specification's own form.
	Native Dialect = "native"
	// Homestar is the form of the UCAN Invocation 0.2 peers.
	Homestar Dialect = "homestar"
	// Draft is the form of the workflow draft v0.1 of 2023.
	Draft Dialect = "draft"
	// JobDraft is the form of the job drafts before it.
	JobDraft Dialect = "job-draft"
	// UCAN is the payload of one UCAN 1.0 invocation.
	UCAN Dialect = "ucan"
)

// Source is a document to be read.
type Source struct {
	// Name is the file's name as messages show it, and what an Auto format
	// is guessed from first.
	Name string
	Data []byte
	// Format is the document's encoding; empty means to find out.
	Format Format
	// Files resolves {file: path} and a path in `with`. Nil refuses them, as
	// for documents that come from elsewhere.
	Files Files
	// Within finds what is at a path in a directory of files, as ipfs://CID/path
	// names it. Nil refuses such URLs.
	Within func(root ipld.Link, path string) (ipld.Link, error)
	// AllowCredentials lets values pass that have the form of a credential.
	AllowCredentials bool
	// MaxBytes bounds Data; 0 means [MaxBytes].
	MaxBytes int
}

// Files imports files that a document names by path.
type Files interface {
	// Import stores the file and returns its link. A path is as written in
	// the document, so relative to where the document is. An error that wraps
	// fs.ErrNotExist is shown as a file that is not there.
	Import(path string) (ipld.Link, error)
}

// Workflow is what a document says, whatever its dialect. It is not checked
// for cycles.
type Workflow struct {
	// Version of the specification, such as "0.1.0".
	Version string
	// Meta is the user's own data: a map, or null. It never changes a task.
	Meta ipld.Value
	// Nonce holds 16 raw bytes, or is empty.
	Nonce string
	// Signature is a container of UCAN tokens: the invocation that asks for the
	// workflow to be run, and its proofs; nil for a workflow of one's own. It is
	// no part of the workflow's address.
	Signature []byte
	// Parent is the workflow that this one was started by, if any.
	Parent ipld.Link
	// Requestor is who asks for the workflow to be run, if the document says
	// so: see [Workflow.RequestedBy]. Like Signature it is no part of the
	// workflow's address.
	Requestor    did.DID
	requestorPos Pos
	// Config bounds the run as a whole; zero fields bound nothing.
	Config task.Limits
	// Jobs are in the order of the document. There is at least one.
	Jobs    []Job
	Dialect Dialect
	// Origin is set for foreign dialects.
	Origin Origin
	// Blocks are those of modules that the document holds itself. They are to
	// be stored before the workflow is checked against its modules.
	Blocks []ipld.Block
	// Imported are the files that the document names by path.
	Imported []ipld.Link
	// Warnings are about what was read but has no effect.
	Warnings []Fault
	// source is the document, for Places.
	source *Source
}

// RequestedBy is the fault of a document that names a requestor other than who,
// on whose behalf it runs; nil where it names that or none.
func (w *Workflow) RequestedBy(who did.DID) FaultList {
	if w.Requestor == "" || w.Requestor == who {
		return nil
	}
	return FaultList{{
		Pos: w.requestorPos, Kind: Invalid,
		Msg:  fmt.Sprintf("expected the requestor to be %s, on whose behalf the workflow runs, got %s", who, quote(string(w.Requestor))),
		Hint: "leave it out, or run the workflow with that key: --as NAME",
	}}
}

// NonceSize is the length of a workflow's nonce in bytes.
const NonceSize = 16

// HasEffects tells whether some job asks something of the world.
func (w *Workflow) HasEffects() bool {
	return slices.ContainsFunc(w.Jobs, func(j Job) bool { return j.Effect != nil })
}

// Origin holds the identifiers that a foreign dialect gives a workflow.
type Origin struct {
	// Workflow is the foreign workflow CID; undefined where the dialect has
	// none.
	Workflow ipld.Link
	// Name is the name that the wrapper gives the workflow, if any.
	Name string
}

// Job is one labelled call of a workflow.
type Job struct {
	Label string
	// Call is what is run. Call.Module is a link. Call.Params is a list for
	// positional and a map for named arguments; promises in it are in the form
	// of [task.Promise.Value] with labels, and literals are escaped.
	Call task.Call
	// Effect is what the job asks of the world; nil for a function. Then of
	// Call only Params has a meaning: a map.
	Effect *Effect
	// Subject is who the task belongs to; empty means that it is pure, or of an
	// effect that it belongs to whoever submits the workflow.
	Subject did.DID
	// Nonce holds raw bytes and is empty for a pure task, and for an effect
	// whose nonce comes from the workflow's.
	Nonce string
	// Limits are what the document asks for, the workflow's defaults merged;
	// a zero field was not given.
	Limits task.Limits
	// Secret says whether the result is for this node alone.
	Secret Secrecy
	// Check is how the result is to be verified; nil is by attestation.
	Check *Verification
	// Retries is how often a query is tried again; nil where the document does
	// not say.
	Retries *int
	// Pos is the place of the job's label.
	Pos Pos
	// Edges are what the job waits for: the promises in it, in the order of the
	// document, then the jobs under await, then those that set it off.
	Edges []Edge
	// Outside are the promises of tasks of other workflows, by Task ID, in the
	// order of the document.
	Outside []Edge
	// On are the jobs that this one sets off. Each has an Edge for it.
	On On
	// Catch is asked first when the job fails: its own handler or the
	// workflow's; nil when there is none.
	Catch *Handler
	// Needs are the labels that a node must have to run the job, in canonical
	// key order: the job's own and those of the whole workflow.
	Needs []string
	// Instruction and Ran are the identifiers that a foreign dialect gives
	// this job; undefined where the dialect has none.
	Instruction, Ran ipld.Link
	// Faulty tells that some of the job could not be read; see [Survey].
	Faulty bool
}

// Secrecy is what a document says of whether a result is a secret.
type Secrecy int8

// What a document can say.
const (
	SecretIfTainted Secrecy = iota // null: if anything that it depends on is one
	SecretAlways                   // true
	SecretNever                    // false
)

// On are the labels of the jobs that run only when a job ended one way or the
// other, each list in canonical key order.
type On struct{ Error, Success []string }

// Handler is a function that decides what becomes of a failure.
type Handler struct {
	Module ipld.Link
	Func   string // empty for the only one
	Pos    Pos
}

// Edge is one job or task that a job waits for, and where that is said.
type Edge struct {
	Kind EdgeKind
	// Promise names the job or task and how it must end. Its path is empty for
	// an edge that is no promise.
	Promise task.Promise
	Pos     Pos
}

// EdgeKind says what an edge is for.
type EdgeKind int

// The kinds of edges.
const (
	// EdgePromise passes a result.
	EdgePromise EdgeKind = iota
	// EdgeAwait passes nothing: the job waits for the other to go well.
	EdgeAwait
	// EdgeTrigger sets the job off: it runs only if the other ends that way.
	EdgeTrigger
)

// Read reads a whole document of at most [MaxBytes]. A longer one is refused
// with a [FaultList]; a file's size is looked at before anything is read.
func Read(name string, r io.Reader) ([]byte, error) {
	if f, ok := r.(interface{ Stat() (os.FileInfo, error) }); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() > MaxBytes {
			return nil, FaultList{tooLarge(name, fmt.Sprintf("%d", st.Size()), MaxBytes)}
		}
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > MaxBytes {
		return nil, FaultList{tooLarge(name, fmt.Sprintf("more than %d", MaxBytes), MaxBytes)}
	}
	return data, nil
}

func tooLarge(name, size string, limit int) Fault {
	return Fault{
		Pos: Pos{File: name}, Kind: Size,
		Msg:  fmt.Sprintf("the document has %s bytes; at most %s are read", size, sizeName(limit)),
		Hint: `keep large data out of the document: {file: ./picture.png} or a link {"/": CID}`,
	}
}

func sizeName(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d bytes (%d MiB)", n, n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Parse reads the document. Where the document is at fault the error is a
// [FaultList] of all its faults.
func Parse(src Source) (*Workflow, error) {
	w, faults := Survey(src)
	if len(faults) > 0 {
		return nil, faults
	}
	return w, nil
}

// Survey is [Parse] for those who look for more faults: beside those of the
// document it returns what could be read, or nil. In that only jobs which are
// not Faulty, and what their Edges say, can be relied on.
func Survey(src Source) (*Workflow, FaultList) {
	if src.MaxBytes == 0 {
		src.MaxBytes = MaxBytes
	}
	if len(src.Data) > src.MaxBytes {
		return nil, FaultList{tooLarge(src.Name, fmt.Sprint(len(src.Data)), src.MaxBytes)}
	}
	r := &reader{src: src, imported: map[string]imported{}}
	root := r.tree()
	if root == nil || r.faults.n > 0 && root.kind == badNode {
		return nil, r.faults.list()
	}
	r.settle(root)
	w := r.document(root)
	r.markFaulty(w)
	w.Warnings, w.Blocks, w.source = r.warnings.list(), r.blocks, &src
	for _, path := range slices.Sorted(maps.Keys(r.imported)) {
		if got := r.imported[path]; got.err == nil {
			w.Imported = append(w.Imported, got.link)
		}
	}
	return w, r.faults.list()
}

// markFaulty marks the jobs that have a fault in them, which is all of them
// where not every fault was kept.
func (r *reader) markFaulty(w *Workflow) {
	if r.faults.n == 0 {
		return
	}
	within := make(map[string]bool) // the paths of faults, and of what they are in
	for _, f := range r.faults.all {
		path := f.Path
		for within[path] = true; path != ""; within[path] = true {
			path = path[:strings.LastIndexByte(path, '/')]
		}
	}
	for i := range w.Jobs {
		w.Jobs[i].Faulty = r.faults.n > maxFaults || within[w.Jobs[i].Pos.Path]
	}
}
