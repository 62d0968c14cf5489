//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"context"
	"unsafe"
)

// repeat runs one call n times within C, through the engine's component model,
// and so tells a benchmark what the engine takes by itself. The module must be
// loaded by that path.
func (m *Module) repeat(call Call, n int) {
	s := <-m.e.slots
	defer func() { m.e.slots <- s }()
	i := m.s.index[call.Func]
	if f := s.arguments(&m.s.face.Funcs[i], call.Params); f != nil {
		panic(f.String())
	}
	m.enter(context.Background(), s, &call, 0)
	defer m.leave(s)
	s.call.nargs, s.call.nresults = C.uint32_t(len(call.Params)), 1
	in := s.lower.buf
	l := m.s.pooled
	C.ipvm_repeat(&l.model, l.exports[i], s.call, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(in))), C.size_t(len(in)), C.uint64_t(n))
}
