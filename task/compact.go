package task

import "github.com/ipvm-wg/go-ipvm/ipld"

// Compact returns v with each byte string longer than [ipld.InlineBytes]
// replaced by the link that `ipfs add --cid-version=1` gives those bytes, and
// hands the blocks behind these links to put. Nothing else is replaced, and a
// link that was there stays (docs/protocol.md, "Links for large bytes").
func Compact(v ipld.Value, put func(ipld.Block) error) (ipld.Value, error) {
	if b, ok := v.AsBytes(); ok {
		if len(b) <= ipld.InlineBytes {
			return v, nil
		}
		link, err := ipld.ImportFile([]byte(b), put)
		return ipld.LinkValue(link), err
	}
	if !holdsLarge(v) { // mostly; and much quicker to see than to go through it with mapChildren
		return v, nil
	}
	return mapChildren(v, func(child ipld.Value) (ipld.Value, error) { return Compact(child, put) })
}

// holdsLarge tells whether there are bytes in v that [Compact] replaces.
func holdsLarge(v ipld.Value) bool {
	switch v.Kind() {
	case ipld.KindBytes:
		return v.Len() > ipld.InlineBytes
	case ipld.KindList:
		elems := v.Elems()
		for i := range elems {
			if holdsLarge(elems[i]) {
				return true
			}
		}
	case ipld.KindMap:
		entries := v.Entries()
		for i := range entries {
			if holdsLarge(entries[i].Value) {
				return true
			}
		}
	}
	return false
}
