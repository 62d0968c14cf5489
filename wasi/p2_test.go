package wasi

import (
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// all2 are the functions offered, as "iface#name", sorted.
var all2 = sync.OnceValue(func() []string {
	var names []string
	for iface, i := range preview2 {
		for name := range i.funcs {
			names = append(names, iface+"#"+name)
		}
	}
	slices.Sort(names)
	return names
})

func mustFunc2(t testing.TB, name string) Func2 {
	t.Helper()
	iface, fn, _ := strings.Cut(name, "#")
	f, ok := Preview2(iface, fn)
	if !ok {
		t.Fatalf("%s is not offered", name)
	}
	return f
}

// The list of what is offered: interfaces, their resources and functions.
func TestPreview2Offers(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, iface := range slices.Sorted(maps.Keys(preview2)) {
		fmt.Fprintln(&b, iface)
		for _, r := range preview2[iface].resources {
			if !Preview2Resource(iface, r) {
				t.Errorf("%s: resource %s is not found", iface, r)
			}
			fmt.Fprintf(&b, "    resource %s\n", r)
		}
		for _, name := range slices.Sorted(maps.Keys(preview2[iface].funcs)) {
			fmt.Fprintf(&b, "    %s\n", mustFunc2(t, iface+"#"+name).Type)
		}
	}
	path := filepath.Join("testdata", "preview2.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("what is offered (-want +got):\n%s", diff)
	}
}

func TestPreview2Types(t *testing.T) {
	t.Parallel()
	for _, name := range all2() {
		f := mustFunc2(t, name)
		if err := (wit.Interface{Funcs: []wit.Func{f.Type}}).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := f.Type.String(); strings.Contains(text, "…") {
			t.Errorf("%s: the type is cut off: %s", name, text)
		}
		for _, p := range f.Type.Params {
			if ok := fits(p.Type, ipld.Float(math.NaN())); ok {
				t.Errorf("%s: %s takes NaN", name, p.Name)
			}
		}
	}
	for _, unknown := range [][2]string{
		{"wasi:io/streams", "read"},
		{"wasi:io/streams@0.2.0", "[method]input-stream.read"},
		{"wasi:sockets/tcp", "[method]tcp-socket.start-bind"},
		{"", ""},
	} {
		if _, ok := Preview2(unknown[0], unknown[1]); ok {
			t.Errorf("%q is offered", unknown)
		}
	}
	if Preview2Resource("wasi:io/poll", "error") || Preview2Resource("wasi:io/poll@0.2.0", "pollable") {
		t.Error("a resource is found where it is not defined")
	}
}

func TestAbsent(t *testing.T) {
	t.Parallel()
	for iface := range preview2 {
		if reason, ok := Absent(iface, "f"); ok {
			t.Errorf("%s is offered and absent: %s", iface, reason)
		}
	}
	got, ok := Absent("wasi:sockets/tcp", "create-tcp-socket")
	want := "a function can not open network connections or look up names (wasi:sockets): that is an effect, " +
		"which the workflow declares as a job of its own, and the function takes that job's result as an argument"
	if got != want || !ok {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, iface := range []string{"wasi:http/outgoing-handler", "wasi:keyvalue/store", "wasi:config/store"} {
		if _, ok := Absent(iface, "f"); !ok {
			t.Errorf("%s is not known as absent", iface)
		}
	}
	for _, iface := range []string{"wasi_snapshot_preview1", "wasi_unstable"} {
		got, ok := Absent(iface, "sock_open")
		if want := strings.ReplaceAll(want, "wasi:sockets", iface+"#sock_open"); got != want || !ok {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if reason, ok := Absent(iface, "fd_dup"); ok {
			t.Errorf("fd_dup is absent: %s", reason)
		}
	}
	for _, iface := range []string{"", "wasi:logging/logging", "other:http/types", "wasi:socketsx/tcp"} {
		if reason, ok := Absent(iface, "f"); ok {
			t.Errorf("%s is absent: %s", iface, reason)
		}
	}
}

// The transcripts in testdata/preview2 call every function. A line at the left
// edge starts a new world, with the limits named; each row below is a call of
// a function by its short name, with the arguments as DAG-JSON, in which
// b"text" stands for bytes, and its result or the error that ends the guest.
// Beside functions there are "drop", of a handle, and "result", of the world.
func TestPreview2Transcripts(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/preview2/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	called := map[string]bool{}
	for _, path := range paths {
		transcript(t, path, called)
	}
	for _, name := range all2() {
		if !called[name] {
			t.Errorf("%s is in no transcript", name)
		}
	}
}

func transcript(t *testing.T, path string, called map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var h *Host
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch {
		case line == "" || strings.HasPrefix(strings.TrimSpace(line), "//"):
			continue
		case line[0] != ' ':
			h = testHost(t, line)
			continue
		}
		input := strings.TrimSpace(line)
		for _, mark := range []string{" → ", " ✗ "} {
			input, _, _ = strings.Cut(input, mark)
		}
		got := "    " + input
		if out, err := step2(t, h, input, called); err != nil {
			got += " ✗ " + err.Error()
		} else {
			got += " → " + out
		}
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

// testHost is a small world with the limits in header: "world open=2 bytes=9".
func testHost(t testing.TB, header string) *Host {
	t.Helper()
	c := Config{
		Args:  []string{"program", "-v", "\xff"},
		Env:   []string{"B=2=3", "A=1", "E="},
		Stdin: []byte("hello world"),
		Files: []File{{"in/a.txt", []byte("alpha")}, {"in/b.txt", []byte("beta")}, {"c.txt", nil}},
		Seed:  [32]byte{1},
	}
	for _, word := range strings.Fields(header)[1:] {
		key, value, ok := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		if !ok || err != nil {
			continue // a word of explanation
		}
		switch key {
		case "open":
			c.MaxOpen = n
		case "bytes":
			c.MaxBytes = int64(n)
		case "output":
			c.MaxOutput = n
		default:
			t.Fatalf("unknown limit %q", key)
		}
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// step2 is one row of a transcript.
func step2(t *testing.T, h *Host, input string, called map[string]bool) (string, error) {
	t.Helper()
	name, text, _ := strings.Cut(input, " ")
	args, err := ipld.DecodeJSON([]byte("[" + fromText(text) + "]"))
	if err != nil {
		t.Fatalf("%s: %v", input, err)
	}
	switch name {
	case "drop":
		index, _ := args.Elems()[0].AsUint64()
		return "dropped", h.DropHandle(uint32(index))
	case "result":
		return resultText(h.Result()), nil
	}
	full := fullName(name)
	called[full] = true
	f := mustFunc2(t, full)
	v, err := f.Call(h, args.Elems())
	if err == nil && !fits2(f.Type.Result, v) {
		t.Errorf("%s: %s is no %s", input, v, f.Type.Result)
	}
	return toText(v.String()), err
}

// fullName is the only one of all2 that name stands for: "descriptor.read", or
// with the interface "wall-clock/now".
func fullName(name string) string {
	var found []string
	for _, full := range all2() {
		iface, fn, _ := strings.Cut(full, "#")
		fn = strings.TrimPrefix(fn, "[method]")
		if _, short, _ := strings.Cut(iface, "/"); fn == name || short+"/"+fn == name {
			found = append(found, full)
		}
	}
	if len(found) != 1 {
		return name
	}
	return found[0]
}

// fits2 is fits for results, which can be of more types than arguments.
func fits2(t *wit.Type, v ipld.Value) bool {
	if t == nil {
		return v.IsNull()
	}
	switch {
	case t.Kind == wit.S32:
		i, ok := v.AsInt64()
		return ok && i == int64(int32(i))
	case t.Kind == wit.Tuple:
		for i, e := range v.Elems() {
			if i >= len(t.Items) || !fits2(t.Items[i], e) {
				return false
			}
		}
		return v.Kind() == ipld.KindList && v.Len() == len(t.Items)
	case t.Kind == wit.List && t.Elem.Kind == wit.Tuple:
		return v.Kind() == ipld.KindList && !slices.ContainsFunc(v.Elems(), func(e ipld.Value) bool { return !fits2(t.Elem, e) })
	case t.Kind == wit.Result:
		e, ok := v.Sole()
		return ok && (e.Key == "ok" && fits2(t.Elem, e.Value) || e.Key == "error" && fits2(t.Err, e.Value))
	case t.Kind == wit.Record:
		for _, f := range t.Fields {
			if e, ok := v.Lookup(f.Name); !ok || !fits2(f.Type, e) {
				return false
			}
		}
		return v.Len() == len(t.Fields)
	}
	return fits(t, v)
}

var (
	bytesText = regexp.MustCompile(`(?:^| )b"[^"]*"`)
	bytesJSON = regexp.MustCompile(`\{"/":\{"bytes":"([^"]*)"\}\}`)
)

// fromText and toText replace b"text" by the DAG-JSON of those bytes and back,
// where they are text.
func fromText(s string) string {
	return bytesText.ReplaceAllStringFunc(s, func(b string) string {
		_, text, _ := strings.Cut(b, `b"`)
		return " " + ipld.Bytes([]byte(strings.TrimSuffix(text, `"`))).String()
	})
}

func toText(s string) string {
	return bytesJSON.ReplaceAllStringFunc(s, func(b string) string {
		text, err := base64.RawStdEncoding.DecodeString(bytesJSON.FindStringSubmatch(b)[1])
		if err != nil || strings.ContainsFunc(string(text), func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
			return b
		}
		return `b"` + string(text) + `"`
	})
}

func resultText(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "stdout %q stderr %q", r.Stdout, r.Stderr)
	for _, f := range r.Files {
		fmt.Fprintf(&b, " %s %q", f.Path, f.Data)
	}
	return b.String()
}
