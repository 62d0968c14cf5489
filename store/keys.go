package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// The first byte of a key is its table. A link in a key is preceded by its
// length, so that no key of a table is the beginning of another one's link.
const (
	tableBlock   = 'b' // link → used ‖ block
	tableFile    = 'f' // link → used ‖ size of the file
	tableReceipt = 'r' // task, executor[16], class, slot[8] → used ‖ receipt
	tableRef     = 'x' // block link ‖ the rest of a receipt's key → nothing
	tableAlias   = 'a' // task → task
	tableModule  = 'm' // link → interface, dag-cbor
	tableRun     = 'n' // workflow, for whom, sequence (8 bytes, big-endian) → record, dag-cbor
	tableNote    = 't' // length of kind, kind, key → value
	tableUse     = 'u' // a block's, file's or task's key → used
	tableSession = 's' // → how often the store was opened and put to, a uvarint
)

// "used" is the hour of the last known use, in hours since 1970, as a uvarint.
const hour = 3600

func linkKey(table byte, l ipld.Link) []byte {
	return appendLink(append(make([]byte, 0, 64), table), l)
}

// runKey is the key of the runs of a workflow for one principal, without their
// sequence. That begins with a zero byte and a name with another, which keeps them
// apart.
func runKey(workflow ipld.Link, who string) []byte {
	return append(linkKey(tableRun, workflow), who...)
}

func appendLink(key []byte, l ipld.Link) []byte {
	text := l.Key()
	return append(append(key, byte(len(text))), text...)
}

// cutLink reads the link at the beginning of a key's rest.
func cutLink(rest []byte) (l ipld.Link, after []byte, err error) {
	if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
		return ipld.Link{}, nil, fmt.Errorf("key ends inside its link")
	}
	end := 1 + int(rest[0])
	l, err = ipld.LinkFromBytes(rest[1:end])
	return l, rest[end:], err
}

func appendUsed(dst []byte, used uint64) []byte { return binary.AppendUvarint(dst, used) }

// cutUsed reads the hour of last use at the beginning of a value.
func cutUsed(value []byte) (used uint64, rest []byte, err error) {
	used, n := binary.Uvarint(value)
	if n <= 0 {
		return 0, nil, fmt.Errorf("value without the hour of its last use")
	}
	return used, value[n:], nil
}

// split tells pebble which part of a key goes into its bloom filters: of a
// receipt the task, of every other record the whole key.
func split(key []byte) int {
	if len(key) > 1 && key[0] == tableReceipt {
		return min(2+int(key[1]), len(key))
	}
	return len(key)
}

// comparer orders keys bytewise. Its name is written into every store.
func comparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "ipvm.1"
	c.Compare = bytes.Compare
	c.Equal = bytes.Equal
	c.ComparePointSuffixes = bytes.Compare
	c.CompareRangeSuffixes = bytes.Compare
	c.Split = split
	c.ImmediateSuccessor = successor
	return &c
}

// successor is the first prefix, in the sense of split, after the given one.
func successor(dst, prefix []byte) []byte {
	if len(prefix) > 1 && prefix[0] == tableReceipt && len(prefix) == 2+int(prefix[1]) {
		return append(dst, after(prefix)...)
	}
	return append(append(dst, prefix...), 0)
}

// after is the first key that does not begin with prefix.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
