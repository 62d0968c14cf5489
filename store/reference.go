package store

import (
	"bytes"
	"errors"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// References are the blocks that a receipt's output needs: the block of a boxed
// value, or the large bytes that links in the value stand for. Each link is
// there once.
func References(r *receipt.Signed) []ipld.Link {
	if r.Boxed.Defined() {
		return []ipld.Link{r.Boxed}
	}
	value := r.Out.Value
	if r.Out.Failure != nil {
		value = r.Out.Failure.Value
	}
	return distinct(value)
}

func distinct(v ipld.Value) []ipld.Link {
	var all []ipld.Link
	seen := make(map[ipld.Link]bool)
	for l := range ipld.Links(v) {
		if !seen[l] {
			seen[l] = true
			all = append(all, l)
		}
	}
	return all
}

// Referrers calls yield with every task that has evidence whose output needs
// the block directly, until yield returns false. A block that is part of a
// larger file or value is needed by that one; the store follows those links in
// [Store.Check].
func (s *Store) Referrers(block ipld.Link, yield func(task.ID) bool) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	prefix := linkKey(tableRef, block)
	errStop := errors.New("stop")
	var last ipld.Link
	err := s.each(tableRef, prefix[1:], func(key, _ []byte) error {
		id, _, err := cutLink(key[len(prefix):])
		if err != nil {
			return &CorruptError{Path: s.path("db"), Err: err}
		}
		if id == last {
			return nil
		}
		last = id
		if !yield(task.ID{Link: id}) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// refKey is the reference from the receipt under key to a block.
func refKey(block ipld.Link, key []byte) []byte {
	return append(linkKey(tableRef, block), bytes.TrimPrefix(key, []byte{tableReceipt})...)
}
