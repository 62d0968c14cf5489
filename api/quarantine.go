package api

import (
	"net/http"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/quarantine"
)

type quarantineJSON struct {
	Schema int         `json:"schema"`
	Tasks  []deathJSON `json:"tasks"`
}

// deathJSON is a task that has ended the node.
type deathJSON struct {
	Task    string  `json:"task"`
	Module  string  `json:"module,omitempty"`
	Func    string  `json:"func"`
	For     did.DID `json:"for,omitempty"`
	Times   int     `json:"times"`
	How     string  `json:"how"`
	First   string  `json:"first"`
	Last    string  `json:"last"`
	Refused bool    `json:"refused"`
}

// quarantine answers with the tasks that have ended the node, in one answer: only
// so many are kept.
func (h *Handler) quarantine(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	all, err := h.Node.Quarantined(r.Context(), who(r))
	if err != nil {
		return err
	}
	out := quarantineJSON{Schema: schema, Tasks: make([]deathJSON, len(all))}
	for i := range all {
		out.Tasks[i] = deathToJSON(all[i])
	}
	return h.writeJSON(w, http.StatusOK, out)
}

func deathToJSON(r quarantine.Record) deathJSON {
	out := deathJSON{
		Task: r.Task.String(), Func: clean(r.Func), For: r.For, Times: r.Strikes, How: r.How,
		First: timestamp(r.First), Last: timestamp(r.Last), Refused: r.Refused,
	}
	if r.Module.Defined() {
		out.Module = r.Module.String()
	}
	return out
}
