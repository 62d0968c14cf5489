package wasi

// rename moves what is at one path to another. It replaces a file by a file and
// an empty directory by a directory; two names of one file stay as they are.
func (fs *fileSystem) rename(oldBase *node, oldPath string, newBase *node, newPath string) errno {
	from, e := fs.walk(oldBase, oldPath, false)
	switch {
	case e != success:
		return e
	case from.node == nil:
		return errNoEnt
	case from.dots():
		return errBusy
	case from.slash && from.node.kind != directory:
		return errNotDir
	}
	to, e := fs.walk(newBase, newPath, false)
	if e != success {
		return e
	}
	if e := checkMove(from, to); e != success || from.node == to.node {
		return e
	}
	return fs.move(from, to)
}

// checkMove says why from cannot move to to.
func checkMove(from, to place) errno {
	isDir := from.node.kind == directory
	switch {
	case to.dots():
		return errBusy
	case to.dir.links == 0:
		return errNoEnt
	case isDir && inside(to.dir, from.node):
		return errInval
	case isDir && to.dir.pathLen()+1+len(to.name)+from.node.longest() > maxPath:
		return errNameLong
	case to.node == nil && to.slash && !isDir:
		return errNotDir
	case to.node == nil || to.node == from.node:
		return success
	case isDir && to.node.kind != directory:
		return errNotDir
	case isDir && len(to.node.entries) > 0:
		return errNotEmpty
	case !isDir && to.node.kind == directory:
		return errIsDir
	case !isDir && to.slash:
		return errNotDir
	}
	return success
}

// move carries out what [checkMove] allowed. Only the new name can make it fail,
// and then nothing has happened.
func (fs *fileSystem) move(from, to place) errno {
	if to.node != nil {
		// The name is there already, so attaching again cannot fail.
		fs.detach(to)
	}
	fs.entries++ // the old entry goes as the new one comes
	e := fs.attach(to, from.node)
	fs.entries--
	if e != success {
		return e
	}
	// A directory knows its new parent by now; only the old entry goes.
	fs.detach(from)
	return success
}

// inside says whether n is dir or below it.
func inside(n, dir *node) bool {
	for n != dir {
		if n.parent == n {
			return false
		}
		n = n.parent
	}
	return true
}

// longest is the length of the longest path below a directory, counted from
// it, each name with its slash.
func (n *node) longest() int {
	length := 0
	for name, child := range n.entries {
		below := 0
		if child.kind == directory {
			below = child.longest()
		}
		length = max(length, 1+len(name)+below)
	}
	return length
}
