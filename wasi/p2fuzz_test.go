package wasi

import (
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// wrong are values that are hardly ever what a parameter takes.
var wrong = []ipld.Value{
	ipld.Null, ipld.Bool(true), ipld.Int(-1), ipld.Uint(math.MaxUint64), ipld.Float(1), ipld.String("\xff"),
	ipld.String("no such case"), ipld.Bytes([]byte("b")), ipld.List(), ipld.List(ipld.Null), ipld.List(ipld.String("no such flag")),
	ipld.Map(), ipld.Map(ipld.Entry{Key: "ok"}), ipld.Map(ipld.Entry{Key: "timestamp"}),
	ipld.Map(ipld.Entry{Key: "no-change"}), ipld.String("timestamp"),
}

// Arguments that no lifter gives are an error, and change nothing.
func TestPreview2WrongShapes(t *testing.T) {
	t.Parallel()
	for _, name := range all2() {
		f := mustFunc2(t, name)
		h := testHost(t, "world")
		good := (&script2{host: h}).args(f.Type.Params)
		for n := range len(good) + 2 {
			if _, err := f.Call(h, slices.Repeat([]ipld.Value{ipld.Uint(1)}, n)); err == nil && n != len(good) {
				t.Errorf("%s: %d arguments are taken", name, n)
			}
		}
		for i, p := range f.Type.Params {
			for _, v := range wrong {
				args := slices.Clone(good)
				args[i] = v
				if _, err := f.Call(h, args); err == nil && !fits(p.Type, v) {
					t.Errorf("%s: %s takes %s", name, p.Name, v)
				}
			}
		}
	}
}

func TestPreview2HandlesAreBounded(t *testing.T) {
	t.Parallel()
	h := testHost(t, "world")
	get := mustFunc2(t, "wasi:cli/stdin#get-stdin")
	for i := range maxHandles {
		if v, err := get.Call(h, nil); err != nil || !v.Equal(ipld.Uint(uint64(i+1))) {
			t.Fatalf("handle %d: %s, %v", i+1, v, err)
		}
	}
	opens := h.fs.opens
	for _, name := range []string{"wasi:cli/stdin#get-stdin", "wasi:filesystem/preopens#get-directories"} {
		v, err := mustFunc2(t, name).Call(h, nil)
		if err == nil || !strings.HasSuffix(err.Error(), "more than 65536 handles at a time") {
			t.Errorf("%s: %s, %v", name, v, err)
		}
	}
	if h.fs.opens != opens {
		t.Error("a directory is held that has no handle")
	}
	if err := h.DropHandle(7); err != nil {
		t.Fatal(err)
	}
	if v, err := get.Call(h, nil); err != nil || !v.Equal(ipld.Uint(7)) {
		t.Errorf("the handle that is free again: %s, %v", v, err)
	}
}

func TestPreview2ReadsAreBounded(t *testing.T) {
	t.Parallel()
	data := make([]byte, maxRead+1)
	h, err := New(Config{Stdin: data, Files: []File{{"f", data}}})
	if err != nil {
		t.Fatal(err)
	}
	all := ipld.Uint(math.MaxUint64)
	for _, call := range []struct {
		name string
		args []ipld.Value
		want int
	}{
		{"get-stdin", nil, 0},
		{"input-stream.read", []ipld.Value{ipld.Uint(1), all}, maxRead},
		{"input-stream.read", []ipld.Value{ipld.Uint(1), all}, 1},
		{"get-directories", nil, 0},
		{"descriptor.open-at", []ipld.Value{ipld.Uint(2), ipld.List(), ipld.String("f"), ipld.List(), ipld.List(ipld.String("read"))}, 0},
		{"descriptor.read", []ipld.Value{ipld.Uint(3), all, ipld.Uint(0)}, maxRead},
		{"descriptor.read", []ipld.Value{ipld.Uint(3), all, ipld.Uint(maxRead)}, 1},
	} {
		v, err := mustFunc2(t, fullName(call.name)).Call(h, call.args)
		if err != nil {
			t.Fatalf("%s: %v", call.name, err)
		}
		ok, _ := v.Lookup("ok")
		if pair := ok.Elems(); len(pair) == 2 {
			ok = pair[0]
			if end, _ := pair[1].AsBool(); end != (call.want == 1) {
				t.Errorf("%s: end is %v", call.name, end)
			}
		}
		if call.want > 0 && ok.Len() != call.want {
			t.Errorf("%s: %d bytes, want %d", call.name, ok.Len(), call.want)
		}
	}
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	for e, code := range errorCodes {
		if !slices.Contains(errorCodeType.Names, code) {
			t.Errorf("errno %d: there is no code %s", e, code)
		}
	}
	if got := errorCode(errNotSock); got != "io" {
		t.Errorf("an errno without a code is %s", got)
	}
}

// FuzzPreview2 plays calls that data chooses, with arguments of the right types
// and any handles, against two equal worlds. No call panics, results are of the
// type that is declared, both worlds answer the same, and dropping all handles
// gives back all that they held.
func FuzzPreview2(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	for seed := range 32 {
		b := make([]byte, 512)
		h := testHost(f, "world")
		for range seed + 1 {
			h.fillRandom(b)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		first, second := play2(t, data), play2(t, data)
		if first != second {
			t.Errorf("two runs differ:\n%s\n\n%s", first, second)
		}
	})
}

// play2 is the transcript of the calls that data chooses.
func play2(t *testing.T, data []byte) string {
	h := testHost(t, "world bytes=5000 output=100000 open=9")
	opens, space := h.fs.opens, h.fs.bytes+held(h)
	names := all2()
	s := script2{data: data, host: h}
	var b strings.Builder
	for len(s.data) > 0 {
		i := s.next(len(names) + 8)
		if i >= len(names) {
			index := s.handle()
			fmt.Fprintln(&b, "drop", index, h.DropHandle(uint32(index)))
			continue
		}
		f := mustFunc2(t, names[i])
		args := s.args(f.Type.Params)
		v, err := f.Call(h, args)
		if err == nil && !fits2(f.Type.Result, v) {
			t.Errorf("%s %s: %s is no %s", names[i], ipld.List(args...), v, f.Type.Result)
		}
		fmt.Fprintln(&b, names[i], digest(ipld.List(args...)), digest(v), err)
	}
	dropAll(h)
	if h.fs.opens != opens || h.fs.bytes+held(h) != space {
		t.Errorf("dropping all handles left %d of %d openings, %d of %d bytes", h.fs.opens, opens, h.fs.bytes+held(h), space)
	}
	return b.String() + resultText(h.Result())
}

// digest is v as text, or the sum of that where it is long.
func digest(v ipld.Value) string {
	b, err := ipld.AppendCBOR(nil, v)
	if len(b) > 200 {
		return fmt.Sprintf("%d bytes of sum %08x", len(b), crc32.ChecksumIEEE(b))
	}
	return fmt.Sprint(v, err)
}

// dropAll drops all handles, children first.
func dropAll(h *Host) {
	for range 2 {
		for i := range h.handles.slots {
			_ = h.DropHandle(uint32(i + 1)) // parents fail in the first round
		}
	}
}

// held is how many bytes of the bound the file system keeps.
func held(h *Host) int64 {
	seen := map[*node]bool{}
	var walk func(n *node) int64
	walk = func(n *node) int64 {
		sum := int64(0)
		if !seen[n] {
			seen[n] = true
			if sum += int64(len(n.target)); !n.shared {
				sum += int64(len(n.data))
			}
		}
		for name, child := range n.entries {
			sum += entryCost(name) + walk(child)
		}
		return sum
	}
	return walk(h.fs.root)
}

// script2 makes choices and arguments from data.
type script2 struct {
	data []byte
	host *Host
}

// next is a number below n, and 0 when data is at its end.
func (s *script2) next(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := int(s.data[0])
	s.data = s.data[1:]
	return b % n
}

// handle is mostly one of a few that are likely in use.
func (s *script2) handle() uint64 {
	if i := s.next(12); i < 10 {
		return uint64(i)
	}
	return []uint64{1 << 16, math.MaxUint32}[s.next(2)]
}

func (s *script2) args(params []wit.Field) []ipld.Value {
	args := make([]ipld.Value, len(params))
	for i, p := range params {
		args[i] = s.value(p.Type)
		if s.next(64) == 63 {
			args[i] = wrong[s.next(len(wrong))]
		}
	}
	return args
}

var (
	someNumbers = []uint64{0, 1, 2, 3, 5, 100, 4096, 4097, 1 << 16, 1<<16 + 1, 1 << 20, 1e9, math.MaxInt64, math.MaxUint64}
	someNames   = []string{"in", "a.txt", "b.txt", "c.txt", "new", "d", "link", ".", "..", "", "é", strings.Repeat("n", 256)}
)

// value is a value of type t.
func (s *script2) value(t *wit.Type) ipld.Value {
	switch t.Kind {
	case wit.U8:
		return ipld.Uint(uint64(s.next(256)))
	case wit.U32:
		return ipld.Uint(someNumbers[s.next(12)])
	case wit.U64:
		return ipld.Uint(someNumbers[s.next(len(someNumbers))])
	case wit.StringKind:
		return ipld.String(s.path())
	case wit.Resource:
		return ipld.Uint(s.handle())
	case wit.List:
		return s.list(t.Elem)
	case wit.Record:
		entries := make([]ipld.Entry, len(t.Fields))
		for i, f := range t.Fields {
			entries[i] = ipld.Entry{Key: f.Name, Value: s.value(f.Type)}
		}
		return ipld.Map(entries...)
	case wit.Variant:
		c := t.Fields[s.next(len(t.Fields))]
		if c.Type == nil {
			return ipld.String(c.Name)
		}
		return ipld.Map(ipld.Entry{Key: c.Name, Value: s.value(c.Type)})
	case wit.Enum:
		return ipld.String(t.Names[s.next(len(t.Names))])
	case wit.Flags:
		return s.flags(t.Names)
	case wit.Result:
		return []ipld.Value{ok2(ipld.Null), fail2(ipld.Null)}[s.next(2)]
	}
	panic("no parameter has the type " + t.String())
}

func (s *script2) path() string {
	path := someNames[s.next(len(someNames))]
	for s.next(3) == 2 {
		path += "/" + someNames[s.next(len(someNames))]
	}
	return path
}

func (s *script2) list(elem *wit.Type) ipld.Value {
	if elem.Kind == wit.U8 {
		return ipld.Bytes(make([]byte, someNumbers[s.next(10)]))
	}
	elems := make([]ipld.Value, s.next(4))
	for i := range elems {
		elems[i] = s.value(elem)
	}
	return ipld.List(elems...)
}

func (s *script2) flags(names []string) ipld.Value {
	set := s.next(1 << len(names))
	var flags []ipld.Value
	for i, name := range names {
		if set>>i&1 == 1 {
			flags = append(flags, ipld.String(name))
		}
	}
	return ipld.List(flags...)
}
