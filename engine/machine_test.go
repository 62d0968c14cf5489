package engine

import "testing"

func TestMachineMemory(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       16384 kB\nMemFree:         1 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing":      {nil, 0},
		"the machine":  {map[string]string{"/proc/meminfo": meminfo}, 16 << 20},
		"not a number": {map[string]string{"/proc/meminfo": "MemTotal: much kB\n"}, 0},
		"no limit":     {map[string]string{"/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n"}, 16 << 20},
		"a group": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "8388608\n",
		}, 8 << 20},
		"a group around it": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "4194304\n", "/sys/fs/cgroup/a/b/memory.max": "8388608\n",
		}, 4 << 20},
		"a container": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "4194304\n",
		}, 4 << 20},
		"version 1": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2097152\n",
		}, 2 << 20},
		"version 1 without a limit": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "4:memory:/\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 16 << 20},
		"more than the machine has": {map[string]string{
			"/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "99999999999\n",
		}, 16 << 20},
	} {
		if got := memoryOf(func(file string) string { return test.files[file] }); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
