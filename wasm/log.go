package wasm

import (
	"errors"
	"fmt"
	"strings"
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
		return nodeError{g.err}
	}
	return nodeError{errors.New(lastCause(text))}
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

// cut shortens s to about n bytes of printable text.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
