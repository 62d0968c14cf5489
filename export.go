package ipvm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// ErrSecret reports a workflow that does not leave its node, since it has a secret.
var ErrSecret = errors.New("secrets do not leave their node")

// Exported is what [Node.Export] and [Node.HandOver] wrote.
type Exported struct {
	Run runs.Run
	// Receipts is how many jobs are in the file with what they came to.
	Receipts int
	Blocks   int
	Bytes    int64
	// Absent are links of the document of which there is no block here either.
	Absent []ipld.Link
}

// Export writes an accepted run as a CAR file: the document with the modules and
// inputs that are here, what it was submitted with, and the receipts of jobs that are
// remembered, with their output. What ran on behalf of others is kept apart, so no
// receipts of that are in it. The run stays as it is. The error wraps
// [runs.ErrUnknown], or [ErrSecret] where the workflow has a secret.
func (n *Node) Export(ctx context.Context, id runs.ID, out io.Writer) (*Exported, error) {
	return n.export(ctx, id, out, false)
}

// HandOver writes a run that has not ended to a file, as Export does, and ends it
// here as [runs.HandedOver]. It is first suspended, durably; when the file is there
// under its name, it is whole, and the run is handed over, durably. A run that was
// handed over is written again. The error wraps [runs.ErrState] if it has ended otherwise.
func (n *Node) HandOver(ctx context.Context, id runs.ID, name string) (*Exported, error) {
	backend := n.Backend()
	run, err := backend.RunOf(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case run.State == runs.Running:
		if run, err = backend.Direct(ctx, id, rpc.Suspend); err != nil {
			return nil, err
		}
	}
	if run.State != runs.Suspended && run.State != runs.HandedOver {
		return nil, fmt.Errorf("workflow %s: %w: it has ended (%s)", id.Workflow, runs.ErrState, run.State)
	}
	fault.Point("export.suspended")
	var e *Exported
	err = writeWhole(name, func(out io.Writer) (err error) {
		e, err = n.export(ctx, id, out, true)
		return err
	}, func() (err error) {
		fault.Point("export.written")
		e.Run, err = backend.Direct(ctx, id, rpc.HandOver)
		return err
	})
	if err != nil {
		return nil, err
	}
	fault.Point("export.ended")
	return e, nil
}

// WriteExport is Export to a file, which is whole or not there.
func (n *Node) WriteExport(ctx context.Context, id runs.ID, name string) (e *Exported, err error) {
	err = writeWhole(name, func(out io.Writer) (err error) {
		e, err = n.Export(ctx, id, out)
		return err
	}, func() error { return nil })
	return e, err
}

// writeWhole writes a file of that name, durably, by way of another one beside it.
// Before it has its name, ready is called.
func writeWhole(name string, write func(io.Writer) error, ready func() error) (err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, ".ipvm-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	buffer := bufio.NewWriterSize(f, 1<<20)
	err = write(buffer)
	err = errors.Join(err, buffer.Flush())
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// exporter finds out what belongs to a run.
type exporter struct {
	ctx     context.Context
	backend rpc.Backend
	moved
	links []ipld.Link // of the blocks to write, in order
	seen  map[ipld.Link]bool
	gone  map[ipld.Link]bool // those of absent
}

func (n *Node) export(ctx context.Context, id runs.ID, out io.Writer, handOver bool) (*Exported, error) {
	x := &exporter{ctx: ctx, backend: n.Backend(), seen: make(map[ipld.Link]bool), gone: make(map[ipld.Link]bool)}
	var err error
	if x.Submission, err = x.backend.Submission(ctx, id); err != nil {
		return nil, err
	}
	if x.node, err = n.DID(ctx); err != nil {
		return nil, err
	}
	if x.handedOver = handOver; handOver {
		x.State, x.Ended = runs.Suspended, time.Time{} // as which it goes on
	}
	if err := x.collect(); err != nil {
		return nil, fmt.Errorf("export workflow %s: %w", id.Workflow, err)
	}
	return x.write(out)
}

// collect finds the blocks of the run, without keeping them.
func (x *exporter) collect() error {
	normal, err := x.backend.Block(x.ctx, x.Workflow)
	if err != nil {
		return fmt.Errorf("the document: %w", err)
	}
	g, err := graph.FromNormal(normal, x.Instructions)
	if err != nil {
		return fmt.Errorf("the document: %w", err)
	}
	if label, ok := secretOf(g); ok {
		return fmt.Errorf("job %q is a secret, and %w", label, ErrSecret)
	}
	x.add(x.Workflow)
	for i := range g.Len() {
		if err := x.inputs(g.Step(i)); err != nil {
			return err
		}
	}
	for _, l := range x.Brings {
		if err := x.walk(l, true); err != nil {
			return err
		}
	}
	if x.For != "" {
		return nil
	}
	return x.receipts(g)
}

// secretOf is a job of g that is a secret.
func secretOf(g *graph.Graph) (string, bool) {
	for i := range g.Len() {
		if g.Step(i).Secret {
			return g.Label(i), true
		}
	}
	return "", false
}

// inputs adds what a step names: modules, and links in its arguments.
func (x *exporter) inputs(s *graph.Step) error {
	named := func(v ipld.Value) (ipld.Value, error) {
		return task.MapPromises(v, func(task.Promise) (ipld.Value, error) { return ipld.Null, nil })
	}
	module, err := named(s.Job.Call.Module)
	if err != nil {
		return err
	}
	params, err := named(s.Job.Call.Params)
	if err != nil {
		return err
	}
	links := []ipld.Link{}
	for l := range ipld.Links(ipld.List(module, params)) {
		links = append(links, l)
	}
	if s.Job.Catch != nil {
		links = append(links, s.Job.Catch.Module)
	}
	for _, l := range links {
		if err := x.walk(l, true); err != nil {
			return err
		}
	}
	return nil
}

// receipts adds what is remembered of the jobs, with tasks and output.
func (x *exporter) receipts(g *graph.Graph) error {
	all, err := x.backend.Preview(x.ctx, g, RunOptions{})
	if err != nil {
		return err
	}
	for i := range all {
		known := all[i].Remembered
		if !all[i].Known || known == nil || !known.Receipt.Defined() {
			continue
		}
		evidence, err := x.backend.Receipts(x.ctx, all[i].Task)
		if err != nil {
			return err
		}
		for _, r := range evidence {
			if r.Link() == known.Receipt {
				if err := x.receipt(g.Label(i), r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (x *exporter) receipt(job string, r *receipt.Signed) error {
	x.results = append(x.results, result{job, r.Link(), r.Task})
	if err := x.walk(r.Task.Link, true); err != nil {
		return err
	}
	for _, l := range store.References(r) {
		if err := x.walk(l, false); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) add(l ipld.Link) bool {
	if x.seen[l] {
		return false
	}
	x.seen[l] = true
	x.links = append(x.links, l)
	return true
}

// walk adds a block and all below it. Of those that are not here it notes that they
// are absent, where they may be.
func (x *exporter) walk(l ipld.Link, mayBeAbsent bool) error {
	for todo := []ipld.Link{l}; len(todo) > 0; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if x.seen[l] || x.gone[l] && mayBeAbsent {
			continue
		}
		data, err := x.backend.Block(x.ctx, l)
		if isMissing(err) && mayBeAbsent {
			x.gone[l], x.absent = true, append(x.absent, l)
			continue
		}
		if err != nil {
			return err
		}
		if x.add(l); len(x.links) >= maxBlocks {
			return fmt.Errorf("more than %d blocks", maxBlocks)
		}
		below, err := ipld.Children(ipld.Block{Link: l, Data: data})
		if err != nil {
			return fmt.Errorf("block %s: %w", l, err)
		}
		todo = append(todo, below...)
	}
	return nil
}

// write writes the file.
func (x *exporter) write(out io.Writer) (*Exported, error) {
	root, err := x.block()
	if err != nil {
		return nil, err
	}
	e := &Exported{Run: x.Run, Receipts: len(x.results), Absent: x.absent}
	put := func(data []byte) {
		if err == nil {
			_, err = out.Write(data)
			e.Bytes += int64(len(data))
		}
	}
	block := func(l ipld.Link, data []byte) {
		put(ipld.CARSection(l, len(data)))
		put(data)
		e.Blocks++
	}
	put(ipld.CARHeader(root.Link))
	block(root.Link, root.Data)
	for _, l := range x.links {
		data, missing := x.backend.Block(x.ctx, l)
		if missing != nil {
			return nil, missing
		}
		if block(l, data); err != nil {
			return nil, err
		}
	}
	for _, r := range x.results {
		evidence, missing := x.backend.Receipts(x.ctx, r.task)
		i := slices.IndexFunc(evidence, func(s *receipt.Signed) bool { return s.Link() == r.receipt })
		if missing != nil || i < 0 {
			return nil, errors.Join(missing, fmt.Errorf("the receipt of job %s is gone", r.job))
		}
		if block(r.receipt, evidence[i].Bytes()); err != nil {
			return nil, err
		}
	}
	return e, err
}
