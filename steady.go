package ipvm

import (
	"context"
	"errors"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// steady is a node's backend for longer than its owner lives: what finds the
// owner gone is asked again of the next one, which may be this process. All of
// it may be asked twice, because everything is known by its content.
type steady struct{ node *Node }

var _ rpc.Backend = steady{}

// again asks until an owner answers.
func again[T any](ctx context.Context, n *Node, ask func(rpc.Backend) (T, error)) (T, error) {
	for {
		backend := n.current()
		answer, err := ask(backend)
		if !errors.Is(err, rpc.ErrGone) || ctx.Err() != nil {
			return answer, err
		}
		if err := n.reopen(ctx, backend); err != nil {
			return answer, err
		}
	}
}

func (s steady) DID(ctx context.Context) (did.DID, error) {
	return again(ctx, s.node, func(b rpc.Backend) (did.DID, error) { return b.DID(ctx) })
}

func (s steady) PutBlocks(ctx context.Context, blocks []ipld.Block) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.PutBlocks(ctx, blocks) })
}

func (s steady) Share(ctx context.Context, link ipld.Link) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.Share(ctx, link) })
}

func (s steady) Block(ctx context.Context, link ipld.Link) ([]byte, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]byte, error) { return b.Block(ctx, link) })
}

func (s steady) Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]*receipt.Signed, error) { return b.Receipts(ctx, id) })
}

// Scan yields no receipt twice, however often it has to begin anew.
func (s steady) Scan(ctx context.Context, yield func(*receipt.Signed) bool) error {
	if own, ok := s.node.current().(*owner); ok {
		return own.Scan(ctx, yield)
	}
	seen := make(map[ipld.Link]bool)
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) {
		return struct{}{}, b.Scan(ctx, func(r *receipt.Signed) bool {
			if seen[r.Link()] {
				return true
			}
			seen[r.Link()] = true
			return yield(r)
		})
	})
	return err
}

func (s steady) Module(ctx context.Context, link ipld.Link) (about engine.ModuleInfo, failure *task.Failure, err error) {
	about, err = again(ctx, s.node, func(b rpc.Backend) (m engine.ModuleInfo, err error) {
		m, failure, err = b.Module(ctx, link)
		return m, err
	})
	return about, failure, err
}

func (s steady) Note(ctx context.Context, id task.ID) (engine.Note, error) {
	return again(ctx, s.node, func(b rpc.Backend) (engine.Note, error) { return b.Note(ctx, id) })
}

func (s steady) Standing(ctx context.Context, ids []task.ID) ([]engine.Standing, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]engine.Standing, error) { return b.Standing(ctx, ids) })
}

func (s steady) PutReceipt(ctx context.Context, r *receipt.Signed) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.PutReceipt(ctx, r) })
}

func (s steady) Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error) {
	return again(ctx, s.node, func(b rpc.Backend) (engine.Again, error) { return b.Rerun(ctx, r, limit) })
}

func (s steady) Trusted(ctx context.Context) ([]rpc.Signer, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]rpc.Signer, error) { return b.Trusted(ctx) })
}

func (s steady) Trust(ctx context.Context, signer rpc.Signer) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.Trust(ctx, signer) })
}

func (s steady) Word(ctx context.Context, signer did.DID, id task.ID) (rpc.Word, error) {
	return again(ctx, s.node, func(b rpc.Backend) (rpc.Word, error) { return b.Word(ctx, signer, id) })
}

func (s steady) Distrust(ctx context.Context, id did.DID) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.Distrust(ctx, id) })
}

func (s steady) Quarantined(ctx context.Context) ([]quarantine.Record, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]quarantine.Record, error) { return b.Quarantined(ctx) })
}

func (s steady) Release(ctx context.Context, link ipld.Link) (int, error) {
	return again(ctx, s.node, func(b rpc.Backend) (int, error) { return b.Release(ctx, link) })
}

// tell is again for what has no answer.
func (s steady) tell(ctx context.Context, tell func(rpc.Backend) error) error {
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) { return struct{}{}, tell(b) })
	return err
}

func (s steady) Preview(ctx context.Context, w *Workflow, o engine.Options) ([]engine.Forecast, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]engine.Forecast, error) { return b.Preview(ctx, w, o) })
}

func (s steady) Revoke(ctx context.Context, container []byte) (ipld.Link, error) {
	return again(ctx, s.node, func(b rpc.Backend) (ipld.Link, error) { return b.Revoke(ctx, container) })
}

func (s steady) Revoked(ctx context.Context, container []byte) ([]ucan.Revocation, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]ucan.Revocation, error) { return b.Revoked(ctx, container) })
}

// Run repeats nothing that the last owner finished, and tells it once.
func (s steady) Run(ctx context.Context, w *Workflow, o RunOptions) (*Report, error) {
	if own, ok := s.node.current().(*owner); ok { // which can not go
		return own.Run(ctx, w, o)
	}
	t := telling{listen: o.Listen, started: make(map[string]bool), told: make(map[string]*engine.JobReport)}
	o.Listen = t.event
	report, err := again(ctx, s.node, func(b rpc.Backend) (*Report, error) { return b.Run(ctx, w, o) })
	if err == nil {
		t.restore(report)
	}
	return report, err
}

// telling makes the events of one run out of those of all attempts at it.
type telling struct {
	listen func(engine.Event)
	begun  bool
	ended  bool
	seq    uint64
	// By label: the jobs that were told to have started, and what was told of
	// those that settled.
	started map[string]bool
	told    map[string]*engine.JobReport
}

func (t *telling) event(ev engine.Event) {
	switch ev.Kind {
	case engine.WorkflowStarted:
		if t.begun {
			return
		}
		t.begun = true
	case engine.WorkflowEnded:
		if t.ended {
			return
		}
		t.ended = true
	case engine.JobStarted:
		if t.started[ev.Label] || t.told[ev.Label] != nil {
			return
		}
		t.started[ev.Label] = true
	case engine.JobSettled:
		if t.told[ev.Label] != nil {
			return
		}
		t.told[ev.Label] = ev.Job
	}
	t.seq++
	ev.Seq = t.seq
	if t.listen != nil {
		t.listen(ev)
	}
}

// restore puts into the report what was told of each job: one that ran for us
// at an owner that is gone is not merely remembered.
func (t *telling) restore(report *Report) {
	for i := range report.Jobs {
		j := &report.Jobs[i]
		if told := t.told[j.Label]; told != nil && told.Status == j.Status && told.Receipt == j.Receipt {
			*j = *told
		}
	}
}
