package wasi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPreview1Offers(t *testing.T) {
	t.Parallel()
	for name := range functions1 {
		for _, module := range []string{"wasi_snapshot_preview1", "wasi_unstable"} {
			f, ok := Preview1(module, name)
			if want := module == "wasi_snapshot_preview1" || name != "sock_accept"; ok != want {
				t.Errorf("%s.%s: offered is %t", module, name, ok)
			}
			if ok && (f.Call == nil || (f.Results == "i") == (name == "proc_exit")) {
				t.Errorf("%s.%s: %+v", module, name, f)
			}
		}
	}
	for _, unknown := range [][2]string{{"wasi_snapshot_preview1", "fd_dup"}, {"wasi", "fd_read"}, {"", ""}} {
		if _, ok := Preview1(unknown[0], unknown[1]); ok {
			t.Errorf("%q is offered", unknown)
		}
	}
	if n := len(functions1); n != 46 {
		t.Errorf("%d functions", n)
	}
}

// The transcripts in testdata/preview1 call every function. A line at the left
// edge starts a new world, with the limits named; each row below is a call and
// what came of it. Arguments are numbers, words for flags and rights, or stand
// for something in memory: "text" and its length, <parts|to write>, [sizes|of
// parts] to read, {a buffer's size}, and words for results, which the row gives
// in the same order.
func TestPreview1Transcripts(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/preview1/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	called := map[string]bool{}
	for _, path := range paths {
		transcript1(t, path, called)
	}
	for name := range functions1 {
		if !called[name] && name != "poll_oneoff" { // which has a test of its own
			t.Errorf("%s is in no transcript", name)
		}
	}
}

func transcript1(t *testing.T, path string, called map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g *guest1
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch {
		case line == "" || strings.HasPrefix(strings.TrimSpace(line), "//"):
			continue
		case line[0] != ' ':
			g = &guest1{h: testHost(t, line), module: snapshot1, mem: make([]byte, 1<<16)}
			if strings.HasPrefix(line, "old world") {
				g.module = snapshot0
			}
			continue
		}
		input := strings.TrimSpace(line)
		for _, mark := range []string{" → ", " ✗ "} {
			input, _, _ = strings.Cut(input, mark)
		}
		called[strings.Fields(input)[0]] = true
		got := "    " + input + g.row(t, strings.Fields(input))
		if got != line && !*update {
			t.Errorf("%s:%d:\ngot  %s\nwant %s", path, i+1, got, line)
		}
		lines[i] = got
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// guest1 is a program of preview 1.
type guest1 struct {
	h      *Host
	module string
	mem    memory

	args    []uint64
	used    uint32          // of mem
	results []func() string // that a call leaves in mem
}

// call calls a function with raw arguments.
func (g *guest1) call(t testing.TB, name string, args ...uint64) (errno, error) {
	t.Helper()
	f, ok := Preview1(g.module, name)
	if !ok || len(args) != len(f.Params) {
		t.Fatalf("%s with %d arguments: %+v", name, len(args), f)
	}
	e, err := f.Call(g.h, g.mem, args)
	return errno(e), err
}

// row makes one call of a transcript and says what came of it.
func (g *guest1) row(t *testing.T, words []string) string {
	t.Helper()
	if words[0] == "result" {
		return " → " + resultText(g.h.Result())
	}
	clear(g.mem)
	g.args, g.used, g.results = nil, 64, nil
	for _, w := range words[1:] {
		g.read(t, w)
	}
	e, err := g.call(t, words[0], g.args...)
	var exit *Exit
	switch {
	case errors.As(err, &exit):
		return " ✗ " + exit.Error()
	case err != nil:
		t.Fatal(err)
	case e != success:
		return " ✗ " + errnoName(e)
	case len(g.results) == 0:
		return " → ok"
	}
	out := " →"
	for _, r := range g.results {
		out += " " + r()
	}
	return out
}

// read turns a word of a transcript into arguments.
func (g *guest1) read(t *testing.T, w string) {
	t.Helper()
	switch inner := strings.Trim(w, `<>[]{}`); w[0] {
	case '"':
		text, err := strconv.Unquote(w)
		if err != nil {
			t.Fatalf("%s: %v", w, err)
		}
		at := g.alloc(len(text))
		g.push(at, uint32(len(text)))
		copy(g.mem[at:], text)
	case '<':
		g.vectors(strings.Split(inner, "|"), func(part string) (uint32, uint32) {
			at := g.alloc(len(part))
			copy(g.mem[at:], part)
			return at, uint32(len(part))
		})
	case '[':
		g.vectors(strings.Split(inner, "|"), func(part string) (uint32, uint32) {
			n := number(t, part)
			return g.alloc(int(n)), g.result(uint32(n), func(b []byte) string { return strconv.Quote(string(b)) })
		})
	case '{':
		n := uint32(number(t, inner))
		g.push(g.alloc(int(n)), g.result(n, func(b []byte) string { return strconv.Quote(string(b)) }))
	default:
		g.readWord(t, w)
	}
}

func (g *guest1) readWord(t *testing.T, w string) {
	t.Helper()
	size, show := uint32(0), (func([]byte) string)(nil)
	switch w {
	case "u32":
		size, show = 4, func(b []byte) string { return fmt.Sprint(binary.LittleEndian.Uint32(b)) }
	case "u64":
		size, show = 8, func(b []byte) string { return fmt.Sprint(binary.LittleEndian.Uint64(b)) }
	case "stat":
		size, show = 64, statText
	case "fdstat":
		size, show = 24, fdstatText
	default:
		kind, n, _ := strings.Cut(w, ":")
		switch kind {
		case "entries":
			size = uint32(number(t, n))
			g.push(g.alloc(int(size)), g.result(size, entriesText))
			return
		case "bytes":
			size, show = uint32(number(t, n)), func(b []byte) string { return strconv.Quote(string(b)) }
		default:
			g.args = append(g.args, number(t, w))
			return
		}
	}
	g.push(g.alloc(int(size)))
	g.result(size, show)
}

func (g *guest1) push(args ...uint32) {
	for _, a := range args {
		g.args = append(g.args, uint64(a))
	}
}

// alloc reserves n bytes.
func (g *guest1) alloc(n int) uint32 {
	at := g.used
	g.used += uint32(n+15) &^ 7
	return at
}

// result shows, after the call, the n bytes that were reserved last.
func (g *guest1) result(n uint32, show func([]byte) string) uint32 {
	at := g.used - (n+15)&^7
	g.results = append(g.results, func() string { return show(g.mem[at:][:n]) })
	return n
}

// vectors writes pairs for parts.
func (g *guest1) vectors(parts []string, place func(string) (uint32, uint32)) {
	at := g.alloc(8 * len(parts))
	g.push(at, uint32(len(parts)))
	for i, p := range parts {
		ptr, n := place(p)
		g.mem.put32(at+uint32(i)*8, ptr)
		g.mem.put32(at+uint32(i)*8+4, n)
	}
}

// words1 are the words for numbers in transcripts.
var words1 = map[string]uint64{
	"follow": 1, "create": 1, "directory": 2, "exclusive": 4, "truncate": 8, "append": 1, "sync": 16,
	"set": 0, "cur": 1, "end": 2, "atim": 1, "atim-now": 2, "mtim": 4, "mtim-now": 8,
	"all": uint64(allRights), "files": uint64(fileRights), "directories": uint64(directoryRights), "read": uint64(rightRead),
	"write": uint64(rightWrite), "seek": uint64(rightSeek), "tell": uint64(rightTell), "open": uint64(rightOpen),
	"outside": 1<<16 - 1,
}

// number reads words and numbers joined by "+".
func number(t *testing.T, text string) uint64 {
	t.Helper()
	sum := uint64(0)
	for part := range strings.SplitSeq(text, "+") {
		n, ok := words1[part]
		if !ok {
			signed, err := strconv.ParseInt(part, 0, 64)
			unsigned, err2 := strconv.ParseUint(part, 0, 64)
			if err != nil && err2 != nil {
				t.Fatalf("%s: no number", part)
			}
			if n = unsigned; err == nil {
				n = uint64(signed)
			}
		}
		sum += n
	}
	return sum
}

func statText(b []byte) string {
	var f [8]uint64
	for i := range f {
		f[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	since := func(at uint64) int64 { return int64(at - Instant) }
	return fmt.Sprintf("dev %d ino %d kind %d links %d size %d times %+d %+d %+d",
		f[0], f[1], f[2], f[3], f[4], since(f[5]), since(f[6]), since(f[7]))
}

func fdstatText(b []byte) string {
	base, inheriting := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	return fmt.Sprintf("kind %d flags %d rights %#x %#x", b[0], binary.LittleEndian.Uint16(b[2:]), base, inheriting)
}

// entriesText reads entries until a zero, and the rest of one that is cut off.
func entriesText(b []byte) string {
	var out []string
	for len(b) >= 24 && b[0] != 0 {
		next, ino, n := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), int(binary.LittleEndian.Uint32(b[16:]))
		name := string(b[24:][:min(n, len(b)-24)])
		out = append(out, fmt.Sprintf("%d:%d:%d:%s", next, ino, b[20], name))
		b = b[min(24+n, len(b)):]
	}
	return "(" + strings.Join(out, " ") + ")"
}

// Functions of a descriptor say that it is not open before anything else, and
// each function that is given a place in memory says when that is outside.
func TestPreview1Faults(t *testing.T) {
	t.Parallel()
	takesFd := func(name string) bool {
		return strings.HasPrefix(name, "fd_") || strings.HasPrefix(name, "sock_") ||
			strings.HasPrefix(name, "path_") && name != "path_symlink"
	}
	for _, name := range slices.Sorted(maps.Keys(functions1)) {
		g := &guest1{h: testHost(t, "world"), module: snapshot1, mem: make([]byte, 1<<16)}
		all := slices.Repeat([]uint64{1<<32 - 1}, len(functions1[name].params))
		e, _ := g.call(t, name, all...)
		if takesFd(name) && e != errBadF {
			t.Errorf("%s with all ones: %s", name, errnoName(e))
		}
		if e == success && !slices.Contains([]string{"proc_exit", "sched_yield"}, name) {
			t.Errorf("%s takes all ones", name)
		}
	}
}

// Nothing is done if a result has no place: the file is not made, the input is
// not read.
func TestPreview1FaultsDoNothing(t *testing.T) {
	t.Parallel()
	const outside = 1<<16 - 1
	g := &guest1{h: testHost(t, "world"), module: snapshot1, mem: make([]byte, 1<<16)}
	copy(g.mem, "new")
	g.mem.put32(16, 100)
	g.mem.put32(20, 5)
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"path_open", []uint64{3, 0, 0, 3, openCreate, 0, 0, 0, outside}},
		{"fd_read", []uint64{0, 16, 1, outside}},
		{"fd_write", []uint64{1, 16, 1, outside}},
		{"fd_readdir", []uint64{3, 100, 50, 0, outside}},
		{"path_readlink", []uint64{3, 0, 3, 100, 50, outside}},
	} {
		before := slices.Clone(g.mem)
		if e, _ := g.call(t, c.name, c.args...); e != errFault {
			t.Errorf("%s: %s", c.name, errnoName(e))
		}
		if !slices.Equal(before, g.mem) {
			t.Errorf("%s changed memory", c.name)
		}
	}
	if got := resultText(g.h.Result()); got != `stdout "" stderr ""` || len(g.h.stdin.rest) != 11 {
		t.Errorf("%s, %q to be read", got, g.h.stdin.rest)
	}
}

// TestInputStays shows that a program which writes to a file that it was given
// changes its own copy: the bytes are a block's, or another job's.
func TestInputStays(t *testing.T) {
	t.Parallel()
	data := []byte("as it was")
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"fd_pwrite", []uint64{4, 16, 1, 0, 24}},
		{"fd_write", []uint64{4, 16, 1, 24}},
		{"fd_allocate", []uint64{4, 0, 20}},
		{"fd_filestat_set_size", []uint64{4, 3}},
	} {
		h := newHost(t, Config{Files: []File{{"f", data}}})
		g := &guest1{h: h, module: snapshot1, mem: make([]byte, 1<<16)}
		g.mem.put32(16, 0)
		g.mem.put32(20, 2)
		copy(g.mem, "f!")
		for _, call := range []struct {
			name string
			args []uint64
		}{{"path_open", []uint64{3, 0, 0, 1, 0, uint64(fileRights), 0, 0, 200}}, {c.name, c.args}, {"fd_pwrite", []uint64{4, 16, 1, 1, 24}}} {
			if e, _ := g.call(t, call.name, call.args...); e != success {
				t.Fatalf("%s: %s", call.name, errnoName(e))
			}
		}
		if got := h.Result().Files; len(got) != 1 || bytes.Equal(got[0].Data, data) {
			t.Errorf("%s: the program left %v", c.name, got)
		}
		if string(data) != "as it was" {
			t.Fatalf("%s: the input is now %q", c.name, data)
		}
	}
}

// Reading and writing, which programs do most, leaves no garbage.
func TestPreview1Allocations(t *testing.T) {
	h := newHost(t, Config{Stdout: func([]byte) {}, Files: []File{{"f", make([]byte, 100)}}})
	g := &guest1{h: h, module: snapshot1, mem: make([]byte, 1<<16)}
	g.mem.put32(16, 100)
	g.mem.put32(20, 5)
	copy(g.mem, "f")
	if e, _ := g.call(t, "path_open", 3, 0, 0, 1, 0, uint64(fileRights), 0, 0, 200); e != success {
		t.Fatal(errnoName(e))
	}
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"fd_write", []uint64{1, 16, 1, 24}},
		{"fd_write", []uint64{4, 16, 1, 24}},
		{"fd_read", []uint64{4, 16, 1, 24}},
		{"fd_pwrite", []uint64{4, 16, 1, 0, 24}},
		{"fd_read", []uint64{0, 16, 1, 24}},
		{"fd_seek", []uint64{4, 0, 0, 24}},
		{"clock_time_get", []uint64{0, 0, 24}},
	} {
		f, _ := Preview1(snapshot1, c.name)
		if n := testing.AllocsPerRun(10, func() { f.Call(h, g.mem, c.args) }); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkPreview1(b *testing.B) {
	h := newHost(b, Config{Stdout: func([]byte) {}})
	g := &guest1{h: h, module: snapshot1, mem: make([]byte, 1<<16)}
	g.mem.put32(16, 100)
	g.mem.put32(20, 50)
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"fd_write", []uint64{1, 16, 1, 24}},
		{"clock_time_get", []uint64{0, 0, 24}},
		{"path_filestat_get", []uint64{3, 0, 300, 1, 400}},
	} {
		copy(g.mem[300:], ".")
		f, _ := Preview1(snapshot1, c.name)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if e, err := f.Call(h, g.mem, c.args); e != 0 || err != nil {
					b.Fatal(e, err)
				}
			}
		})
	}
}
