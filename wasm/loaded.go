//go:build cgo

package wasm

import (
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Loaded returns the module behind link if it is loaded already, so that its
// code need not be fetched for [Engine.Load].
func (e *Engine) Loaded(link ipld.Link) (*Module, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.modules[link]
	if !ok || e.closed {
		return nil, false
	}
	select {
	case <-s.ready:
	default:
		return nil, false
	}
	if s.err != nil {
		return nil, false
	}
	if s.refs++; s.refs == 1 {
		e.idle = slices.DeleteFunc(e.idle, func(i *shared) bool { return i == s })
	}
	return &Module{e: e, s: s}, true
}
