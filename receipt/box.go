package receipt

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Bounds of a value inside a receipt. What is above either is boxed: it lives
// in a dag-cbor block of its own.
const (
	InlineSize  = 64 << 10 // bytes of DAG-CBOR
	InlineDepth = 32       // nested lists and maps
)

// MaxValue bounds the DAG-CBOR of a value, large byte strings already replaced
// by links, in bytes.
const MaxValue = task.MaxArgs

// Box returns what stands for v in a receipt: v itself, or the link of the
// block, which is then not nil, in which v lives. A value above [MaxValue] is
// refused with an error that wraps [task.ErrSize].
func Box(v ipld.Value) (out ipld.Value, block *ipld.Block, err error) {
	if fitsInline(v) {
		return v, nil, nil
	}
	data, link, err := ipld.Encode(v)
	if err != nil {
		return ipld.Value{}, nil, fmt.Errorf("box value: %w", err)
	}
	if len(data) > MaxValue {
		return ipld.Value{}, nil, fmt.Errorf("box value of %d bytes: %w (at most %d)", len(data), task.ErrSize, MaxValue)
	}
	if len(data) <= InlineSize && depth(v) <= InlineDepth {
		return v, nil, nil
	}
	return ipld.LinkValue(link), &ipld.Block{Link: link, Data: data}, nil
}

// BoxOutcome is [Box] for the value that o holds: what the function returned,
// as its result or as its error. The block's link goes into [Receipt.Boxed].
func BoxOutcome(o task.Outcome) (task.Outcome, *ipld.Block, error) {
	if o.OK() {
		out, block, err := Box(o.Value)
		return task.Outcome{Value: out}, block, err
	}
	failure := *o.Failure
	out, block, err := Box(failure.Value)
	failure.Value = out
	return task.Outcome{Failure: &failure}, block, err
}

// Unbox returns r.Out with its value in place of the link of its box. get
// fetches a block, which is checked against its link.
func (r *Receipt) Unbox(get func(ipld.Link) ([]byte, error)) (task.Outcome, error) {
	if !r.Boxed.Defined() {
		return r.Out, nil
	}
	data, err := get(r.Boxed)
	if err != nil {
		return task.Outcome{}, fmt.Errorf("unbox: %w", err)
	}
	if err := r.Boxed.Verify(data); err != nil {
		return task.Outcome{}, fmt.Errorf("unbox: %w", err)
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: MaxValue})
	if err != nil {
		return task.Outcome{}, fmt.Errorf("unbox %s: %w", r.Boxed, err)
	}
	if r.Out.OK() {
		return task.Outcome{Value: v}, nil
	}
	failure := *r.Out.Failure
	failure.Value = v
	return task.Outcome{Failure: &failure}, nil
}

// fitsInline tells whether v surely fits into a receipt, without encoding it.
func fitsInline(v ipld.Value) bool {
	const ample = 512 // above the head of any item and any link
	switch v.Kind() {
	case ipld.KindList, ipld.KindMap:
		return v.Len() == 0
	}
	return v.Len() <= InlineSize-ample
}

// checkInline tells whether v may stand in a receipt as it is.
func checkInline(v ipld.Value) error {
	if fitsInline(v) {
		return nil
	}
	if d := depth(v); d > InlineDepth {
		return fmt.Errorf("a value of depth %d that is not boxed (at most %d)", d, InlineDepth)
	}
	data, err := ipld.AppendCBOR(nil, v)
	if err != nil {
		return err
	}
	if len(data) > InlineSize {
		return fmt.Errorf("a value of %d bytes that is not boxed: %w (at most %d)", len(data), task.ErrSize, InlineSize)
	}
	return nil
}

// depth is how many lists and maps are nested in v.
func depth(v ipld.Value) int {
	most := 0
	switch v.Kind() {
	case ipld.KindList:
		for _, e := range v.Elems() {
			most = max(most, depth(e))
		}
	case ipld.KindMap:
		for _, e := range v.Entries() {
			most = max(most, depth(e.Value))
		}
	default:
		return 0
	}
	return most + 1
}
