package api

import (
	"net/http"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// receipts answers with all evidence about a task.
func (h *Handler) receipts(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	id, err := link(r, "task")
	if err != nil {
		return err
	}
	kind, _ := preferred(r, typeJSON, typeCBOR, typeCAR)
	if kind == "" {
		return notAcceptable(typeJSON, typeCBOR, typeCAR)
	}
	all, err := h.Node.Receipts(r.Context(), who(r), task.ID{Link: id})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return problemf(NotFound, "nothing is known of task %s", id)
	}
	w.Header().Set("Vary", "Accept")
	switch kind {
	case typeCBOR:
		return h.receiptsCBOR(w, all)
	case typeCAR:
		return h.receiptsCAR(w, r, all)
	}
	out := evidenceJSON{Schema: schema, Task: id.String(), Receipts: make([]receiptJSON, len(all))}
	s := &shower{node: h.Node, left: maxValues}
	for i := range all {
		out.Receipts[i] = s.receipt(all[i])
	}
	return h.writeJSON(w, http.StatusOK, out)
}

// receiptsCBOR answers with a list of the receipts as they were signed.
func (h *Handler) receiptsCBOR(w http.ResponseWriter, all []*receipt.Signed) error {
	list := make([]ipld.Value, len(all))
	for i, r := range all {
		var err error
		if list[i], err = ipld.DecodeCBOR(r.Bytes()); err != nil {
			return err
		}
	}
	data, err := ipld.AppendCBOR(nil, ipld.List(list...))
	if err != nil {
		return err
	}
	return h.write(w, http.StatusOK, typeCBOR, data)
}

// receiptsCAR answers with the receipts, and the blocks of what they say came out.
func (h *Handler) receiptsCAR(w http.ResponseWriter, r *http.Request, all []*receipt.Signed) error {
	roots := make([]ipld.Link, len(all))
	for i := range all {
		roots[i] = all[i].Link()
	}
	get := func(l ipld.Link) ([]byte, error) { return h.Node.Block(r.Context(), who(r), l) }
	w.Header().Set("Content-Type", typeCAR+"; version=1; order=unk; dups=n")
	if r.Method == http.MethodHead {
		return nil
	}
	out := h.newCAR(w, roots...)
	for i, s := range all {
		out.block(ipld.Block{Link: roots[i], Data: s.Bytes()})
	}
	for _, s := range all {
		for _, l := range store.References(s) {
			if out.err != nil || out.seen[l] {
				continue
			}
			data, err := get(l)
			if err != nil {
				out.err = err
				break
			}
			out.block(ipld.Block{Link: l, Data: data})
			out.walk(get, l, data)
		}
	}
	return out.done()
}
