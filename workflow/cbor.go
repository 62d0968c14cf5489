package workflow

import (
	"errors"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func (r *reader) cborTree() *node {
	v, err := ipld.DecodeCBORLimits(r.src.Data, ipld.Limits{Depth: maxDepth + loweredDepth, Bytes: r.src.MaxBytes, Items: loweredNodes * maxNodes})
	if err != nil {
		kind, hint := Syntax, ""
		var syntax *ipld.SyntaxError
		if errors.As(err, &syntax) {
			kind = kindOf(syntax)
		}
		if kind == Syntax {
			hint = "a document in CBOR must be canonical DAG-CBOR, as `ipvm` and IPLD tools write it"
		}
		r.report(0, 0, kind, hint, "not DAG-CBOR: %v", err)
		return nil
	}
	n := fromValue(v)
	return &n
}

// fromValue builds the tree of a decoded value, without places.
func fromValue(v ipld.Value) node {
	n := node{kind: nodeKind(v.Kind()), value: v}
	switch v.Kind() {
	case ipld.KindList:
		n.value, n.items = ipld.Null, make([]node, v.Len())
		for i, e := range v.Elems() {
			n.items[i] = fromValue(e)
		}
	case ipld.KindMap:
		n.value, n.items, n.keys = ipld.Null, make([]node, v.Len()), make([]key, v.Len())
		for i, e := range v.Entries() {
			n.keys[i] = key{text: e.Key}
			n.items[i] = fromValue(e.Value)
		}
	}
	return n
}
