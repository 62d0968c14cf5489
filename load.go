package ipvm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// MaxImport bounds a file that is imported, in bytes.
const MaxImport = 256 << 20

// Load reads the workflow document at path, imports the files that it names
// relative to its own place, and checks it, down to the arguments of each
// call. What is wrong with the document is a [workflow.FaultList]. A document
// that is sound and only can not be run here, as it is or at all, is returned
// beside its faults.
//
// A document with effects and without a nonce is given one: each time that it is
// loaded it is another workflow.
func (n *Node) Load(ctx context.Context, path string) (*Workflow, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return n.Read(ctx, path, f, filepath.Dir(path))
}

// Read is [Node.Load] for a document that comes from r. Paths in it are
// relative to dir; an empty dir refuses them.
func (n *Node) Read(ctx context.Context, name string, r io.Reader, dir string) (*Workflow, error) {
	data, err := workflow.Read(name, r)
	if err != nil {
		return nil, err
	}
	source := workflow.Source{Name: name, Data: data, AllowCredentials: n.options.AllowCredentials, Within: n.within(ctx)}
	files := &importer{ctx: ctx, node: n, dir: dir, known: make(map[string]ipld.Link)}
	if dir != "" {
		source.Files = files
	}
	w, faults, err := n.survey(ctx, source)
	if err != nil {
		return nil, err
	}
	if files.trouble != nil { // which is no fault of the document
		return nil, files.trouble
	}
	if w != nil && w.Nonce == "" && w.HasEffects() {
		nonce := make([]byte, workflow.NonceSize)
		rand.Read(nonce)
		w.Nonce = string(nonce)
	}
	return n.checked(ctx, n.Backend(), w, faults)
}

// survey reads a document and tells what is wrong with its form.
func (n *Node) survey(ctx context.Context, source workflow.Source) (*workflow.Workflow, workflow.FaultList, error) {
	w, faults := workflow.Survey(source)
	if w != nil {
		requestor, err := n.requestor(ctx, w)
		if err != nil {
			return nil, nil, err
		}
		faults = workflow.Merge(faults, w.RequestedBy(requestor))
	}
	return w, faults, nil
}

// desk is what a document is held against: what somebody knows of the modules and
// tasks of a node.
type desk interface {
	engine.Knowledge
	// DID is the node's.
	DID(ctx context.Context) (did.DID, error)
	// PutBlocks takes in what came with the document.
	PutBlocks(ctx context.Context, blocks []ipld.Block) error
}

// checked is w, of which these faults are known, as a graph.
func (n *Node) checked(ctx context.Context, d desk, w *workflow.Workflow, faults workflow.FaultList) (*Workflow, error) {
	switch {
	case len(faults) > 0 && w == nil:
		return nil, faults
	case len(faults) > 0:
		return nil, n.judge(ctx, d, w, workflow.Merge(faults, graph.Cycles(w)))
	}
	return n.build(ctx, d, w)
}

// Single is the workflow of one job, labelled "job", that calls the named
// function of module with positional arguments. An empty name means the only
// function there is.
func (n *Node) Single(ctx context.Context, module ipld.Link, name string, args []ipld.Value) (*Workflow, error) {
	return n.build(ctx, n.Backend(), &workflow.Workflow{
		Version: workflow.Version, Dialect: workflow.Native,
		Jobs: []workflow.Job{{Label: "job", Pos: workflow.Pos{Path: "/job"}, Call: task.Call{
			Module: ipld.LinkValue(module), Func: name, Params: task.Escape(ipld.List(args...)),
		}}},
	})
}

// build is w as a graph, checked down to the arguments of each call.
func (n *Node) build(ctx context.Context, d desk, w *workflow.Workflow) (*Workflow, error) {
	owner, err := d.DID(ctx)
	if err != nil {
		return nil, err
	}
	if err := keepModules(ctx, d, w); err != nil {
		return nil, err
	}
	g, err := graph.Build(w, graph.Options{Owner: owner, Effects: task.KnownEffects})
	var atFault workflow.FaultList
	switch {
	case errors.As(err, &atFault):
		return nil, n.judge(ctx, d, w, atFault)
	case err != nil:
		return nil, err
	}
	faults, err := engine.Check(ctx, d, g, n.options.Policy)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return g, faults
	}
	return g, nil
}

// requestor is on whose behalf w would be run. What is wrong with a signature
// shows when it is.
func (n *Node) requestor(ctx context.Context, w *workflow.Workflow) (did.DID, error) {
	if n.options.Requestor != "" {
		return n.options.Requestor, nil
	}
	if signer, err := authority.Signer(w.Signature); len(w.Signature) > 0 && err == nil {
		return signer, nil
	}
	return n.DID(ctx)
}

// keepModules stores the modules that w holds itself.
func keepModules(ctx context.Context, d desk, w *workflow.Workflow) error {
	if len(w.Blocks) == 0 {
		return nil
	}
	return d.PutBlocks(ctx, w.Blocks)
}

// judge returns faults, those of a document of which w is what could be read,
// with what else can be told of it now: all its faults are shown in one run.
func (n *Node) judge(ctx context.Context, d desk, w *workflow.Workflow, faults workflow.FaultList) error {
	if err := keepModules(ctx, d, w); err != nil {
		return err
	}
	calls, err := engine.CheckJobs(ctx, d, w, n.options.Policy)
	if err != nil {
		return err
	}
	return workflow.Merge(faults, calls)
}

// importer brings the files of one document into the node's store, each once.
type importer struct {
	ctx     context.Context
	node    *Node
	dir     string
	known   map[string]ipld.Link // by path
	trouble error                // why the node could not store a file
}

// Import stores the file at path and returns its link.
func (i *importer) Import(path string) (ipld.Link, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(i.dir, path)
	}
	if link, ok := i.known[path]; ok || i.trouble != nil {
		return link, i.trouble
	}
	// A document that names a pipe or a device must not make us wait for it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return ipld.Link{}, fmt.Errorf("it is %s; name a regular file, or import it with `ipvm block put -` and use its CID", kindOf(info.Mode()))
	}
	link, err := i.node.Import(i.ctx, path)
	var put *putError
	switch {
	case errors.As(err, &put):
		i.trouble = err
	case err == nil:
		i.known[path] = link
	}
	return link, err
}

// kindOf is what a file that is not a regular one is.
func kindOf(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// putError says that a file was read and could not be stored.
type putError struct{ err error }

func (e *putError) Error() string { return e.err.Error() }
func (e *putError) Unwrap() error { return e.err }

// Import stores the file at path, as `ipfs add --cid-version=1` would, and
// returns its link.
func (n *Node) Import(ctx context.Context, path string) (ipld.Link, error) {
	f, err := os.Open(path)
	if err != nil {
		return ipld.Link{}, err
	}
	defer f.Close()
	return n.ImportFrom(ctx, path, f)
}

// ImportFrom is [Node.Import] for what r holds; name is for messages.
func (n *Node) ImportFrom(ctx context.Context, name string, r io.Reader) (ipld.Link, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxImport+1))
	if err != nil {
		return ipld.Link{}, fmt.Errorf("import %s: %w", name, err)
	}
	if len(data) > MaxImport {
		return ipld.Link{}, fmt.Errorf("import %s: more than %d bytes: %w", name, MaxImport, errors.ErrUnsupported)
	}
	var blocks []ipld.Block
	link, err := ipld.ImportFile(data, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		return ipld.Link{}, fmt.Errorf("import %s: %w", name, err)
	}
	if err := n.Backend().PutBlocks(ctx, blocks); err != nil {
		return ipld.Link{}, fmt.Errorf("import %s: %w", name, &putError{err})
	}
	return link, nil
}

// File returns the bytes of the raw block or UnixFS file behind link.
func (n *Node) File(ctx context.Context, link ipld.Link) ([]byte, error) {
	backend := n.Backend()
	return ipld.ReadFile(link, MaxImport, func(l ipld.Link) ([]byte, error) { return backend.Block(ctx, l) })
}
