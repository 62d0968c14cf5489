package engine_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// compilerWord makes the test binary the process that compiles.
const compilerWord = "compiler-process"

// TestCompilingIsNoTaskTime runs a function with a time limit that is far shorter
// than what its module takes to compile.
func TestCompilingIsNoTaskTime(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const slow, limit = 2 * time.Second, time.Second
	w := ipvmtest.NewWasm(t, wasm.Config{Compiler: []string{"/bin/sh", "-c", "sleep 2; exec " + self + " " + compilerWord}})
	r := newRig(t, ipvmtest.Options{Wasm: w})
	large := "(module (func (export \"f\") (result i32) " + strings.Repeat("nop ", 4096) + "(i32.const 7)))"
	r.guest = `{"/": "` + r.Import(t, wasmtest.Compile(t, large)).String() + `"}`
	began := time.Now()
	j := r.one(t, "f(), time: "+limit.String())
	if took := time.Since(began); took < slow {
		t.Fatalf("the module was compiled in %s", took)
	}
	if kindOf(j.Outcome) != "ok" || j.Limits.Time != limit {
		t.Errorf("%s: %v within %s", kindOf(j.Outcome), j.Outcome.Failure, j.Limits.Time)
	}
}
