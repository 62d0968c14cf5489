//go:build cgo

package wasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestABI compiles wasmtime_abi.h together with the library's own headers,
// which checks every prototype and constant, and compares the layout of every
// struct that crosses.
func TestABI(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/bytecodealliance/wasmtime-go/v44").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	include := filepath.Join(strings.TrimSpace(string(out)), "build", "include")
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "abi.c")
	if err := os.WriteFile(src, []byte(abiSource(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cc, "-std=gnu11", "-Wall", "-Werror", "-fsyntax-only", "-I", include, "-I", here, src)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("our view of the C API differs from the library's: %v\n%s", err, out)
	}
}

// abiSource asserts, under the library's headers, what our own structs measure.
func abiSource(t *testing.T) string {
	t.Helper()
	types := []string{
		"wasm_byte_vec_t", "wasmtime_component_instance_t", "wasmtime_component_func_t", "wasmtime_component_valtype_t",
		"wasmtime_component_item_t", "wasmtime_component_val_t", "wasmtime_component_valrecord_entry_t",
		"wasmtime_component_valunion_t", "wasmtime_component_valvariant_t", "wasmtime_component_valresult_t",
		"wasmtime_extern_t", "wasmtime_func_t", "wasmtime_memory_t", "wasmtime_instance_t", "wasmtime_val_raw_t",
		"wasm_valtype_vec_t", "wasm_exporttype_vec_t",
	}
	offsets := []string{
		"wasm_byte_vec_t, data", "wasmtime_component_valtype_t, of", "wasmtime_component_item_t, of",
		"wasmtime_component_val_t, of", "wasmtime_component_valrecord_entry_t, val",
		"wasmtime_component_valvariant_t, val", "wasmtime_component_valresult_t, val", "wasmtime_extern_t, of",
		"wasm_exporttype_vec_t, data",
	}
	layout := abiLayout()
	if len(layout) != 2*len(types)+len(offsets) {
		t.Fatalf("%d numbers for %d types and %d offsets", len(layout), len(types), len(offsets))
	}
	var b strings.Builder
	b.WriteString("#include <stddef.h>\n#include <wasmtime.h>\n#define IPVM_ABI_CHECK\n#include \"wasmtime_abi.h\"\n")
	assert := func(expr string, want uint64) {
		fmt.Fprintf(&b, "_Static_assert(%s == %d, %q);\n", expr, want, expr)
	}
	for i, name := range types {
		assert("sizeof("+name+")", layout[2*i])
		assert("_Alignof("+name+")", layout[2*i+1])
	}
	for i, name := range offsets {
		assert("offsetof("+name+")", layout[2*len(types)+i])
	}
	for _, c := range constants(t) {
		assert(c.name, c.value)
	}
	return b.String()
}

type constant struct {
	name  string
	value uint64
}

// constants reads the #define lines of our header.
func constants(t *testing.T) []constant {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "wasmtime_abi.h"))
	if err != nil {
		text, err = os.ReadFile("wasmtime_abi.h")
	}
	if err != nil {
		t.Fatal(err)
	}
	out := []constant{{"WASMTIME_STRATEGY_CRANELIFT", 1}, {"WASMTIME_OPT_LEVEL_SPEED", 1}}
	for line := range strings.Lines(string(text)) {
		var c constant
		if n, _ := fmt.Sscanf(line, "#define %s %d", &c.name, &c.value); n == 2 {
			out = append(out, c)
		}
	}
	if len(out) < 50 {
		t.Fatalf("only %d constants found", len(out))
	}
	return out
}
