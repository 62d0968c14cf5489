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

// Takes and frees all that glibc keeps for a thread, seven free pieces of each
// of 64 sizes, and touches as much of the stack.
static void fill_thread(size_t stack) {
	enum { SIZES = 64, PIECES = 7 };
	volatile char deep[stack];
	for (size_t i = 0; i < stack; i += 1024) deep[i] = 1;
	void *p[SIZES][PIECES];
	for (int i = 0; i < SIZES; i++)
		for (int k = 0; k < PIECES; k++) p[i][k] = malloc(24 + 16 * i);
	for (int i = 0; i < SIZES; i++)
		for (int k = 0; k < PIECES; k++) free(p[i][k]);
}
*/
import "C"

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// FreeOSMemory gives all that is free back to the system, of Go's heap and of
// C's where that is glibc's. Nothing else should run meanwhile.
func FreeOSMemory() {
	for range 20 {
		runtime.KeepAlive(make([]byte, 32<<20)) // now and then free pages are overlooked that are above the last one that became free
		runtime.GC()                            // pools are empty after two collections
		n := runtime.GOMAXPROCS(1)              // a processor that is no more gives up the pages it keeps
		debug.FreeOSMemory()
		runtime.GOMAXPROCS(n)
		if idle() == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	C.give_back()
}

// idle is how much of Go's heap is free and not given back, in bytes.
func idle() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// FillThreads has n threads at once take what C's malloc keeps for a thread and
// stack bytes of their stack, so that they take no more later on.
func FillThreads(n, stack int) {
	var all, filled sync.WaitGroup
	filled.Add(n)
	for range n {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			C.fill_thread(C.size_t(stack))
			filled.Done()
			filled.Wait()
		})
	}
	all.Wait()
}
