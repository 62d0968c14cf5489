//go:build cgo

package wasm

import (
	"os"
	"path/filepath"
	"strings"
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

const tiny = `(component
	(core module $m (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
	(core instance $i (instantiate $m))
	(func (export "f") (param "x" s32) (result s32) (canon lift (core func $i "f"))))`

func BenchmarkTinyCall(b *testing.B) {
	benchCall(b, wasmtest.Compile(b, tiny), "f", ipld.Int(1))
}

// BenchmarkTinyFloor is the same call in a loop around the engine, without Go:
// what its component model takes by itself.
func BenchmarkTinyFloor(b *testing.B) {
	benchFloor(b, wasmtest.Compile(b, tiny), "f", ipld.Int(1))
}

func benchFloor(b *testing.B, code []byte, fn string, v ipld.Value) {
	b.Helper()
	e := newEngine(b, Config{})
	e.modelOnly = true
	m := load(b, e, code)
	b.ResetTimer()
	m.repeat(Call{Func: fn, Params: []ipld.Value{v}, Limits: roomy}, b.N)
}

func BenchmarkStringEcho(b *testing.B) {
	benchCall(b, guest(b, "echo"), "string", ipld.String("hello"))
}

func BenchmarkStringFloor(b *testing.B) {
	benchFloor(b, guest(b, "echo"), "string", ipld.String("hello"))
}

// BenchmarkBytesEcho passes 1 MiB in and out.
func BenchmarkBytesEcho(b *testing.B) {
	b.SetBytes(1 << 20)
	benchCall(b, guest(b, "echo"), "bytes", ipld.Bytes(make([]byte, 1<<20)))
}

// BenchmarkBytesFloor is the way of bytes through the engine's component model,
// where each is a value of its own.
func BenchmarkBytesFloor(b *testing.B) {
	b.SetBytes(1 << 20)
	benchFloor(b, guest(b, "echo"), "bytes", ipld.Bytes(make([]byte, 1<<20)))
}

// BenchmarkLongStringEcho passes text of 1 MiB in and out.
func BenchmarkLongStringEcho(b *testing.B) {
	b.SetBytes(1 << 20)
	benchCall(b, guest(b, "echo"), "string", ipld.String(strings.Repeat("é", 1<<19)))
}

// BenchmarkLongASCIIEcho passes plain text of 1 MiB in and out: its check for
// valid UTF-8 goes eight bytes at a time.
func BenchmarkLongASCIIEcho(b *testing.B) {
	b.SetBytes(1 << 20)
	benchCall(b, guest(b, "echo"), "string", ipld.String(strings.Repeat("e", 1<<20)))
}

// BenchmarkThumbnail makes a small picture of one of 144 KB, on both paths: most
// of the time is the guest's own, for reading and writing PNG.
func BenchmarkThumbnail(b *testing.B) {
	code, err := os.ReadFile("../examples/thumbnail/image.wasm")
	if err != nil {
		b.Fatal(err)
	}
	picture, err := os.ReadFile("../examples/thumbnail/picture.png")
	if err != nil {
		b.Fatal(err)
	}
	call := Call{Func: "resize", Params: []ipld.Value{ipld.Bytes(picture), ipld.Int(240), ipld.Int(0)}, Limits: roomy}
	for _, path := range []Path{PathDirect, PathModel} {
		b.Run("path="+string(path), func(b *testing.B) {
			e := newEngine(b, Config{})
			e.modelOnly = path == PathModel
			m := load(b, e, code)
			for b.Loop() {
				if r, err := m.Run(b.Context(), call); err != nil || !r.Outcome.OK() {
					b.Fatal(r.Outcome.Failure, err)
				}
			}
		})
	}
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
