package abi

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/ipvm-wg/go-ipvm/wit"
)

// TestRefusedTakesLittle gives much that is refused, most of it only at its
// end: the host takes little memory for it.
func TestRefusedTakesLittle(t *testing.T) {
	const mib = 1 << 20
	big := string(make([]byte, 4*mib))
	tests := []struct {
		name     string
		elem     *wit.Type
		encoding Encoding
		mem      []byte
		n        int
		want     string
	}{
		{"bytes", list(of(wit.U8)), UTF8, same(100, 4*mib, big), 100, ErrTooLarge.Error()},
		{"text", of(wit.StringKind), UTF8, same(100, 4*mib, big), 100, ErrTooLarge.Error()},
		{"UTF-16", of(wit.StringKind), UTF16, same(100, 2*mib, big), 100, ErrTooLarge.Error()},
		{"Latin-1", of(wit.StringKind), Latin1OrUTF16, same(100, 4*mib, big), 100, ErrTooLarge.Error()},
		{"tuples", list(tuple(of(wit.U8), of(wit.U8))), UTF8, same(100, mib, big), 100, ErrTooLarge.Error()},
		{"records", list(record(of(wit.U8))), UTF8, same(100, mib, big), 100, ErrTooLarge.Error()},
		{"options", list(option(option(of(wit.U8)))), UTF8, same(100, mib, big), 100, ErrTooLarge.Error()},
		{"flags", flagsOf(32), UTF8, ones(4 * mib), mib, ErrTooLarge.Error()},
		{"numbers", of(wit.U16), UTF8, make([]byte, 20*mib), 10 * mib, ErrTooLarge.Error()},
		{"a breach at the end", enum(2), UTF8, append(make([]byte, 4*mib), 7), 4*mib + 1, "discriminant 7 out of range"},
		{"NaN at the end", of(wit.F32), UTF8, append(make([]byte, 4*mib), 0, 0, 0xc0, 0x7f), mib + 1, "/1048576: expected a finite f32, got NaN (IPLD has no such number)"},
	}
	for _, tt := range tests {
		f, err := Lifted(wit.Func{Name: "f", Result: list(tt.elem)}, tt.encoding)
		if err != nil {
			t.Fatal(err)
		}
		g := newFakeGuest()
		at := uint32(len(tt.mem)+7) &^ 7 // where the list is told, after its elements
		g.mem = append(tt.mem, make([]byte, int(at)-len(tt.mem)+8)...)
		binary.LittleEndian.PutUint32(g.mem[at+4:], uint32(tt.n))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = f.Lift(g, []uint64{uint64(at)})
		runtime.ReadMemStats(&after)
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16*mib {
			t.Errorf("%s: %d MiB for what is refused", tt.name, took/mib)
		}
	}
}

// TestMeasuredIsGiven has what is much, but not too much, come whole.
func TestMeasuredIsGiven(t *testing.T) {
	const n = 10
	f, err := Lifted(wit.Func{Name: "f", Result: list(tuple(of(wit.StringKind)))}, UTF8)
	if err != nil {
		t.Fatal(err)
	}
	g := newFakeGuest()
	g.mem = append(same(n, 1<<20, string(make([]byte, 1<<20))), 0, 0, 0, 0, n, 0, 0, 0)
	v, err := f.Lift(g, []uint64{uint64(len(g.mem) - 8)})
	if err != nil || v.Len() != n {
		t.Fatalf("%d elements, %v", v.Len(), err)
	}
	for _, item := range v.Elems() {
		if s, ok := item.Elems()[0].AsString(); !ok || len(s) != 1<<20 {
			t.Fatalf("a text of %d bytes", len(s))
		}
	}
}

// same is n times the address of what follows, and a length.
func same(n, length int, what string) []byte {
	var out []byte
	for range n {
		out = binary.LittleEndian.AppendUint32(out, uint32(8*n))
		out = binary.LittleEndian.AppendUint32(out, uint32(length))
	}
	return append(out, what...)
}

func ones(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = 0xff
	}
	return out
}
