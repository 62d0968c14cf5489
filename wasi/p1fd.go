package wasi

// descriptor1 is what one number stands for: a stream, a file or a directory.
type descriptor1 struct {
	in  *input  // of standard input
	out *output // of standard output and error

	node    *node // of files and directories
	pos     uint64
	preopen bool

	base, inheriting rights
	flags            fdFlags

	// The names of a directory as they were when reading it began, for which so
	// many bytes are charged.
	names   []string
	charged int64
}

// fdFlags is how a descriptor behaves. Writing never waits and is never
// unfinished, so the flags but fdAppend are only remembered.
type fdFlags uint16

const (
	fdAppend   fdFlags = 1
	allFdFlags fdFlags = 1<<5 - 1
)

// preview1 is the descriptors of a program of preview 1, nil where a number is
// free. It opens the lowest free one.
type preview1 struct {
	table []*descriptor1
}

// start opens what every program has open: the streams and the root.
func (p *preview1) start(h *Host) errno {
	p.table = []*descriptor1{
		{in: &h.stdin, base: streamRights | rightRead},
		{out: &h.stdout, base: streamRights | rightWrite},
		{out: &h.stderr, base: streamRights | rightWrite},
		{node: h.fs.root, preopen: true, base: directoryRights, inheriting: allRights},
	}
	return h.fs.hold(h.fs.root)
}

// lookup is the descriptor fd if it has the rights that are needed.
func (p *preview1) lookup(fd uint32, need rights) (*descriptor1, errno) {
	if uint64(fd) >= uint64(len(p.table)) || p.table[fd] == nil {
		return nil, errBadF
	}
	d := p.table[fd]
	if !d.base.has(need) {
		return nil, errNotCapable
	}
	return d, success
}

// file is like lookup for files, which streams are not: they have no position,
// no size and no time.
func (p *preview1) file(fd uint32, need rights) (*descriptor1, errno) {
	d, e := p.lookup(fd, need)
	switch {
	case e != success:
		return nil, e
	case d.node == nil:
		return nil, errSeekPipe
	case d.node.kind == directory:
		return nil, errIsDir
	}
	return d, success
}

// dir is like lookup for directories.
func (p *preview1) dir(fd uint32, need rights) (*descriptor1, errno) {
	// That it is no directory counts before that it lacks a directory's rights.
	d, e := p.lookup(fd, 0)
	switch {
	case e != success:
		return nil, e
	case d.node == nil || d.node.kind != directory:
		return nil, errNotDir
	}
	return p.lookup(fd, need)
}

// add gives d the lowest free number.
func (p *preview1) add(d *descriptor1) uint32 {
	for fd, other := range p.table {
		if other == nil {
			p.table[fd] = d
			return uint32(fd)
		}
	}
	p.table = append(p.table, d)
	return uint32(len(p.table) - 1)
}

// close frees a number that is in use.
func (p *preview1) close(fs *fileSystem, fd uint32) {
	d := p.table[fd]
	p.table[fd] = nil
	d.forget(fs)
	if d.node != nil {
		fs.release(d.node)
	}
}

func fdClose(c call1) errno {
	_, e := c.p1.lookup(c.u32(0), 0)
	if e == success {
		c.p1.close(c.fs, c.u32(0))
	}
	return e
}

// fdRenumber moves a descriptor to a number that is in use, which it closes.
func fdRenumber(c call1) errno {
	from, to := c.u32(0), c.u32(1)
	d, e := c.p1.lookup(from, 0)
	if e != success {
		return e
	}
	if _, e := c.p1.lookup(to, 0); e != success || from == to {
		return e
	}
	c.p1.close(c.fs, to)
	c.p1.table[from], c.p1.table[to] = nil, d
	return success
}
