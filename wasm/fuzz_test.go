//go:build cgo

package wasm

import (
	"errors"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// FuzzLoad loads anything; what loads is run with arguments of the right
// types. The process must live, and a module is refused or its calls end.
func FuzzLoad(f *testing.F) {
	e := newEngine(f, Config{IdleModules: 1})
	for _, name := range []string{"echo", "hostile", "logging"} {
		f.Add(guest(f, name))
	}
	f.Add(wasmtest.Compile(f, addOne))
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 16<<10 {
			return
		}
		m, err := e.Load(t.Context(), ipld.Link{}, code)
		if err != nil {
			var refused *Refused
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			return
		}
		defer m.Close()
		for i, fn := range m.Interface().Funcs {
			if i == 4 {
				break
			}
			params := make([]ipld.Value, len(fn.Params))
			for j, p := range fn.Params {
				if params[j], err = p.Type.Canonical(ipld.Int(1)); err != nil {
					params[j] = ipld.String("x")
				}
			}
			if _, err := m.Run(t.Context(), Call{Func: fn.Name, Params: params, Limits: task.Limits{Gas: 10_000, Memory: 64 << 20, Time: time.Second}}); err != nil {
				t.Fatalf("%s: %v", fn.Name, err)
			}
		}
	})
}
