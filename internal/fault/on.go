//go:build faults

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Enabled tells whether this build has fault points.
const Enabled = true

// Point marks a place at which the process dies by SIGKILL when IPVM_FAULT says
// so.
func Point(name string) {
	left, ok := plan()[name]
	if ok && left.Add(-1) == 0 {
		kill()
	}
}

// Named tells whether IPVM_FAULT says point=name.
func Named(point, name string) bool {
	_, ok := plan()[point+"="+name]
	return ok
}

// plan reads IPVM_FAULT once: how many passes each point still has.
var plan = sync.OnceValue(func() map[string]*atomic.Int64 {
	p, err := parse(os.Getenv("IPVM_FAULT"))
	if err != nil {
		panic(err)
	}
	return p
})

func parse(text string) (map[string]*atomic.Int64, error) {
	p := make(map[string]*atomic.Int64)
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		name, count, found := strings.Cut(part, ":")
		n := int64(1)
		if found {
			var err error
			if n, err = strconv.ParseInt(count, 10, 64); err != nil || n < 1 {
				return nil, fmt.Errorf("fault: IPVM_FAULT %q: want name or name:n with n from 1", part)
			}
		}
		p[name] = new(atomic.Int64)
		p[name].Store(n)
	}
	return p, nil
}

// kill ends the process as a power cut would, without running anything.
func kill() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(fmt.Sprintf("fault: %v", err))
	}
	select {} // the signal is on its way
}
