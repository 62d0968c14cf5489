package api

import (
	"maps"
	"slices"
)

// Routes are the methods of each path.
func (h *Handler) Routes() map[string][]string {
	out := make(map[string][]string)
	for path, methods := range h.routes() {
		out[path] = slices.Collect(maps.Keys(methods))
	}
	return out
}

// Statuses are the status codes of the kinds of problems.
func Statuses() map[Kind]int {
	out := make(map[Kind]int)
	for kind, k := range kinds {
		out[kind] = k.status
	}
	return out
}
