package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// line is one line on a terminal that says how far a command is, and goes away
// again. Where nobody looks on it shows nothing.
type line struct {
	out   *os.File
	shown bool
	last  time.Time
}

func newLine(cmd *cobra.Command) *line {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !isTerminal(f) || os.Getenv("TERM") == "dumb" {
		return &line{}
	}
	return &line{out: f}
}

// show shows a text in place of the last one, ten times a second at most.
func (l *line) show(format string, args ...any) {
	if l.out == nil || time.Since(l.last) < 100*time.Millisecond {
		return
	}
	l.clear()
	fmt.Fprint(l.out, shorten(fmt.Sprintf(format, args...), terminalWidth(l.out)-1))
	l.shown, l.last = true, time.Now()
}

// clear takes the line away.
func (l *line) clear() {
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}
