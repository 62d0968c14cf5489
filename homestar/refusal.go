package homestar

import (
	"net/http"
	"strings"
)

// refuse answers a request that has no other answer than a status and why.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	if h.Refuse == nil {
		http.Error(w, why.Error(), status)
		return
	}
	h.Refuse(w, r, status, why)
}

// handshake is an answer by which a request becomes a WebSocket. Where it does not, the
// refusal is kept, as the handler has its own form for it.
type handshake struct {
	http.ResponseWriter
	status int
	why    string
}

// Unwrap is what [http.ResponseController] needs.
func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *handshake) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		h.ResponseWriter.WriteHeader(status)
		return
	}
	h.status = status
}

func (h *handshake) Write(data []byte) (int, error) {
	h.why = strings.TrimSpace(string(data))
	return len(data), nil
}
