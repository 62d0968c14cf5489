package wasi

// Func1 is one function of WASI preview 1.
type Func1 struct {
	// Params and Results are its core types, one letter each: i for i32, I for
	// i64. A Results of "i" is the errno; "" is a function that does not return.
	Params, Results string
	// Call runs the function for the program that h is the world of. It may use
	// mem, the program's memory, during the call, and touches nothing outside it;
	// a program that points outside gets the errno fault. The args are as many as
	// Params, an i32 in the low half. A non-nil err, which is an [*Exit], ends the
	// program.
	Call func(h *Host, mem []byte, args []uint64) (errno uint32, err error)
}

// The modules from which programs import preview 1.
const (
	snapshot1 = "wasi_snapshot_preview1"
	snapshot0 = "wasi_unstable" // of 2019; its differences are handled
)

// Preview1 returns a function of WASI preview 1 by the names under which a
// program imports it.
func Preview1(module, name string) (Func1, bool) {
	f, ok := functions1[name]
	if !ok || module != snapshot1 && (module != snapshot0 || name == "sock_accept") {
		return Func1{}, false
	}
	if name == "proc_exit" {
		return Func1{Params: "i", Call: procExit}, true
	}
	old := module == snapshot0
	return Func1{f.params, "i", func(h *Host, mem []byte, args []uint64) (uint32, error) {
		return uint32(f.run(call1{h, mem, args, old})), nil
	}}, true
}

// call1 is one call of a function.
type call1 struct {
	*Host
	mem  memory
	args []uint64
	old  bool // the program was made for snapshot 0
}

func (c call1) u32(i int) uint32 { return uint32(c.args[i]) }
func (c call1) u64(i int) uint64 { return c.args[i] }

type function1 struct {
	params string
	run    func(call1) errno
}

// functions1 are the functions of preview 1 by name.
var functions1 = map[string]function1{
	"args_get":                {"ii", argsGet},
	"args_sizes_get":          {"ii", argsSizesGet},
	"clock_res_get":           {"ii", clockResGet},
	"clock_time_get":          {"iIi", clockTimeGet},
	"environ_get":             {"ii", environGet},
	"environ_sizes_get":       {"ii", environSizesGet},
	"fd_advise":               {"iIIi", fdAdvise},
	"fd_allocate":             {"iII", fdAllocate},
	"fd_close":                {"i", fdClose},
	"fd_datasync":             {"i", fdDatasync},
	"fd_fdstat_get":           {"ii", fdFdstatGet},
	"fd_fdstat_set_flags":     {"ii", fdFdstatSetFlags},
	"fd_fdstat_set_rights":    {"iII", fdFdstatSetRights},
	"fd_filestat_get":         {"ii", fdFilestatGet},
	"fd_filestat_set_size":    {"iI", fdFilestatSetSize},
	"fd_filestat_set_times":   {"iIIi", fdFilestatSetTimes},
	"fd_pread":                {"iiiIi", fdPread},
	"fd_prestat_dir_name":     {"iii", fdPrestatDirName},
	"fd_prestat_get":          {"ii", fdPrestatGet},
	"fd_pwrite":               {"iiiIi", fdPwrite},
	"fd_read":                 {"iiii", fdRead},
	"fd_readdir":              {"iiiIi", fdReaddir},
	"fd_renumber":             {"ii", fdRenumber},
	"fd_seek":                 {"iIii", fdSeek},
	"fd_sync":                 {"i", fdSync},
	"fd_tell":                 {"ii", fdTell},
	"fd_write":                {"iiii", fdWrite},
	"path_create_directory":   {"iii", pathCreateDirectory},
	"path_filestat_get":       {"iiiii", pathFilestatGet},
	"path_filestat_set_times": {"iiiiIIi", pathFilestatSetTimes},
	"path_link":               {"iiiiiii", pathLink},
	"path_open":               {"iiiiiIIii", pathOpen},
	"path_readlink":           {"iiiiii", pathReadlink},
	"path_remove_directory":   {"iii", pathRemoveDirectory},
	"path_rename":             {"iiiiii", pathRename},
	"path_symlink":            {"iiiii", pathSymlink},
	"path_unlink_file":        {"iii", pathUnlinkFile},
	"poll_oneoff":             {"iiii", pollOneoff},
	"proc_exit":               {"i", nil},
	"proc_raise":              {"i", procRaise},
	"random_get":              {"ii", randomGet},
	"sched_yield":             {"", schedYield},
	"sock_accept":             {"iii", notSocket},
	"sock_recv":               {"iiiiii", notSocket},
	"sock_send":               {"iiiii", notSocket},
	"sock_shutdown":           {"ii", notSocket},
}
