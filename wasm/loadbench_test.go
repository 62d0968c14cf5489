//go:build cgo

package wasm

import (
	"os"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// BenchmarkLoadImage loads the largest module of the examples, 119 KB of code
// and 635 KB of machine code on disk, and calls a function of it: within an
// engine that has started, and with a new one, as the first job of a process
// does.
func BenchmarkLoadImage(b *testing.B) {
	code, err := os.ReadFile("../examples/thumbnail/image.wasm")
	if err != nil {
		b.Fatal(err)
	}
	link := ipld.LinkOf(ipld.CodecRaw, code)
	cfg := Config{CacheDir: b.TempDir()}
	call := Call{Func: "grayscale", Params: []ipld.Value{ipld.Bytes([]byte("no picture"))}, Limits: roomy}
	once := func(b *testing.B, e *Engine) {
		m, err := e.Load(b.Context(), link, code)
		if err != nil {
			b.Fatal(err)
		}
		if r, err := m.Run(b.Context(), call); err != nil || kindOf(r) != "guest" {
			b.Fatal(r.Outcome.Failure, err)
		}
		m.Close()
	}
	e := newEngine(b, cfg)
	once(b, e)
	e.cfg.IdleModules = 0
	b.Run("engine=started", func(b *testing.B) {
		b.SetBytes(int64(len(code)))
		for b.Loop() {
			once(b, e)
		}
	})
	b.Run("engine=new", func(b *testing.B) {
		for b.Loop() {
			e, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			once(b, e)
			b.StopTimer()
			e.Close()
			b.StartTimer()
		}
	})
}

// BenchmarkSeal checks the seal of 1 MiB of machine code.
func BenchmarkSeal(b *testing.B) {
	f, err := writeTemp(b.TempDir(), make([]byte, 1<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	key := make([]byte, cacheKeyLen)
	mark, err := seal(key, "name", f, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 20)
	for b.Loop() {
		if ok, err := sealed(key, mark, "name", f, 1<<20); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
