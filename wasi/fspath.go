package wasi

import (
	"strings"
	"unicode/utf8"
)

// place is where a path leads: a name in a directory, and what is there.
type place struct {
	dir   *node
	name  string // "." or ".." when the path ended so; then dir is not its directory
	node  *node  // nil when nothing is there
	slash bool   // the path ended in a slash, so a directory was meant
}

// dots says whether the path ended in "." or "..", which name no entry.
func (p place) dots() bool { return p.name == "." || p.name == ".." }

// walk follows path from base. A symbolic link at the end is followed only if
// follow is set; others always are. Where the last name does not exist, walk
// succeeds with a nil node.
//
// It fails with errPerm for a path that is absolute or leads out of base.
func (fs *fileSystem) walk(base *node, path string, follow bool) (place, errno) {
	if e := checkPath(path); e != success {
		return place{}, e
	}
	dir, depth, links := base, 0, 0
	for {
		name, rest, slash := cutName(path)
		if len(name) > maxName {
			return place{}, errNameLong
		}
		n, last := step(dir, name), rest == ""
		switch {
		case name == ".." && depth == 0:
			return place{}, errPerm
		case n == nil && !last:
			return place{}, errNoEnt
		case n != nil && n.kind == symlink && (!last || follow):
			if links++; links > maxLinks {
				return place{}, errLoop
			}
			if path = n.target; slash {
				path += "/" + rest
			}
			continue
		case last:
			return place{dir, name, n, slash}, success
		case n.kind != directory:
			return place{}, errNotDir
		}
		switch name {
		case ".":
		case "..":
			depth--
		default:
			depth++
		}
		dir, path = n, rest
	}
}

// step is what one name leads to, or nil.
func step(dir *node, name string) *node {
	switch name {
	case ".":
		return dir
	case "..":
		return dir.parent
	}
	return dir.entries[name]
}

// cutName splits the first name off a path that does not start with a slash,
// and tells whether a slash followed it.
func cutName(path string) (name, rest string, slash bool) {
	name, rest, slash = strings.Cut(path, "/")
	return name, strings.TrimLeft(rest, "/"), slash
}

// checkPath refuses what no path can be.
func checkPath(path string) errno {
	switch {
	case path == "":
		return errNoEnt
	case len(path) > maxPath:
		return errNameLong
	case path[0] == '/':
		return errPerm
	case strings.IndexByte(path, 0) >= 0:
		return errInval
	case !utf8.ValidString(path):
		return errIlSeq
	}
	return success
}

// lookup is the node at path. A link at its end is followed if follow is set or
// a slash comes after it.
func (fs *fileSystem) lookup(base *node, path string, follow bool) (*node, errno) {
	p, e := fs.walk(base, path, follow || strings.HasSuffix(path, "/"))
	switch {
	case e != success:
		return nil, e
	case p.node == nil:
		return nil, errNoEnt
	case p.slash && p.node.kind != directory:
		return nil, errNotDir
	}
	return p.node, success
}
