package wasi

import (
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// maxHandles bounds the resources that one call holds at a time. A guest that
// asks for more is ended.
const maxHandles = 1 << 16

// handles is the table of the resources that a guest holds: one for all types
// of resources. Indices start at 1, and the one freed last is given out next,
// so that equal calls give equal indices.
type handles struct {
	slots []handle // slots[i] is of index i+1
	free  []uint32
}

// handle is one entry of the table. It is free when it holds no resource.
type handle struct {
	resource any
	parent   uint32 // index of the resource that this one was made from, or 0
	children int    // how many resources have this one as parent
}

// insert gives resource an index. With a parent other than 0, which must be
// known, it becomes that one's child.
func (t *handles) insert(resource any, parent uint32) (ipld.Value, error) {
	entry := handle{resource: resource, parent: parent}
	var index uint32
	switch n := len(t.free); {
	case n > 0:
		index = t.free[n-1]
		t.free = t.free[:n-1]
		t.slots[index-1] = entry
	case len(t.slots) >= maxHandles:
		return ipld.Null, fmt.Errorf("more than %d handles at a time", maxHandles)
	default:
		t.slots = append(t.slots, entry)
		index = uint32(len(t.slots))
	}
	if parent != 0 {
		t.slots[parent-1].children++
	}
	return ipld.Uint(uint64(index)), nil
}

// lookup returns the entry of index, or nil when there is none.
func (t *handles) lookup(index uint32) *handle {
	if index == 0 || uint64(index) > uint64(len(t.slots)) || t.slots[index-1].resource == nil {
		return nil
	}
	return &t.slots[index-1]
}

var errChildren = errors.New("dropped before the resources that were made from it")

// drop frees index and returns what it stood for.
func (t *handles) drop(index uint32) (any, error) {
	h := t.lookup(index)
	switch {
	case h == nil:
		return nil, fmt.Errorf("handle %d is not known", index)
	case h.children > 0:
		return nil, fmt.Errorf("handle %d: %w", index, errChildren)
	case h.parent != 0:
		t.slots[h.parent-1].children--
	}
	resource := h.resource
	*h = handle{}
	t.free = append(t.free, index)
	return resource, nil
}

// DropHandle ends the resource behind index: the guest's resource.drop. It is
// an error, which traps the guest, when index is not known, and when the
// resource is a stream from which a pollable was made that is not dropped yet.
// Files stay open as long as there are streams of them. Nothing is lost when
// a stream is dropped without a flush.
func (h *Host) DropHandle(index uint32) error {
	resource, err := h.handles.drop(index)
	if err != nil {
		return err
	}
	if r, ok := resource.(interface{ release(*Host) }); ok {
		r.release(h)
	}
	return nil
}

// releaseNode undoes the hold of a resource on a node, if it has one.
func (h *Host) releaseNode(n *node) {
	if n != nil {
		h.fs.release(n)
	}
}

// resourceOf returns what the handle v stands for. A handle that is not known,
// or of another type, is an error.
func resourceOf[R any](h *Host, v ipld.Value) (R, error) {
	index, _ := v.AsUint64()
	var none R
	entry := h.handles.lookup(uint32(index))
	if entry == nil {
		return none, fmt.Errorf("handle %d is not known", index)
	}
	r, ok := entry.resource.(R)
	if !ok {
		return none, fmt.Errorf("handle %d is of another type", index)
	}
	return r, nil
}
