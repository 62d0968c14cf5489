package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// logger hands pebble's messages to slog.
type logger Store

func (l *logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("store: " + fmt.Sprintf(format, args...))
	}
}

func (l *logger) Errorf(format string, args ...any) {
	l.log.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf is where pebble ends the process by default: a write to its log or
// manifest failed. Here the store stops writing instead and says why.
func (l *logger) Fatalf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			(*Store)(l).fail(err)
			return
		}
	}
	(*Store)(l).fail(fmt.Errorf(format, args...))
}

// backgroundError hears of failed flushes and compactions. Pebble tries again at
// once, so a disk that does not work is given a moment.
func (s *Store) backgroundError(err error) {
	s.log.Error("store: background work failed", "err", err)
	time.Sleep(20 * time.Millisecond)
}
