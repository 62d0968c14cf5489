package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// attest signs what task id came to and puts it, with the blocks that go with
// it and what else it is called, into sp. The plan may go on; showing it waits for a sync.
func (e *Engine) attest(sp space, id task.ID, blocks []ipld.Block, also []store.Alias, result wasm.Result, limits task.Limits, log []LogLine) (ran, error) {
	rc, out, outBlocks, err := claim(id, result, limits)
	if err != nil {
		return ran{}, err
	}
	rc.Executor = e.Key.DID()
	blocks = append(blocks, outBlocks...)
	signed, err := receipt.Issue(e.Key, rc)
	if err != nil {
		return ran{}, fmt.Errorf("sign the receipt: %w", err)
	}
	note := Note{Receipt: signed.Link(), Log: log}
	if !out.OK() {
		note.Message = out.Failure.Message
	}
	notes, err := note.about(id)
	if err != nil {
		return ran{}, err
	}
	if err := sp.put(store.Batch{Blocks: blocks, Receipts: []*receipt.Signed{signed}, Notes: notes, Aliases: also}); err != nil {
		return ran{}, fmt.Errorf("keep the receipt: %w", err)
	}
	for _, a := range also {
		sp.circle.kept.add(a)
	}
	return ran{signed: signed, outcome: out, log: log}, nil
}

// claim is what a receipt says of a run of task id, the outcome itself, and the
// blocks that go with it.
func claim(id task.ID, result wasm.Result, limits task.Limits) (rc receipt.Receipt, out task.Outcome, blocks []ipld.Block, err error) {
	if out, blocks, err = compactOutcome(result.Outcome); err != nil {
		return rc, out, nil, err
	}
	boxed, box, err := receipt.BoxOutcome(out)
	if err != nil {
		return rc, out, nil, fmt.Errorf("box the value: %w", err)
	}
	rc = receipt.Receipt{
		Task: id, Out: boxed,
		Gas: result.Gas, Memory: result.Memory, HasMemory: result.HasMemory,
		Limits: task.Limits{Gas: limits.Gas, Memory: limits.Memory}, Schedule: wasm.Schedule,
	}
	if box != nil {
		rc.Boxed = box.Link
		blocks = append(blocks, *box)
	}
	return rc, out, blocks, nil
}

// compactOutcome is out with large bytes as links, and the blocks behind them.
// A value that is too large becomes a failure of kind type.
func compactOutcome(out task.Outcome) (task.Outcome, []ipld.Block, error) {
	if !out.OK() && out.Failure.Kind != task.KindGuest {
		return out, nil, nil
	}
	v := &out.Value
	if !out.OK() {
		f := *out.Failure
		out.Failure = &f
		v = &f.Value
	}
	var blocks []ipld.Block
	var err error
	*v, err = task.Compact(*v, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		return out, nil, err
	}
	data, err := ipld.AppendCBOR(nil, *v)
	if err != nil {
		return task.Outcome{Failure: task.Failf(task.KindType, "the result has no encoding: %v", err)}, nil, nil
	}
	if len(data) > task.MaxArgs {
		return task.Outcome{Failure: task.Failf(task.KindType,
			"the result encodes to %d bytes, at most %d are allowed; return large data as bytes (list<u8>)", len(data), task.MaxArgs)}, nil, nil
	}
	return out, blocks, nil
}

// recall returns what sp remembers of c where it answers under limits: by this
// node's own receipts, else by those of others that it trusts. A receipt whose
// value is not whole in the store does not count, and none does of who
// contradicts itself.
func (e *Engine) recall(sp space, c *call, limits task.Limits) (ran, bool, error) {
	id, about := c.id, c.about
	all, err := sp.Receipts(id)
	if err != nil {
		return ran{}, false, fmt.Errorf("recall %s: %w", id, err)
	}
	own := receipt.Evidence(all).Answers(e.Key.DID(), limits, wasm.Schedule, about.MaxMemory)
	r, ok, err := e.firstWhole(sp, own)
	if err == nil && !ok && !sp.private {
		r, ok, err = e.firstWhole(sp, e.accepted(all, receipt.Question{Task: id, Call: task.Call{Module: ipld.LinkValue(c.module), Func: c.fun.Name}, Limits: limits, Schedule: wasm.Schedule, DeclaredMax: about.MaxMemory}))
	}
	if err != nil {
		return ran{}, false, fmt.Errorf("recall %s: %w", id, err)
	}
	return r, ok, nil
}

// firstWhole is what the first receipt says whose value is whole in sp.
func (e *Engine) firstWhole(sp Memory, all receipt.Evidence) (ran, bool, error) {
	for _, signed := range all {
		out, whole, err := told(sp, signed)
		if err != nil {
			return ran{}, false, err
		}
		if whole {
			return ran{signed: signed, outcome: out, how: e.wordOf(signed)}, true, nil
		}
	}
	return ran{}, false, nil
}

// wordOf is how what signed says is known.
func (e *Engine) wordOf(signed *receipt.Signed) How {
	if signed.Executor == e.Key.DID() {
		return Remembered
	}
	return Trusted
}

// accepted are the receipts that answer q by the word of who is trusted, if
// nobody of them contradicts another, this node included.
func (e *Engine) accepted(all receipt.Evidence, q receipt.Question) receipt.Evidence {
	t := e.Trusts()
	if !slices.ContainsFunc(all, func(r *receipt.Signed) bool { return t.hears(r.Executor) }) {
		return nil
	}
	agents := append(slices.Clip(t.Agents), e.Key.DID())
	j := receipt.Judge(receipt.Policy{Strategy: receipt.Attestation, Agents: agents, Grants: t.Grants}, q, all)
	if j.Verdict != receipt.Accepted {
		return nil
	}
	return j.Claims[0].Receipts
}

// told is whole with the text for people.
func told(m Memory, signed *receipt.Signed) (task.Outcome, bool, error) {
	out, whole, err := whole(m, signed)
	if err != nil || !whole || out.OK() {
		return out, whole, err
	}
	failure := *out.Failure
	failure.Message, err = message(m, signed)
	out.Failure = &failure
	return out, true, err
}

// whole returns what signed says the task came to, unboxed, and whether that
// and the files it links to are in m.
func whole(m Memory, signed *receipt.Signed) (task.Outcome, bool, error) {
	out, err := signed.Unbox(m.Block)
	if missing(err) {
		return out, false, nil
	}
	if err != nil {
		return out, false, err
	}
	v := out.Value
	if !out.OK() {
		v = out.Failure.Value
	}
	for link := range ipld.Links(v) {
		if whole, err := wholeFile(m, link); !whole || err != nil {
			return out, false, err
		}
	}
	return out, true, nil
}

// wholeFile tells whether every block of the file behind link is here and
// undamaged. What is remembered is not run again, so damage that is overlooked
// here would stay.
func wholeFile(m Memory, link ipld.Link) (bool, error) {
	data, err := m.Block(link)
	if missing(err) {
		return false, nil
	}
	if err != nil || link.Codec() != ipld.CodecDagPB {
		return err == nil, err
	}
	children, err := ipld.FileLinks(data)
	if err != nil {
		return false, err
	}
	for _, child := range children {
		if ok, err := wholeFile(m, child); !ok || err != nil {
			return ok, err
		}
	}
	return true, nil
}

// missing tells whether err means that a block is not in reach, or no longer
// what it was.
func missing(err error) bool {
	var corrupt *store.CorruptError
	return errors.Is(err, store.ErrNotFound) || errors.As(err, &corrupt)
}
