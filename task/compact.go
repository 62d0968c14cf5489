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
	return mapChildren(v, func(child ipld.Value) (ipld.Value, error) { return Compact(child, put) })
}
