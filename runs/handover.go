package runs

import (
	"context"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Submission is an accepted run with what it takes to accept it elsewhere.
type Submission struct {
	Run
	// Authority and Instructions are those of the submission: the container of UCAN
	// tokens, and the identifiers that a foreign dialect has for jobs.
	Authority    []byte
	Instructions map[string]ipld.Link
	// Brings are the blocks that came with the workflow.
	Brings []ipld.Link
}

// Submission returns a run with what it was submitted with. The error wraps
// [ErrUnknown].
func (k *Keeper) Submission(id ID) (Submission, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.load(id)
	if err != nil {
		return Submission{}, err
	}
	s := Submission{Run: r.Run, Authority: r.authority, Instructions: r.instructions, Brings: r.brings}
	if l := k.active[id]; l != nil {
		s.Run = l.snapshot()
	}
	return s, nil
}

// HandOver ends a suspended run, since it goes on elsewhere. It is durable when
// HandOver returns. The error wraps [ErrUnknown], or [ErrState] if the run is not
// suspended, nor handed over already.
func (k *Keeper) HandOver(ctx context.Context, id ID) (Run, error) {
	run, err := k.handOver(id)
	if err == nil {
		err = k.Store.Sync(context.WithoutCancel(ctx))
	}
	if err == nil {
		fault.Point("export.handed")
	}
	return run, err
}

func (k *Keeper) handOver(id ID) (Run, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.load(id)
	switch {
	case err != nil:
		return Run{}, err
	case k.closed:
		return Run{}, ErrClosed
	case r.State == HandedOver:
		return r.Run, nil
	case k.active[id] != nil, r.State != Suspended:
		return r.Run, fmt.Errorf("workflow %s: %w: it is %s, and has to be suspended first", id.Workflow, ErrState, r.State)
	}
	r.State, r.Ended = HandedOver, k.Now()
	if err := k.Store.Put(r.batch(nil)); err != nil {
		return r.Run, err
	}
	k.ledger.remove(id)
	return r.Run, nil
}

// Value is s as a map.
func (s *Submission) Value() ipld.Value {
	r := record{Run: s.Run, authority: s.Authority, instructions: s.Instructions, brings: s.Brings}
	v := r.value()
	return ipld.Map(append(v.Entries(), ipld.Entry{Key: "workflow", Value: ipld.LinkValue(s.Workflow)})...)
}

// ParseSubmission reads what [Submission.Value] gave.
func ParseSubmission(v ipld.Value) (Submission, error) {
	run, err := ParseRun(v)
	if err != nil {
		return Submission{}, err
	}
	r, err := parseRecord(run.ID, v)
	if err != nil {
		return Submission{}, err
	}
	return Submission{Run: r.Run, Authority: r.authority, Instructions: r.instructions, Brings: r.brings}, nil
}
