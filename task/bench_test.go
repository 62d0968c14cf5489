package task

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func BenchmarkID(b *testing.B) {
	for _, bb := range []struct{ name, params string }{
		{"small", `[41]`},
		{"promise", `[{"await/ok":` + linkText + `},1]`},
		{"named", `{"image":` + linkText + `,"width":240,"height":0}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			task := pure(b, bb.params)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := task.ID(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMapPromises(b *testing.B) {
	params := js(b, `[{"await/ok":"a"},1,[2,{"x":3}]]`)
	b.ReportAllocs()
	for b.Loop() {
		_, err := MapPromises(params, func(Promise) (ipld.Value, error) { return ipld.Int(1), nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
