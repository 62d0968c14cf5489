package wasi

import (
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// pathFuncs are the methods of a descriptor that are given paths. It must be of
// a directory.
var pathFuncs = []Func2{
	dirMethod("create-directory-at", []wit.Field{pathParam}, nil, func(c call2, dir *node) (ipld.Value, error) {
		return ipld.Null, c.host.fs.mkdir(dir, c.text(0)).asError()
	}),
	dirMethod("stat-at", []wit.Field{pathFlagsParam, pathParam}, descriptorStatType, func(c call2, dir *node) (ipld.Value, error) {
		n, e := c.nodeAt(dir)
		if e != success {
			return ipld.Null, e
		}
		return n.stat2(), nil
	}),
	dirMethod("set-times-at", slices.Concat([]wit.Field{pathFlagsParam, pathParam}, timesParams), nil, func(c call2, dir *node) (ipld.Value, error) {
		n, e := c.nodeAt(dir)
		if e != success {
			return ipld.Null, e
		}
		return ipld.Null, c.setTimes(n, c.args[2], c.args[3])
	}),
	dirMethod("link-at", linkParams, nil, linkAt),
	dirMethod("open-at", openParams, ownOf("descriptor"), openAt),
	dirMethod("readlink-at", []wit.Field{pathParam}, stringType, func(c call2, dir *node) (ipld.Value, error) {
		target, e := c.host.fs.readlink(dir, c.text(0))
		return ipld.String(target), e.asError()
	}),
	dirMethod("remove-directory-at", []wit.Field{pathParam}, nil, func(c call2, dir *node) (ipld.Value, error) {
		return ipld.Null, c.host.fs.rmdir(dir, c.text(0)).asError()
	}),
	dirMethod("rename-at", renameParams, nil, renameAt),
	dirMethod("symlink-at", []wit.Field{field("old-path", stringType), field("new-path", stringType)}, nil, func(c call2, dir *node) (ipld.Value, error) {
		return ipld.Null, c.host.fs.symlink(c.text(0), dir, c.text(1)).asError()
	}),
	dirMethod("unlink-file-at", []wit.Field{pathParam}, nil, func(c call2, dir *node) (ipld.Value, error) {
		return ipld.Null, c.host.fs.unlink(dir, c.text(0)).asError()
	}),
	dirMethod("metadata-hash-at", []wit.Field{pathFlagsParam, pathParam}, metadataHashType, func(c call2, dir *node) (ipld.Value, error) {
		n, e := c.nodeAt(dir)
		if e != success {
			return ipld.Null, e
		}
		return n.metadataHash(), nil
	}),
}

var (
	linkParams = []wit.Field{
		field("old-path-flags", pathFlagsType), field("old-path", stringType),
		field("new-descriptor", borrowOf("descriptor")), field("new-path", stringType),
	}
	renameParams = []wit.Field{
		field("old-path", stringType), field("new-descriptor", borrowOf("descriptor")), field("new-path", stringType),
	}
	openParams = []wit.Field{
		pathFlagsParam, pathParam, field("open-flags", openFlagsType), field("flags", descriptorFlagsType),
	}
)

// nodeAt is what the first two arguments, path flags and a path, lead to.
func (c call2) nodeAt(dir *node) (*node, errno) {
	return c.host.fs.lookup(dir, c.text(1), c.flag(0, "symlink-follow"))
}

// directoryOf is the directory that argument i, a descriptor, stands for. A
// descriptor of a file is the error errNotDir.
func (c call2) directoryOf(i int) (*node, error) {
	d, err := resourceOf[*descriptor](c.host, c.args[i])
	if err != nil {
		return nil, err
	}
	if d.node.kind != directory {
		return nil, errNotDir
	}
	return d.node, nil
}

// linkAt makes hard links. It follows no symbolic link at the end of the old
// path, and refuses to be asked to.
func linkAt(c call2, dir *node) (ipld.Value, error) {
	to, err := c.directoryOf(2)
	switch {
	case err != nil:
		return ipld.Null, err
	case c.flag(0, "symlink-follow"):
		return ipld.Null, errInval
	}
	return ipld.Null, c.host.fs.link(dir, c.text(1), to, c.text(3)).asError()
}

func renameAt(c call2, dir *node) (ipld.Value, error) {
	to, err := c.directoryOf(1)
	if err != nil {
		return ipld.Null, err
	}
	return ipld.Null, c.host.fs.rename(dir, c.text(0), to, c.text(2)).asError()
}

// openAt opens a file or directory. The flags that ask for integrity are noted
// and mean nothing; mutate-directory is refused for a file.
func openAt(c call2, dir *node) (ipld.Value, error) {
	mutate := c.flag(3, "mutate-directory")
	o := opening{
		follow:    c.flag(0, "symlink-follow"),
		create:    c.flag(2, "create"),
		exclusive: c.flag(2, "exclusive"),
		directory: c.flag(2, "directory"),
		truncate:  c.flag(2, "truncate"),
		write:     c.flag(3, "write"),
	}
	switch {
	case mutate && (o.create || o.truncate || o.write):
		return ipld.Null, errInval
	case c.host.fs.opens == 0:
		return ipld.Null, errMFile // and no file is left behind
	}
	n, e := c.host.fs.open(dir, c.text(1), o)
	switch {
	case e != success:
		return ipld.Null, e
	case mutate && n.kind != directory:
		return ipld.Null, errNotDir
	}
	var flags []string
	for _, name := range descriptorFlagsType.Names {
		if c.flag(3, name) {
			flags = append(flags, name)
		}
	}
	return c.host.insertDescriptor(n, flags)
}
