//go:build cgo

package wasm

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

const addOne = `(component
	(core module $m (memory 1) (func (export "add-one") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
	(core instance $i (instantiate $m))
	(func (export "add-one") (param "x" s32) (result s32) (canon lift (core func $i "add-one"))))`

// child is the test binary run again under another limit of the process. It
// runs the component in its environment and tells how that went.
func child(code string) int {
	data, err := hex.DecodeString(code)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e, err := New(Config{Calls: 2, CacheDir: os.Getenv("IPVM_WASM_CACHE")})
	if err != nil {
		fmt.Println("New:", err)
		return 0
	}
	defer e.Close()
	m, err := e.Load(context.Background(), ipld.Link{}, data)
	if err != nil {
		fmt.Println("Load:", err)
		return 0
	}
	r, err := m.Run(context.Background(), Call{Func: "add-one", Params: []ipld.Value{ipld.Int(1)}, Limits: roomy})
	fmt.Println("Run:", r.Outcome.Value, r.Outcome.Failure, err, "gas", r.Gas, "pooled", e.Doctor().Pooled)
	return 0
}

func runChild(t *testing.T, shell string, env ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("ulimit is tried on Linux")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", shell+` && exec "$0"`, exe)
	cmd.Env = append(os.Environ(), append(env, "IPVM_WASM_CHILD="+hex.EncodeToString(wasmtest.Compile(t, addOne)))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestProcessLimits(t *testing.T) {
	t.Parallel()
	tests := []struct{ shell, want string }{
		{"true", "Run: 2 <nil> <nil> gas 4 pooled true"},
		{"ulimit -v 20000000", "Run: 2 <nil> <nil> gas 4 pooled false"},
		{"ulimit -v 4000000", "Run: 2 <nil> <nil> gas 4 pooled false"},
		{"ulimit -s 1024", "Run: 2 <nil> <nil> gas 4 pooled true"},
		{"ulimit -s 512", "New: the stack limit of this process is 512 KiB, guests need 1024: raise it with ulimit -s 8192"},
	}
	for _, tt := range tests {
		t.Run(tt.shell, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tt.shell, "ulimit -v") && raceEnabled {
				t.Skip("the race detector needs address space of its own")
			}
			if got := runChild(t, tt.shell); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}
