package wasi

import "strings"

// opening says how a path is opened.
type opening struct {
	follow    bool // a symbolic link at the end of the path
	create    bool // a regular file, if nothing is there
	exclusive bool // with create: fail if something is there
	directory bool // fail if it is not a directory
	truncate  bool // to no bytes
	write     bool // fail if it is a directory
}

// open finds or makes the file or directory at path. The caller holds it.
func (fs *fileSystem) open(base *node, path string, o opening) (*node, errno) {
	if o.directory && (o.create || o.truncate) {
		return nil, errInval
	}
	follow := (o.follow || strings.HasSuffix(path, "/")) && !(o.create && o.exclusive)
	p, e := fs.walk(base, path, follow)
	if e != success {
		return nil, e
	}
	if p.node == nil {
		return fs.createFile(p, o)
	}
	switch {
	case o.create && o.exclusive:
		return nil, errExist
	case p.node.kind == symlink:
		return nil, errLoop
	case p.node.kind != directory && (p.slash || o.directory):
		return nil, errNotDir
	case p.node.kind == directory && (o.create || o.truncate || o.write):
		return nil, errIsDir
	}
	if o.truncate {
		return p.node, fs.resize(p.node, 0)
	}
	return p.node, success
}

func (fs *fileSystem) createFile(p place, o opening) (*node, errno) {
	switch {
	case !o.create:
		return nil, errNoEnt
	case p.slash:
		return nil, errIsDir
	}
	n := fs.newNode(regularFile)
	return n, fs.attach(p, n)
}

// mkdir makes a directory.
func (fs *fileSystem) mkdir(base *node, path string) errno {
	p, e := fs.walk(base, path, false)
	switch {
	case e != success:
		return e
	case p.node != nil:
		return errExist
	}
	return fs.attach(p, fs.newNode(directory))
}

// rmdir removes an empty directory.
func (fs *fileSystem) rmdir(base *node, path string) errno {
	p, e := fs.walk(base, path, false)
	switch {
	case e != success:
		return e
	case p.node == nil:
		return errNoEnt
	case p.node.kind != directory:
		return errNotDir
	case p.name == ".":
		return errInval
	case p.name == ".." || len(p.node.entries) > 0:
		return errNotEmpty
	}
	fs.detach(p)
	return success
}

// unlink removes a file or a symbolic link. Its bytes stay as long as another
// entry leads to it or a descriptor holds it.
func (fs *fileSystem) unlink(base *node, path string) errno {
	p, e := fs.walk(base, path, false)
	switch {
	case e != success:
		return e
	case p.node == nil:
		return errNoEnt
	case p.node.kind == directory:
		return errIsDir
	case p.slash:
		return errNotDir
	}
	fs.detach(p)
	return success
}

// link makes a second entry for a file or a symbolic link.
func (fs *fileSystem) link(oldBase *node, oldPath string, newBase *node, newPath string) errno {
	old, e := fs.walk(oldBase, oldPath, false)
	switch {
	case e != success:
		return e
	case old.node == nil:
		return errNoEnt
	case old.node.kind == directory:
		return errPerm
	case old.slash:
		return errNotDir
	}
	p, e := fs.walk(newBase, newPath, false)
	switch {
	case e != success:
		return e
	case p.node != nil && p.slash && p.node.kind != directory:
		return errNotDir
	case p.node != nil:
		return errExist
	case p.slash:
		return errNoEnt
	}
	if e := fs.attach(p, old.node); e != success {
		return e
	}
	old.node.ctim = fs.clock.wall()
	return success
}

// symlink makes a symbolic link. Its target need not exist, but must be a
// relative path.
func (fs *fileSystem) symlink(target string, base *node, path string) errno {
	if e := checkPath(target); e != success {
		return e
	}
	p, e := fs.walk(base, path, false)
	switch {
	case e != success:
		return e
	case p.node != nil && p.slash && p.node.kind != directory:
		return errNotDir
	case p.node != nil:
		return errExist
	case p.slash:
		return errNoEnt
	}
	if e := fs.charge(int64(len(target))); e != success {
		return e
	}
	n := fs.newNode(symlink)
	n.target = target
	if e := fs.attach(p, n); e != success {
		fs.drop(n)
		return e
	}
	return success
}

// readlink is the target of a symbolic link.
func (fs *fileSystem) readlink(base *node, path string) (string, errno) {
	n, e := fs.lookup(base, path, false)
	switch {
	case e != success:
		return "", e
	case n.kind != symlink:
		return "", errInval
	}
	return n.target, success
}
