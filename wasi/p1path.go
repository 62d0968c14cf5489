package wasi

// at reads a descriptor of a directory and a path relative to it from three
// arguments, the first of which is the i-th.
func (c call1) at(i int, need rights) (*node, string, errno) {
	return c.atPath(i, i+1, need)
}

// atPath is like at where the path comes elsewhere.
func (c call1) atPath(fd, path int, need rights) (*node, string, errno) {
	d, e := c.p1.dir(c.u32(fd), need)
	if e != success {
		return nil, "", e
	}
	text, e := c.mem.path(c.u32(path), c.u32(path+1))
	return d.node, text, e
}

// follow reads lookup flags, of which there is one.
func (c call1) follow(i int) (bool, errno) {
	if c.u32(i) > 1 {
		return false, errInval
	}
	return c.u32(i) == 1, success
}

func pathCreateDirectory(c call1) errno {
	base, path, e := c.at(0, rightCreateDirectory)
	if e != success {
		return e
	}
	return c.fs.mkdir(base, path)
}

func pathRemoveDirectory(c call1) errno {
	base, path, e := c.at(0, rightRemoveDirectory)
	if e != success {
		return e
	}
	return c.fs.rmdir(base, path)
}

func pathUnlinkFile(c call1) errno {
	base, path, e := c.at(0, rightUnlinkFile)
	if e != success {
		return e
	}
	return c.fs.unlink(base, path)
}

// found is the node that the arguments of a path with lookup flags name.
func (c call1) found(need rights) (*node, errno) {
	base, path, e := c.atPath(0, 2, need)
	if e != success {
		return nil, e
	}
	follow, e := c.follow(1)
	if e != success {
		return nil, e
	}
	return c.fs.lookup(base, path, follow)
}

func pathFilestatGet(c call1) errno {
	n, e := c.found(rightPathFilestatGet)
	if e != success {
		return e
	}
	return c.putStat(c.u32(4), n)
}

func pathFilestatSetTimes(c call1) errno {
	n, e := c.found(rightPathSetTimes)
	if e != success {
		return e
	}
	return c.setTimes(n, c.u64(4), c.u64(5), c.u32(6))
}

// pathLink makes a hard link, never to what a symbolic link leads to.
func pathLink(c call1) errno {
	oldBase, oldPath, e := c.atPath(0, 2, rightLinkSource)
	if e != success {
		return e
	}
	newBase, newPath, e := c.at(4, rightLinkTarget)
	switch {
	case e != success:
		return e
	case c.u32(1) != 0:
		return errInval
	}
	return c.fs.link(oldBase, oldPath, newBase, newPath)
}

func pathRename(c call1) errno {
	oldBase, oldPath, e := c.at(0, rightRenameSource)
	if e != success {
		return e
	}
	newBase, newPath, e := c.at(3, rightRenameTarget)
	if e != success {
		return e
	}
	return c.fs.rename(oldBase, oldPath, newBase, newPath)
}

func pathSymlink(c call1) errno {
	base, path, e := c.at(2, rightSymlink)
	if e != success {
		return e
	}
	target, e := c.mem.path(c.u32(0), c.u32(1))
	if e != success {
		return e
	}
	return c.fs.symlink(target, base, path)
}

// pathReadlink gives as much of a target as the buffer holds.
func pathReadlink(c call1) errno {
	base, path, e := c.at(0, rightReadlink)
	if e != success {
		return e
	}
	buf, e := c.mem.span(c.u32(3), c.u32(4))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(5), 4); e != success {
		return e
	}
	target, e := c.fs.readlink(base, path)
	if e != success {
		return e
	}
	return c.mem.put32(c.u32(5), uint32(copy(buf, target)))
}

// The flags of path_open.
const (
	openCreate = 1 << iota
	openDirectory
	openExclusive
	openTruncate

	allOpenFlags = openTruncate<<1 - 1
)

func pathOpen(c call1) errno {
	flags := c.u32(4)
	need := rightOpen
	if flags&openCreate != 0 {
		need |= rightCreateFile
	}
	if flags&openTruncate != 0 {
		need |= rightPathSetSize
	}
	base, path, e := c.atPath(0, 2, need)
	if e != success {
		return e
	}
	follow, e := c.follow(1)
	if e != success {
		return e
	}
	d, e := c.newDescriptor()
	if e != success {
		return e
	}
	n, e := c.fs.open(base, path, opening{
		follow: follow, create: flags&openCreate != 0, directory: flags&openDirectory != 0,
		exclusive: flags&openExclusive != 0, truncate: flags&openTruncate != 0, write: d.base.has(rightWrite),
	})
	if e != success {
		return e
	}
	c.fs.hold(n) // newDescriptor has seen that there is one more
	d.node, d.base = n, d.base&applicable(n)
	if n.kind != directory {
		d.inheriting = 0
	}
	return c.mem.put32(c.u32(8), c.p1.add(d))
}

// newDescriptor makes the descriptor that path_open asks for, without a node.
// It sees first to all that could make the opening fail, so that a failure
// leaves no file behind. A program that asks for more rights than the directory
// passes on gets none; those that do not exist, or apply to something else, are
// left out.
func (c call1) newDescriptor() (*descriptor1, errno) {
	base, inheriting := rights(c.u64(5))&allRights, rights(c.u64(6))&allRights
	parent, _ := c.p1.lookup(c.u32(0), 0)
	switch {
	case c.u32(4) > allOpenFlags || c.u32(7) > uint32(allFdFlags):
		return nil, errInval
	case (base|inheriting)&^parent.inheriting != 0:
		return nil, errNotCapable
	case c.fs.opens == 0:
		return nil, errMFile
	}
	_, e := c.mem.span(c.u32(8), 4)
	return &descriptor1{base: base, inheriting: inheriting, flags: fdFlags(c.u32(7))}, e
}
