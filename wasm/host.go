//go:build cgo

package wasm

// #include <stddef.h>
// #include <stdint.h>
import "C"

import (
	"errors"
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// guestLog takes what one call logs, within bounds.
type guestLog struct {
	to           func(level, context, msg string)
	bytes, lines int
	over         bool
	err          error
}

// failure is why a host function ended the call.
func (g *guestLog) failure(text string) error {
	if g.err != nil {
		return g.err
	}
	return errors.New(lastCause(text))
}

// line passes one line on. It never panics.
func (g *guestLog) line(level, context, msg string) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			g.err = fmt.Errorf("log function panicked: %v", p)
			ok = false
		}
	}()
	if g.over {
		return true
	}
	g.lines++
	g.bytes += len(context) + len(msg)
	if g.lines > MaxLogLines || g.bytes > MaxLogBytes {
		g.over = true
		g.to("warn", "ipvm", "more was logged than is kept; the rest is dropped")
		return true
	}
	g.to(level, context, msg)
	return true
}

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
