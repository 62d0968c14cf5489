//go:build cgo

package wasm

import (
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// TestClearedLater shows that a call whose memory is cleared after its result was
// given leaves nothing to the next one, and that the engine ends well meanwhile.
func TestClearedLater(t *testing.T) {
	t.Parallel()
	code := wasmtest.Compile(t, `(module (memory (export "memory") 20)
		(func (export "dirty") (param i32) (result i32) (local i32 i32)
			(loop $l
				(local.set 2 (i32.or (local.get 2) (i32.load8_u (local.get 1))))
				(i32.store8 (local.get 1) (local.get 0))
				(br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 4096))) (i32.const 1310720))))
			(local.get 2)))`)
	e, err := New(Config{Calls: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Load(t.Context(), ipld.Link{}, code)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				r, err := m.Run(t.Context(), Call{Func: "dirty", Params: []ipld.Value{ipld.Int(255)}, Limits: roomy})
				if err != nil || !r.Outcome.Value.Equal(ipld.Int(0)) || r.Memory != 20<<16 {
					t.Errorf("%v, %d bytes, %v", r.Outcome, r.Memory, err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
