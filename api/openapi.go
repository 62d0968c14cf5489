package api

import (
	_ "embed"
	"net/http"
)

// OpenAPI describes what a [Handler] answers, as OpenAPI 3.1 has it.
//
//go:embed openapi.json
var OpenAPI []byte

func (h *Handler) openAPI(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	return h.write(w, http.StatusOK, typeJSON, OpenAPI)
}
