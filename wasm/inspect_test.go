package wasm

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/task"
)

// rawModule is a core module of sections, each its number and its content.
func rawModule(sections ...string) []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		out = append(out, s[0], byte(len(s)-1))
		out = append(out, s[1:]...)
	}
	return out
}

func TestInspect(t *testing.T) {
	t.Parallel()
	const (
		types    = "\x01\x02\x60\x00\x00\x60\x02\x7f\x7f\x01\x7f" // func(), func(i32, i32) -> i32
		function = "\x03\x01\x00"
		code     = "\x0a\x01\x02\x00\x0b"
	)
	tests := []struct {
		name string
		code []byte
		want About
		fail string // kind and beginning
	}{
		{"text", []byte("(module)"), About{}, "malformed: not WebAssembly"},
		{"version", []byte("\x00asm\x0e\x00\x01\x00"), About{}, "unsupported: WebAssembly of version 0e000100"},
		{
			"core", rawModule(types, function, "\x05\x01\x01\x02\x03", "\x07\x01\x01f\x00\x00", code),
			About{Form: FormCore, Path: PathDirect, MinMemory: 128 << 10, MaxMemory: 192 << 10, HasMax: true},
			"",
		},
		{
			"command with random numbers",
			rawModule(types, "\x02\x01\x16wasi_snapshot_preview1\x0arandom_get\x00\x01", function, "\x05\x01\x00\x01", "\x07\x01\x06_start\x00\x01", code),
			About{Form: FormCommand, Path: PathDirect, Imports: []string{"wasi_snapshot_preview1#random_get"}, MinMemory: 64 << 10, Random: true},
			"",
		},
		{
			"not offered", rawModule(types, "\x02\x01\x03env\x02no\x00\x00", function, "\x07\x01\x01f\x00\x01", code),
			About{Form: FormCore, Path: PathDirect, Imports: []string{"env#no"}, HasMax: true},
			"unsupported: the module imports env#no; offered are",
		},
		{
			"shared memory", rawModule("\x05\x01\x03\x01\x02"),
			About{Form: FormCore},
			"unsupported: a core module that does not run here: section 5: it uses a feature that is off: a memory that is shared",
		},
		{"cut off", rawModule("\x05\x01"), About{Form: FormCore}, "unsupported: a core module that does not run here: section 5: bytes out of place"},
		{"broken", []byte("\x00asm\x01\x00\x00\x00\x01\x7f"), About{Form: FormCore}, "unsupported: a core module that does not run here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, failure := Inspect(tt.code)
			got.Interface.Funcs = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if why := failureText(failure); why != tt.fail && (tt.fail == "" || !strings.HasPrefix(why, tt.fail)) {
				t.Errorf("the failure is %q", why)
			}
		})
	}
}

func failureText(f *task.Failure) string {
	if f == nil {
		return ""
	}
	return f.String()
}

func TestInspectComponent(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../examples/names/full-name.wasm")
	if err != nil {
		t.Fatal(err)
	}
	about, failure := Inspect(code)
	if failure != nil || about.Form != FormComponent || about.Path != PathDirect || about.Random {
		t.Errorf("%+v, %v", about, failure)
	}
	if f, err := about.Interface.Find("full-name"); err != nil || f.String() != "full-name: func(first-name: string, last-name: string) -> string" {
		t.Errorf("%v, %v", f, err)
	}
}
