package ipvm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// ImportOptions say what becomes of an imported run.
type ImportOptions struct {
	// Suspended keeps it until it is resumed.
	Suspended bool
	// Keep only keeps what is in the file, and accepts nothing.
	Keep bool
	// Own takes it over as the owner's, whoever it was on behalf of.
	Own bool
}

// Imported is what [Node.ImportRun] found and did.
type Imported struct {
	// Run is how the run stands here; it has no state where it was not accepted.
	Run runs.Run
	// Workflow is the document, KeepGoing, Authority and Brings what it was
	// submitted with.
	Workflow  *Workflow
	KeepGoing bool
	Authority []byte
	Brings    []ipld.Link
	// For is on whose behalf the run was.
	For did.DID
	// From is the node that wrote the file, and HandedOver tells that the run does
	// not go on there.
	From             did.DID
	HandedOver       bool
	Receipts, Blocks int
	// Unbelieved are the jobs whose receipts do not count here, by their signers, and
	// that have not run here either.
	Unbelieved map[did.DID][]string
	// Absent are links of the document whose blocks are neither in the file nor here.
	Absent []ipld.Link
}

// errImport is why a file is refused.
func errImport(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotMoved, fmt.Errorf(format, args...))
}

// putBytes is how many bytes of blocks are kept at once.
const putBytes = 8 << 20

// ImportRun reads a file that [Node.Export] or [Node.HandOver] wrote, in and of the
// given size, and accepts the run here: nothing that has a receipt which counts here
// is run again. All of the file is checked before anything is kept; then what is kept
// is kept for good, and importing again changes nothing. A run that is in progress
// here already, or went well, stays as it is.
//
// The error wraps [ErrNotMoved], [ipld.ErrCAR] or [ipld.ErrMismatch] if the file is at
// fault, [ErrDenied] if the run is on behalf of somebody whose authority does not
// reach here, and [ErrNoService] if it is to go on and no node serves.
func (n *Node) ImportRun(ctx context.Context, in io.ReaderAt, size int64, o ImportOptions) (*Imported, error) {
	file, err := ipld.OpenCAR(in, size, maxCarried, maxBlocks, func(ipld.Block) error { return nil })
	if err != nil {
		return nil, err
	}
	i := &arrival{ctx: ctx, to: n, file: file}
	if err := i.check(); err != nil {
		return nil, err
	}
	fault.Point("import.checked")
	if err := i.keepBlocks(in, size); err != nil {
		return nil, err
	}
	fault.Point("import.blocks")
	out := &Imported{
		Workflow: i.graph, KeepGoing: i.KeepGoing, Authority: i.Authority, Brings: i.Brings,
		For: i.For, From: i.node, HandedOver: i.handedOver, Receipts: len(i.all), Blocks: file.Len(),
	}
	if err := i.keepReceipts(out); err != nil {
		return out, err
	}
	fault.Point("import.receipts")
	if out.Absent, err = i.missing(); err != nil || o.Keep {
		return out, err
	}
	out.Run, err = i.accept(o)
	fault.Point("import.accepted")
	return out, err
}

// arrival takes over what is in a file.
type arrival struct {
	*moved
	ctx   context.Context
	to    *Node
	file  *ipld.CARFile
	graph *graph.Graph
	all   []*receipt.Signed // of the jobs in results
}

// check reads what the file says and holds it together.
func (i *arrival) check() error {
	roots := i.file.Roots()
	if len(roots) != 1 {
		return errImport("%d roots", len(roots))
	}
	root, there, err := i.file.Block(roots[0])
	if err != nil || !there {
		return errors.Join(err, errImport("its root is not in it"))
	}
	if i.moved, err = parseMoved(root); err != nil {
		return err
	}
	normal, there, err := i.file.Block(i.Workflow)
	if err != nil || !there {
		return errors.Join(err, errImport("the document is not in it"))
	}
	if i.graph, err = graph.FromNormal(normal, i.Instructions); err != nil {
		return errImport("the document: %w", err)
	}
	if label, ok := secretOf(i.graph); ok {
		return errImport("job %q is a secret, and %w", label, ErrSecret)
	}
	if i.For != "" && len(i.results) > 0 {
		return errImport("receipts of a run on behalf of %s", i.For)
	}
	for _, r := range i.results {
		if err := i.checkReceipt(r); err != nil {
			return errImport("the receipt of job %q: %w", r.job, err)
		}
	}
	return nil
}

func (i *arrival) checkReceipt(r result) error {
	if _, ok := i.graph.Find(r.job); !ok {
		return errors.New("there is no such job")
	}
	data, there, err := i.file.Block(r.receipt)
	if err != nil || !there {
		return errors.Join(err, errors.New("it is not in the file"))
	}
	signed, err := receipt.Parse(data)
	if err != nil {
		return err
	}
	i.all = append(i.all, signed)
	return signed.Verify()
}

// keepBlocks puts all blocks into the store but the root and receipts.
func (i *arrival) keepBlocks(in io.ReaderAt, size int64) error {
	apart := map[ipld.Link]bool{i.file.Roots()[0]: true}
	for _, r := range i.results {
		apart[r.receipt] = true
	}
	c, err := ipld.NewCARReader(io.NewSectionReader(in, 0, size), maxCarried)
	if err != nil {
		return err
	}
	var batch []ipld.Block
	n := 0
	flush := func() error {
		err := i.to.Backend().PutBlocks(i.ctx, batch)
		batch, n = nil, 0
		return err
	}
	for {
		b, err := c.Next()
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
		if apart[b.Link] {
			continue
		}
		batch, n = append(batch, b), n+len(b.Data)
		if n >= putBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// keepReceipts keeps the receipts as evidence, and finds those that do not count.
func (i *arrival) keepReceipts(out *Imported) error {
	own, err := i.to.DID(i.ctx)
	if err != nil {
		return err
	}
	out.Unbelieved = make(map[did.DID][]string)
	for k, signed := range i.all {
		if err := i.to.ImportReceipt(i.ctx, signed); err != nil {
			return fmt.Errorf("the receipt of job %q: %w", i.results[k].job, err)
		}
		if signed.Executor == own {
			continue
		}
		word, err := i.to.Backend().Word(i.ctx, signed.Executor, signed.Task)
		if err != nil {
			return err
		}
		if word.Counts {
			continue
		}
		ran, err := i.ran(own, signed.Task)
		if err != nil {
			return err
		}
		if !ran {
			out.Unbelieved[signed.Executor] = append(out.Unbelieved[signed.Executor], i.results[k].job)
		}
	}
	return nil
}

// ran tells whether this node has a receipt of its own for a task.
func (i *arrival) ran(own did.DID, id task.ID) (bool, error) {
	all, err := i.to.Backend().Receipts(i.ctx, id)
	return slices.ContainsFunc(all, func(r *receipt.Signed) bool { return r.Executor == own }), err
}

// missing are the links that the file says were absent, and are so here.
func (i *arrival) missing() (all []ipld.Link, err error) {
	for _, l := range i.absent {
		_, err := i.to.Backend().Block(i.ctx, l)
		switch {
		case isMissing(err):
			all = append(all, l)
		case err != nil:
			return all, err
		}
	}
	return all, nil
}

// accept accepts the run, unless it is here already.
func (i *arrival) accept(o ImportOptions) (runs.Run, error) {
	options := runs.Options{KeepGoing: i.KeepGoing, Priority: i.Priority, Suspended: o.Suspended}
	id := runs.ID{Workflow: i.Workflow}
	if !o.Own {
		id.For = i.For
		options.Authority, options.Brings, options.Unsigned = i.Authority, i.Brings, i.For == engine.Anyone
	}
	backend := i.to.Backend()
	there, err := backend.RunOf(i.ctx, id)
	switch settled := []runs.State{runs.OK, runs.Running}; {
	case err == nil && (slices.Contains(settled, there.State) || there.State == runs.Suspended && o.Suspended):
		return there, nil
	case err != nil && !errors.Is(err, runs.ErrUnknown):
		return there, err
	}
	return backend.Submit(i.ctx, i.graph, options)
}
