package engine

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// machineMemory is how much memory this process can have at most, as Linux tells
// it: that of the machine, or of the control group with the lowest limit that the
// process is in. It is 0 where nothing tells.
func machineMemory() uint64 {
	return memoryOf(func(name string) string {
		data, _ := os.ReadFile(name)
		return string(data)
	})
}

// memoryOf is machineMemory, told by files that are empty where there are none.
func memoryOf(read func(name string) string) uint64 {
	var least uint64
	take := func(bytes uint64) {
		if bytes > 0 && (least == 0 || bytes < least) {
			least = bytes
		}
	}
	for line := range strings.Lines(read("/proc/meminfo")) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			kib, _ := strconv.ParseUint(f[1], 10, 53)
			take(kib << 10)
		}
	}
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max" // of version 2
		switch f[1] {
		case "":
		case "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + f[2]); ; group = path.Dir(group) {
			limit, _ := strconv.ParseUint(strings.TrimSpace(read(path.Join(root, group, file))), 10, 64) // "max" is none
			take(limit)
			if group == "/" {
				break
			}
		}
	}
	return least
}
