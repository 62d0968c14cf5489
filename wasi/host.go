package wasi

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Host is the world of one run of one program. It belongs to one goroutine.
type Host struct {
	args, env []string
	given     []File // by path
	clock     clock
	fs        *fileSystem
	stdin     input
	stdout    output
	stderr    output
	random    *rand.ChaCha8
	p1        preview1
	handles   handles // of WASI 0.2
}

// New builds the world that c describes. Its error names an argument, a
// variable or a file that cannot be: a path that is empty, has a part "", "." or
// "..", is there twice or lies below a file. A slash before a path is ignored.
func New(c Config) (*Host, error) {
	c.setDefaults()
	if err := c.checkStrings(); err != nil {
		return nil, err
	}
	given, err := c.sortedFiles()
	if err != nil {
		return nil, err
	}
	h := &Host{
		args: c.Args, env: c.Env, given: given,
		stdin:  input{c.Stdin},
		stdout: output{sink: c.Stdout, room: c.MaxOutput},
		stderr: output{sink: c.Stderr, room: c.MaxOutput},
		random: rand.NewChaCha8(c.Seed),
	}
	h.fs = newFileSystem(&h.clock, math.MaxInt64, math.MaxInt, c.MaxOpen)
	for _, f := range given {
		if err := h.fs.place(f); err != nil {
			return nil, err
		}
	}
	h.fs.bytes, h.fs.entries = c.MaxBytes, c.MaxEntries
	h.p1.start(h)
	return h, nil
}

// place puts a file that was given, and the directories above it, into fs.
func (fs *fileSystem) place(f File) error {
	dir, rest := fs.root, f.Path
	for {
		name, below, deeper := strings.Cut(rest, "/")
		p := place{dir: dir, name: name, node: dir.entries[name]}
		switch {
		case !deeper && p.node != nil:
			return fmt.Errorf("file %q: the path is there twice", f.Path)
		case !deeper:
			n := fs.newNode(regularFile)
			n.data, n.shared = f.Data, true
			fs.attach(p, n) // checkFilePath has seen to its length
			return nil
		case p.node == nil:
			p.node = fs.newNode(directory)
			fs.attach(p, p.node)
		case p.node.kind != directory:
			return fmt.Errorf("file %q: %q is a file, not a directory", f.Path, strings.TrimSuffix(f.Path, "/"+below))
		}
		dir, rest = p.node, below
	}
}

// Exit ends a program that asked for it. It is no failure of the host.
type Exit struct {
	Code uint32 // 0 by custom for success
}

func (e *Exit) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// Result is what a program left behind.
type Result struct {
	// Stdout and Stderr are empty where [Config] has a sink for them.
	Stdout, Stderr []byte
	// Files are the files that the program made or changed, by path. A file that
	// was given is among them if its bytes differ from those given at that path,
	// or if it came to another path; not if it was rewritten with equal bytes. A
	// file with several names is there once for each. Directories, symbolic
	// links and what was deleted are not there.
	Files []File
}

// Result is what the program has left behind so far. Its bytes are shared with
// the host and with the [Config]; nobody may change them.
func (h *Host) Result() Result {
	return Result{h.stdout.kept, h.stderr.kept, h.changed(nil, h.fs.root, "")}
}

// changed appends the new and changed files of a directory to files.
func (h *Host) changed(files []File, dir *node, prefix string) []File {
	// A directory sorts as if its name ended in a slash, as its files do.
	names := dir.list()
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(dir.sortName(a), dir.sortName(b))
	})
	for _, name := range names {
		switch n, path := dir.entries[name], prefix+name; n.kind {
		case directory:
			files = h.changed(files, n, path+"/")
		case regularFile:
			if !h.hasGiven(path, n.data) {
				files = append(files, File{path, n.data})
			}
		}
	}
	return files
}

func (n *node) sortName(name string) string {
	if n.entries[name].kind == directory {
		return name + "/"
	}
	return name
}

// hasGiven says whether a file of these bytes was given at path.
func (h *Host) hasGiven(path string, data []byte) bool {
	i, ok := slices.BinarySearchFunc(h.given, path, func(f File, path string) int {
		return strings.Compare(f.Path, path)
	})
	if !ok || len(h.given[i].Data) != len(data) {
		return false
	}
	given := h.given[i].Data
	return len(data) == 0 || &given[0] == &data[0] || bytes.Equal(given, data)
}
