//go:build cgo

package wasmtest

/*
#include <stdlib.h>

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
struct wasmtime_error;
struct wasmtime_error *wasmtime_wat2wasm(const char *, size_t, wasm_byte_vec_t *);
void wasmtime_error_message(const struct wasmtime_error *, wasm_byte_vec_t *);
void wasmtime_error_delete(struct wasmtime_error *);
void wasm_byte_vec_delete(wasm_byte_vec_t *);
*/
import "C"

import (
	"errors"
	"testing"
	"unsafe"

	_ "github.com/bytecodealliance/wasmtime-go/v44" // the static library and how to link it
)

// Compile returns the binary of a component or module given as text; a fault
// in the text fails the test.
func Compile(tb testing.TB, wat string) []byte {
	tb.Helper()
	code, err := compile(wat)
	if err != nil {
		tb.Fatal(err)
	}
	return code
}

func compile(wat string) ([]byte, error) {
	var vec C.wasm_byte_vec_t
	src := append([]byte(wat), 0)
	if err := C.wasmtime_wat2wasm((*C.char)(unsafe.Pointer(&src[0])), C.size_t(len(wat)), &vec); err != nil {
		C.wasmtime_error_message(err, &vec)
		C.wasmtime_error_delete(err)
		defer C.wasm_byte_vec_delete(&vec)
		return nil, errors.New(C.GoStringN(vec.data, C.int(vec.size)))
	}
	defer C.wasm_byte_vec_delete(&vec)
	return C.GoBytes(unsafe.Pointer(vec.data), C.int(vec.size)), nil
}
