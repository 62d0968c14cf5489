package ipvm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/receipt"
)

// What is read may have been put a moment ago, so it is made durable after it
// was read and before it is shown.
func TestShownOnceDurable(t *testing.T) {
	t.Parallel()
	var order []string
	did := func(what string) { order = append(order, what) }
	sync := func(context.Context) error { did("sync"); return nil }

	v, err := durable(t.Context(), sync, func() (int, error) { did("read"); return 1, nil })
	if v != 1 || err != nil {
		t.Errorf("durable = %d, %v", v, err)
	}
	walk := func(yield func(*receipt.Signed) bool) error {
		did("snapshot")
		for yield(nil) {
		}
		return nil
	}
	n := 0
	err = scan(t.Context(), sync, walk, func(*receipt.Signed) bool { did("show"); n++; return n < 2 })
	if got := strings.Join(order, " "); err != nil || got != "read sync snapshot sync show show" {
		t.Errorf("%s; %v", got, err)
	}
}

func TestNothingIsShownThatIsNotDurable(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	sync := func(context.Context) error { return full }
	if v, err := durable(t.Context(), sync, func() (int, error) { return 1, nil }); v != 0 || !errors.Is(err, full) {
		t.Errorf("durable = %d, %v", v, err)
	}
	walk := func(yield func(*receipt.Signed) bool) error { yield(nil); return nil }
	err := scan(t.Context(), sync, walk, func(*receipt.Signed) bool { t.Error("shown"); return true })
	if !errors.Is(err, full) {
		t.Errorf("scan: %v", err)
	}
}
