//go:build cgo && linux

package wasm

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// deathChild calls a function and dies of a signal, as it is told to. What happens is
// put down in a file.
func deathChild(arg string) int {
	file, how, _ := strings.Cut(arg, ":")
	note, err := mapped(file)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	code, err := hex.DecodeString(os.Getenv("IPVM_WASM_CODE"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e, err := New(Config{Calls: 2})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer e.Close()
	m, err := e.Load(context.Background(), ipld.Link{}, code)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	signal := func(sig syscall.Signal) { _ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), sig) }
	call := Call{Func: "say", Params: []ipld.Value{ipld.String("x")}, Limits: roomy, Died: note}
	call.Log = func(string, string, string) {
		switch how {
		case "inside":
			signal(syscall.SIGABRT)
		case "crash": // a signal that says it is a fault, and is not
			signal(syscall.SIGSEGV)
		case "stranger":
			cmd := exec.Command("kill", "-ABRT", fmt.Sprint(os.Getpid()))
			_ = cmd.Run()
			select {}
		}
	}
	r, err := m.Run(context.Background(), call)
	fmt.Println("ran:", r.Outcome.Failure, err)
	if how == "after" {
		signal(syscall.SIGABRT)
	}
	return 0
}

// mapped is the first number of a file, in memory that outlives the process.
func mapped(file string) (*uint32, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := syscall.Mmap(int(f.Fd()), 0, 4, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*uint32)(unsafe.Pointer(&data[0])), nil
}

// TestDeath kills processes in and outside of calls. Only what the thread that
// runs the call does itself is put down as the call's doing.
func TestDeath(t *testing.T) {
	t.Parallel()
	log := hex.EncodeToString(guest(t, "logging"))
	for how, want := range map[string]uint32{"inside": uint32(syscall.SIGABRT), "crash": 0, "stranger": 0, "after": 0, "not": 0} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "note")
			if err := os.WriteFile(file, make([]byte, 4), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "IPVM_WASM_DEATH="+file+":"+how, "IPVM_WASM_CODE="+log)
			out, err := cmd.CombinedOutput()
			if (err == nil) != (how == "not") {
				t.Errorf("the process ended with %v:\n%.2000s", err, out)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := binary.NativeEndian.Uint32(data); got != want {
				t.Errorf("put down is %d, want %d:\n%.2000s", got, want, out)
			}
		})
	}
}
