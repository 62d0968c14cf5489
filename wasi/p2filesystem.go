package wasi

import (
	"errors"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// filesystemFuncs are the functions of wasi:filesystem/types.
var filesystemFuncs = slices.Concat(descriptorFuncs, pathFuncs, []Func2{
	fsMethod("read-directory", nil, ownOf("directory-entry-stream"), readDirectory),
	codeMethod("directory-entry-stream", "read-directory-entry", nil, optionOf(directoryEntryType), readDirectoryEntry),
	function("filesystem-error-code", []wit.Field{field("err", borrowOf("error"))}, optionOf(errorCodeType), filesystemErrorCode),
})

// preopensFunc gives the one directory that is open from the start: the root.
var preopensFunc = function("get-directories", nil, listOf(tupleOf(ownOf("descriptor"), stringType)),
	func(c call2) (ipld.Value, error) {
		root, err := c.host.insertDescriptor(c.host.fs.root, nil)
		return ipld.List(ipld.List(root, ipld.String("/"))), err
	})

// codeMethod is a method whose result is ok or an error-code: do returns the
// former or an [errno].
func codeMethod[R any](resource, name string, params []wit.Field, ok *wit.Type, do func(call2, R) (ipld.Value, error)) Func2 {
	return method(resource, name, params, orErrorCode(ok), func(c call2, self R) (ipld.Value, error) {
		v, err := do(c, self)
		if err == nil {
			return ok2(v), nil
		}
		if e := success; errors.As(err, &e) {
			return fail2(ipld.String(errorCode(e))), nil
		}
		return ipld.Null, err
	})
}

func fsMethod(name string, params []wit.Field, ok *wit.Type, do func(call2, *descriptor) (ipld.Value, error)) Func2 {
	return codeMethod("descriptor", name, params, ok, do)
}

// dirMethod is a method of the descriptor of a directory.
func dirMethod(name string, params []wit.Field, ok *wit.Type, do func(c call2, dir *node) (ipld.Value, error)) Func2 {
	return fsMethod(name, params, ok, func(c call2, d *descriptor) (ipld.Value, error) {
		if d.node.kind != directory {
			return ipld.Null, errNotDir
		}
		return do(c, d.node)
	})
}

// entryStream is the resource directory-entry-stream: the names that were in
// the directory when it was made, in byte order, for which so many bytes are
// charged. It holds the directory.
type entryStream struct {
	dir     *node
	names   []string // still to come
	charged int64
}

func (s *entryStream) release(h *Host) {
	h.fs.charge(-s.charged)
	h.fs.release(s.dir)
}

func readDirectory(c call2, d *descriptor) (ipld.Value, error) {
	if d.node.kind != directory {
		return ipld.Null, errNotDir
	}
	cost := int64(len(d.node.entries)) * 16
	if e := c.host.fs.charge(cost); e != success {
		return ipld.Null, e
	}
	v, err := c.host.insertHolding(d.node, &entryStream{d.node, d.node.list(), cost})
	if err != nil {
		c.host.fs.charge(-cost)
	}
	return v, err
}

// readDirectoryEntry gives the next entry that is still there, or none.
func readDirectoryEntry(_ call2, s *entryStream) (ipld.Value, error) {
	for len(s.names) > 0 {
		name := s.names[0]
		s.names = s.names[1:]
		if n := s.dir.entries[name]; n != nil {
			return ipld.Map(
				ipld.Entry{Key: "type", Value: n.kind.typeName()},
				ipld.Entry{Key: "name", Value: ipld.String(name)},
			), nil
		}
	}
	return ipld.Null, nil
}

// filesystemErrorCode is the error-code of what a stream reported. Streams that
// are of no file fail with one too: the buffer of standard output can be full.
func filesystemErrorCode(c call2) (ipld.Value, error) {
	fault, err := resourceOf[*streamFault](c.host, c.args[0])
	if err != nil {
		return ipld.Null, err
	}
	return ipld.String(errorCode(fault.errno)), nil
}
