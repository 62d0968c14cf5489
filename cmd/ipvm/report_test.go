package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/store"
)

// A disk that is full or read-only is told with what to do about it, unless that is
// said already.
func TestReportOfDisk(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		fmt.Errorf("collect: %w: 3 MiB free", store.ErrDiskFull),
		fmt.Errorf("%w\n  hint: more", store.ErrDiskFull),
		fmt.Errorf("store: %w", store.ErrReadOnly),
		fmt.Errorf("%w\n  hint: more", store.ErrReadOnly),
	} {
		var out strings.Builder
		if code := report(err, &out); code != exitNode || strings.Count(out.String(), "\n  hint: ") != 1 {
			t.Errorf("exit %d: %s", code, out.String())
		}
	}
}
