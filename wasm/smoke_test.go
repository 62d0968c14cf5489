//go:build cgo

package wasm

import (
	"os"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

func TestSmoke(t *testing.T) {
	e, err := New(Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, p := range []string{"add-one/add-one", "fan/arithmetic", "names/full-name", "names/count", "thumbnail/image"} {
		code, err := os.ReadFile("../examples/" + p + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		m, err := e.Load(t.Context(), ipld.Link{}, code)
		if err != nil {
			t.Fatal(p, err)
		}
		max, has := m.MaxMemory()
		t.Log(p, time.Since(start), m.Imports(), max, has, m.s.pooled != nil)
		for _, f := range m.Interface().Funcs {
			t.Log("  ", f.String())
		}
		if p == "add-one/add-one" {
			r, err := m.Run(t.Context(), Call{Func: "add-one", Params: []ipld.Value{ipld.Int(41)}, Limits: task.Limits{Gas: 10000, Memory: 64 << 20, Time: time.Second}})
			t.Log(r, err)
			if v, _ := r.Outcome.Value.AsInt64(); v != 42 {
				t.Fatal(r.Outcome.Failure)
			}
		}
		m.Close()
	}
}
