//go:build cgo

package wasm

import (
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func benchCall(b *testing.B, code []byte, fn string, v ipld.Value) {
	b.Helper()
	m := load(b, newEngine(b, Config{}), code)
	call := Call{Func: fn, Params: []ipld.Value{v}, Limits: roomy}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := m.Run(b.Context(), call); err != nil || !r.Outcome.OK() {
			b.Fatal(r.Outcome.Failure, err)
		}
	}
}

func BenchmarkTinyCall(b *testing.B) {
	benchCall(b, wasmtest.Compile(b, `(component
		(core module $m (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
		(core instance $i (instantiate $m))
		(func (export "f") (param "x" s32) (result s32) (canon lift (core func $i "f"))))`), "f", ipld.Int(1))
}

func BenchmarkStringEcho(b *testing.B) {
	benchCall(b, guest(b, "echo"), "string", ipld.String("hello"))
}

// BenchmarkBytesEcho is the slow way of bytes: each is a value of its own.
func BenchmarkBytesEcho(b *testing.B) {
	b.SetBytes(1 << 20)
	benchCall(b, guest(b, "echo"), "bytes", ipld.Bytes(make([]byte, 1<<20)))
}

func BenchmarkParallelTinyCall(b *testing.B) {
	m := load(b, newEngine(b, Config{}), wasmtest.Compile(b, addOne))
	call := Call{Func: "add-one", Params: []ipld.Value{ipld.Int(1)}, Limits: roomy}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if r, err := m.Run(b.Context(), call); err != nil || !r.Outcome.OK() {
				b.Error(r.Outcome.Failure, err)
			}
		}
	})
}

// BenchmarkLoadCached loads a module whose machine code is on disk.
func BenchmarkLoadCached(b *testing.B) {
	e := newEngine(b, Config{CacheDir: filepath.Join(b.TempDir(), "code"), IdleModules: 1})
	codes := [][]byte{guest(b, "echo"), guest(b, "hostile")} // in turn, so that none stays loaded
	e.cfg.IdleModules = 0
	for _, code := range codes {
		load(b, e, code).Close()
	}
	for i := 0; b.Loop(); i++ {
		m, err := e.Load(b.Context(), ipld.Link{}, codes[i%2])
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}
