//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"
)

// How a compiler process ends, beside being killed.
const (
	compilerDone    = 0  // machine code was written
	compilerRefused = 9  // the engine's reason against the code was written
	compilerFailed  = 10 // neither; standard error says why
)

// order is what a compiler process is asked for, in one line before the code.
type order struct {
	core   bool
	size   int // of the code
	tight  bool
	memory uint64        // most memory, in bytes
	cpu    time.Duration // most time of processors
	// config is what the machine code is for, as [cacheConfig] has it.
	config string
}

const orderForm = "ipvm-compile %t %d %t %d %d %q\n"

func (o order) String() string {
	return fmt.Sprintf(orderForm, o.core, o.size, o.tight, o.memory, o.cpu, o.config)
}

func readOrder(r *bufio.Reader) (o order, err error) {
	line, err := r.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscanf(line, orderForm, &o.core, &o.size, &o.tight, &o.memory, &o.cpu, &o.config)
	}
	if err == nil && (o.size < 0 || o.config != cacheConfig(o.tight)) {
		err = fmt.Errorf("this compiler makes code for %s", cacheConfig(o.tight))
	}
	return o, err
}

// Compiler is a compiler process, which [Config.Compiler] starts: it takes an
// order from in, bounds its own process as the order says, writes machine code
// to out and returns the status to exit with. It is meant to be all that its
// process does.
func Compiler(in io.Reader, out, errOut io.Writer) int {
	status, err := answer(bufio.NewReader(in), out)
	if err != nil {
		fmt.Fprintln(errOut, "compiler:", err)
		return compilerFailed
	}
	return status
}

func answer(in *bufio.Reader, out io.Writer) (status int, err error) {
	detach()
	o, err := readOrder(in)
	if err != nil {
		return 0, err
	}
	if err := boundCompiler(o.memory, o.cpu); err != nil {
		return 0, err
	}
	code := make([]byte, o.size)
	if _, err := io.ReadFull(in, code); err != nil {
		return 0, fmt.Errorf("read the code: %w", err)
	}
	settings := engineSettings(o.tight)
	engine := C.ipvm_engine_new(&settings)
	if engine == nil {
		return 0, errors.New("the WebAssembly engine does not start")
	}
	vec, refusal := compileWith(engine, code, o.core)
	if refusal != "" {
		_, err := io.WriteString(out, refusal)
		return compilerRefused, err
	}
	_, err = out.Write(machineCode(vec))
	return compilerDone, err
}

// compileWith makes machine code of code, a core module or a component, or
// gives the engine's reason against it.
func compileWith(engine *C.wasm_engine_t, code []byte, core bool) (vec C.wasm_byte_vec_t, refusal string) {
	var buf C.ipvm_buf
	var rc C.int
	at, size := (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(code))), C.size_t(len(code))
	if core {
		rc = C.ipvm_compile_core(engine, at, size, &vec, &buf)
	} else {
		rc = C.ipvm_compile(engine, at, size, &vec, &buf)
	}
	if rc != 0 {
		return vec, text(&buf)
	}
	return vec, ""
}

// machineCode is vec as Go's bytes, without what nobody needs.
func machineCode(vec C.wasm_byte_vec_t) []byte {
	return slim(unsafe.Slice((*byte)(unsafe.Pointer(vec.data)), int(vec.size)))
}
