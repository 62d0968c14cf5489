//go:build cgo

package wasm

// #include <stddef.h>
// #include <stdint.h>
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

//export ipvmHostText
func ipvmHostText(handle C.uint64_t, host C.int, level *C.char, levelLen C.size_t, context *C.char, contextLen C.size_t, msg *C.char, msgLen C.size_t) C.int {
	g, ok := cgo.Handle(handle).Value().(*guestLog)
	if !ok {
		return -1
	}
	l, c := "info", "print"
	if host == hostLog {
		l, c = guestText(level, levelLen), guestText(context, contextLen)
	}
	if !g.line(l, c, guestText(msg, msgLen)) {
		return -1
	}
	return 0
}

// guestText copies the beginning of a guest's text, at a character.
func guestText(p *C.char, n C.size_t) string {
	return cut(string(unsafe.Slice((*byte)(unsafe.Pointer(p)), int(min(n, MaxLogMessage+4)))), MaxLogMessage)
}
