package ipld_test

import (
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// smallTask is the size and shape of a Task of one Wasm call.
func smallTask() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "sub", Value: ipld.String("did:ipvm:pure")},
		ipld.Entry{Key: "cmd", Value: ipld.String("/wasm/run")},
		ipld.Entry{Key: "nonce", Value: ipld.Bytes(nil)},
		ipld.Entry{Key: "args", Value: ipld.Map(
			ipld.Entry{Key: "mod", Value: ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("module")))},
			ipld.Entry{Key: "fun", Value: ipld.String("add-one")},
			ipld.Entry{Key: "params", Value: ipld.List(ipld.Int(41))},
		)},
	)
}

// document is a list of n small tasks.
func document(n int) ipld.Value {
	elems := make([]ipld.Value, n)
	for i := range elems {
		elems[i] = ipld.Map(
			ipld.Entry{Key: "label", Value: ipld.String(fmt.Sprintf("job-%d", i))},
			ipld.Entry{Key: "run", Value: smallTask()},
			ipld.Entry{Key: "weight", Value: ipld.Float(float64(i) / 8)},
		)
	}
	return ipld.List(elems...)
}

func mustCBOR(tb testing.TB, v ipld.Value) []byte {
	tb.Helper()
	b, err := ipld.AppendCBOR(nil, v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkAppendCBOR(b *testing.B) {
	for name, v := range map[string]ipld.Value{"task": smallTask(), "document": document(1000)} {
		b.Run(name, func(b *testing.B) {
			dst := mustCBOR(b, v)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = ipld.AppendCBOR(dst[:0], v)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	v := smallTask()
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = ipld.Encode(v)
	}
}

func BenchmarkDecodeCBOR(b *testing.B) {
	for name, v := range map[string]ipld.Value{"task": smallTask(), "document": document(1000), "integers": integers(100_000)} {
		data := mustCBOR(b, v)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ipld.DecodeCBOR(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("check "+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := ipld.CheckCBOR(data, ipld.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func integers(n int) ipld.Value {
	elems := make([]ipld.Value, n)
	for i := range elems {
		elems[i] = ipld.Int(int64(i))
	}
	return ipld.List(elems...)
}

func BenchmarkJSON(b *testing.B) {
	v := document(1000)
	text, err := ipld.AppendJSON(nil, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		dst := text
		for b.Loop() {
			dst, _ = ipld.AppendJSON(dst[:0], v)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ipld.DecodeJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFile(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		ipld.FileLink(data)
	}
}
