package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/store"
)

// A full disk is told with what to do about it, unless that is said already.
func TestReportOfFullDisk(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		fmt.Errorf("collect: %w: 3 MiB free", store.ErrDiskFull),
		fmt.Errorf("%w\n  hint: more", store.ErrDiskFull),
	} {
		var out strings.Builder
		if code := report(err, &out); code != exitNode || strings.Count(out.String(), "\n  hint: ") != 1 {
			t.Errorf("exit %d: %s", code, out.String())
		}
	}
}
