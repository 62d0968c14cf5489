package wit

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func BenchmarkCanonicalCall(b *testing.B) {
	for _, bench := range []struct {
		name, sig string
		args      Args
	}{
		{"numbers", "add(x: s32, y: s32)", Args{Positional: []ipld.Value{ipld.Int(1), ipld.Int(2)}}},
		{"named", "full-name(first-name: string, last-name: string)", Args{IsNamed: true, Named: ipld.Map(
			ipld.Entry{Key: "firstName", Value: ipld.String("Boris")},
			ipld.Entry{Key: "lastName", Value: ipld.String("Mann")},
		)}},
		{"bytes", "f(image: list<u8>)", Args{Positional: []ipld.Value{ipld.Bytes(make([]byte, 1<<20))}}},
		{"record", "f(at: record {x: u32, y: u32, z: option<u32>})", Args{Positional: []ipld.Value{ipld.Map(
			ipld.Entry{Key: "x", Value: ipld.Int(1)},
			ipld.Entry{Key: "y", Value: ipld.Int(1)},
		)}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f, err := parseFunc(bench.sig)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Canonical(bench.args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseInterface(b *testing.B) {
	v := sample(b).Value()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseInterface(v); err != nil {
			b.Fatal(err)
		}
	}
}
