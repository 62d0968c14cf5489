package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// What may pass says when to come back, and nothing of where the node has its
// files.
func TestRetries(t *testing.T) {
	t.Parallel()
	for err, kind := range map[error]Kind{
		runs.ErrShare: Busy, runs.ErrFull: Full, runs.ErrClosed: Stopping,
		store.ErrDiskFull: DiskFull, store.ErrReadOnly: DiskFull, store.ErrQuota: Quota,
	} {
		p := problemOf(fmt.Errorf("%w: /home/me", err))
		if p.Kind != kind || p.Retry <= 0 || p.Hint == "" || kind == DiskFull && strings.Contains(p.Detail, "/home") {
			t.Errorf("%v: %+v", err, p)
		}
	}
	if p := problemOf(errors.New("x")); p.Kind != Internal || p.Retry != 0 {
		t.Errorf("%+v", p)
	}
}
