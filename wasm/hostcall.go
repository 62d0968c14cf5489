//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// instance is the guest of one call of a program.
type instance struct{ c *C.ipvm_call }

func (g instance) Memory() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(g.c.mem)), int(g.c.mem_size))
}

func (g instance) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	var at C.uint32_t
	if !C.ipvm_realloc(g.c, C.uint32_t(old), C.uint32_t(oldSize), C.uint32_t(align), C.uint32_t(size), &at) {
		return 0, errEnded
	}
	return uint32(at), nil
}

// callee is what a host function finds behind the handle of a call.
type callee struct {
	prog  *program
	guest instance
	world *world
	err   error // why a host function ended the call
}

//export ipvmHostCall
func ipvmHostCall(handle C.uint64_t, number C.uint32_t, values *C.wasmtime_val_raw_t, n C.size_t) C.int {
	c, ok := cgo.Handle(handle).Value().(*callee)
	if !ok {
		return -1
	}
	about := &c.prog.Hosts[number]
	if err := c.host(about, c.prog.hosts[number], unsafe.Slice((*[2]uint64)(unsafe.Pointer(values)), int(n))); err != nil {
		if c.err == nil {
			c.err = err
		}
		return -1
	}
	return 0
}

// host runs one host function over raw values, of which each takes 16 bytes.
func (c *callee) host(about *component.Host, h hostFunc, raw [][2]uint64) error {
	var few [20]uint64
	values := few[:0]
	for i := range raw {
		u := raw[i][0]
		if i < len(about.Type.Params) && about.Type.Params[i] != 'I' && about.Type.Params[i] != 'F' {
			u = uint64(uint32(u))
		}
		values = append(values, u)
	}
	if err := h.run(c.world, c.guest, about, values); err != nil {
		return err
	}
	for i := range min(len(about.Type.Results), len(raw)) {
		raw[i][0] = values[i]
	}
	return nil
}
