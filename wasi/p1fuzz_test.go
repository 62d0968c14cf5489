package wasi

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

// FuzzPreview1 makes the calls that a byte string spells, over a small memory
// that holds it and some names. Nothing may panic, bounds hold, and a second run
// gives the same.
func FuzzPreview1(f *testing.F) {
	names := slices.Sorted(maps.Keys(functions1))
	at := func(name string) byte { return byte(slices.Index(names, name)) }
	for name := range functions1 {
		f.Add([]byte{at(name), 0, 0, 0, 0, 0, 0, 0, 0, 0})
	}
	// Open "in/a.txt" to read and write, write, list a directory, and close.
	f.Add([]byte{
		at("path_open"), 3, 0, 0xe9, 8, 1, 66, 0, 0, 8,
		at("fd_write"), 4, 0xe8, 2, 8,
		at("fd_readdir"), 3, 60, 90, 0, 8,
		at("path_rename"), 3, 0xe9, 8, 3, 0xea, 3,
		at("fd_close"), 4,
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		first, second := fuzzRun(t, names, data), fuzzRun(t, names, data)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%+v\nthen %+v", first, second)
		}
	})
}

// outcome is all that a program and its world can see of a run.
type outcome struct {
	mem    []byte
	errnos []errno
	result Result
	left   [3]int64
}

func fuzzRun(t *testing.T, names []string, data []byte) outcome {
	h := testHost(t, "world open=9 bytes=5000 output=1000")
	g := &guest1{h: h, module: snapshot1, mem: make([]byte, 2048)}
	copy(g.mem, data)
	for i, text := range []string{"\x00\x04\x00\x00\x05\x00\x00\x00\x10\x00\x00\x00\x50\x00\x00\x00", "in/a.txt", "new", "in/../l/x/."} {
		copy(g.mem[(8+i)<<7:], text) // at 0xe8, 0xe9 and so on; the first is vectors
	}
	var out outcome
	for len(data) > 0 && len(out.errnos) < 200 {
		name := names[int(data[0])%len(names)]
		data = data[1:]
		if _, ok := Preview1(snapshot0, name); ok && len(out.errnos)%3 == 2 {
			g.module = snapshot0
		} else {
			g.module = snapshot1
		}
		args := make([]uint64, len(functions1[name].params))
		for i, p := range functions1[name].params {
			if len(data) > 0 {
				args[i], data = fuzzArg(data[0], p), data[1:]
			}
		}
		e, _ := g.call(t, name, args...)
		out.errnos = append(out.errnos, e)
	}
	checkBounds(t, h)
	out.mem, out.result = g.mem, h.Result()
	out.left = [3]int64{h.fs.bytes, int64(h.fs.entries), int64(h.fs.opens)}
	return out
}

// fuzzArg makes an argument of a byte: itself, a larger number, or one near the
// end of its type.
func fuzzArg(b byte, kind rune) uint64 {
	v := uint64(b)
	switch {
	case b >= 0xf0:
		v = uint64(int64(int8(b)))
	case b >= 0xe0:
		v = uint64(b&15) << 7
	case b >= 0xd0 && kind == 'I':
		v = 1<<(b&15+32) - 1
	}
	if kind == 'i' {
		v = uint64(uint32(v))
	}
	return v
}

// checkBounds counts what the world keeps, which must be what it has charged.
func checkBounds(t *testing.T, h *Host) {
	t.Helper()
	// Entries that were there at first were not charged, so their removal shows
	// as more room than there was; 5 of them with names of 17 bytes.
	const most = 5000 + 5*entryBytes + 17
	if h.fs.bytes < 0 || h.fs.bytes > most || h.fs.entries < 0 || h.fs.opens < 0 || h.fs.opens > 9 {
		t.Errorf("left: %d bytes, %d entries, %d opens", h.fs.bytes, h.fs.entries, h.fs.opens)
	}
	kept := int64(0)
	seen := map[*node]bool{}
	var count func(n *node)
	count = func(n *node) {
		if !seen[n] && !n.shared {
			kept += int64(len(n.data))
		}
		kept += int64(len(n.target))
		seen[n] = true
		for name, child := range n.entries {
			kept += entryCost(name)
			count(child)
		}
	}
	count(h.fs.root)
	if kept > most {
		t.Errorf("%d bytes are kept", kept)
	}
	if len(h.stdout.kept) > 1000 || len(h.stderr.kept) > 1000 {
		t.Errorf("%d and %d bytes of output", len(h.stdout.kept), len(h.stderr.kept))
	}
}
