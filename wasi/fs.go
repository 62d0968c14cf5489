package wasi

import (
	"maps"
	"slices"
)

// Bounds of every file system. Those that a caller can choose are in [Config].
const (
	maxName  = 255  // bytes of one name
	maxPath  = 4096 // bytes of a path, also of the longest one from the root
	maxLinks = 40   // symbolic links followed for one path
	// entryBytes is what an entry of a directory counts against the bytes that a
	// program may have, beside its name.
	entryBytes = 64
)

// nodeKind is the kind of a node; the numbers are those of preview 1's filetype.
type nodeKind uint8

const (
	directory   nodeKind = 3
	regularFile nodeKind = 4
	symlink     nodeKind = 7
)

// node is a directory, a file or a symbolic link. Its numbers and times depend
// on nothing but what the program did.
type node struct {
	kind  nodeKind
	ino   uint64 // counted from 1, the root
	links int    // entries that lead here; 0 for what was removed
	opens int    // descriptors that hold it

	atim, mtim, ctim uint64 // nanoseconds since 1970

	// Of a directory.
	entries map[string]*node
	parent  *node  // itself for the root
	name    string // in the parent; "" for the root

	// Of a file. Shared data belongs to someone else and is never written to.
	data   []byte
	shared bool

	// Of a symbolic link.
	target string
}

// fileSystem is a tree of nodes with a bound on what it keeps. All functions
// that take a path take it relative to a directory, and none leads out of that
// directory: neither by "..", nor by a symbolic link.
type fileSystem struct {
	clock *clock
	root  *node
	inos  uint64 // numbers given out

	bytes   int64 // that may still be kept
	entries int   // that may still be made
	opens   int   // nodes that may still be held
}

// newFileSystem returns an empty one.
func newFileSystem(c *clock, bytes int64, entries, opens int) *fileSystem {
	fs := &fileSystem{clock: c, bytes: bytes, entries: entries, opens: opens}
	fs.root = fs.newNode(directory)
	fs.root.links, fs.root.parent = 1, fs.root
	return fs
}

func (fs *fileSystem) newNode(kind nodeKind) *node {
	fs.inos++
	now := fs.clock.wall()
	n := &node{kind: kind, ino: fs.inos, atim: now, mtim: now, ctim: now}
	if kind == directory {
		n.entries = map[string]*node{}
	}
	return n
}

// hold keeps a node alive for a descriptor until [fileSystem.release]. It fails
// with errMFile where too many are held.
func (fs *fileSystem) hold(n *node) errno {
	if fs.opens == 0 {
		return errMFile
	}
	fs.opens--
	n.opens++
	return success
}

// release undoes one hold.
func (fs *fileSystem) release(n *node) {
	fs.opens++
	n.opens--
	fs.drop(n)
}

// charge takes n bytes of the bound; a negative n gives them back.
func (fs *fileSystem) charge(n int64) errno {
	if n > fs.bytes {
		return errNoSpace
	}
	fs.bytes -= n
	return success
}

// attach puts n at a place where nothing is.
func (fs *fileSystem) attach(p place, n *node) errno {
	switch {
	case p.dir.links == 0:
		return errNoEnt
	case p.dir.pathLen()+1+len(p.name) > maxPath:
		return errNameLong
	case fs.entries == 0:
		return errNoSpace
	}
	if e := fs.charge(entryCost(p.name)); e != success {
		return e
	}
	fs.entries--
	p.dir.entries[p.name] = n
	n.links++
	if n.kind == directory {
		n.parent, n.name = p.dir, p.name
	}
	fs.touch(p.dir)
	return success
}

// detach takes away what is at p.
func (fs *fileSystem) detach(p place) {
	delete(p.dir.entries, p.name)
	fs.entries++
	fs.charge(-entryCost(p.name))
	fs.touch(p.dir)
	p.node.links--
	p.node.ctim = fs.clock.wall()
	fs.drop(p.node)
}

// drop gives back the bytes of a node that can no longer be reached.
func (fs *fileSystem) drop(n *node) {
	if n.links > 0 || n.opens > 0 {
		return
	}
	if !n.shared {
		fs.charge(-int64(len(n.data)))
	}
	fs.charge(-int64(len(n.target)))
	n.data, n.target = nil, ""
}

// touch notes that the content of n changed.
func (fs *fileSystem) touch(n *node) {
	n.mtim = fs.clock.wall()
	n.ctim = n.mtim
}

func entryCost(name string) int64 { return int64(len(name)) + entryBytes }

// size is what stat tells: the bytes of a file or of a link's target.
func (n *node) size() uint64 {
	if n.kind == symlink {
		return uint64(len(n.target))
	}
	return uint64(len(n.data))
}

// pathLen is the length of the absolute path of a directory, 0 for the root.
func (n *node) pathLen() int {
	length := 0
	for n.parent != n {
		length += 1 + len(n.name)
		n = n.parent
	}
	return length
}

// list is the names of a directory in byte order, without "." and "..".
func (n *node) list() []string {
	return slices.Sorted(maps.Keys(n.entries))
}
