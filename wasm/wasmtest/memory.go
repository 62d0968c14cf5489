//go:build cgo

package wasmtest

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void give_back(void) { malloc_trim(0); }
#else
static void give_back(void) {}
#endif
*/
import "C"

import (
	"runtime"
	"runtime/debug"
)

// FreeOSMemory gives all that is free back to the system, of Go's heap and of
// C's where that is glibc's.
func FreeOSMemory() {
	runtime.GC() // pools are empty after two collections
	debug.FreeOSMemory()
	C.give_back()
}
