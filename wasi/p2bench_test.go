package wasi

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// What one call costs beside lifting and lowering: the least there is, and one
// that moves the bytes a guest usually moves at a time.
func BenchmarkPreview2(b *testing.B) {
	h, err := New(Config{Stdout: func([]byte) {}, Files: []File{{"f", make([]byte, 4096)}}})
	if err != nil {
		b.Fatal(err)
	}
	call := func(name string, args ...ipld.Value) {
		if _, err := mustFunc2(b, fullName(name)).Call(h, args); err != nil {
			b.Fatal(err)
		}
	}
	call("get-stdout")
	call("get-directories")
	call("descriptor.open-at", ipld.Uint(2), ipld.List(), ipld.String("f"), ipld.List(), ipld.List(ipld.String("read")))
	for _, bench := range []struct {
		name string
		args []ipld.Value
	}{
		{"monotonic-clock/now", nil},
		{"output-stream.check-write", []ipld.Value{ipld.Uint(1)}},
		{"output-stream.write", []ipld.Value{ipld.Uint(1), ipld.Bytes(make([]byte, 4096))}},
		{"descriptor.read", []ipld.Value{ipld.Uint(3), ipld.Uint(4096), ipld.Uint(0)}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := mustFunc2(b, fullName(bench.name))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Call(h, bench.args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
