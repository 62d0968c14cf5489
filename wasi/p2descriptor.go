package wasi

import (
	"math"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// descriptor is the resource descriptor: an open file or directory. It holds
// its node. All directories may be read and changed.
type descriptor struct {
	node  *node
	flags []string // as get-flags gives them, in the order of the type
}

func (d *descriptor) release(h *Host) { h.fs.release(d.node) }

// insertDescriptor opens n for the guest. A directory is readable and mutable
// whatever it is opened for, as the one that it was found in.
func (h *Host) insertDescriptor(n *node, flags []string) (ipld.Value, error) {
	if n.kind == directory {
		flags = []string{"read", "mutate-directory"}
	}
	return h.insertHolding(n, &descriptor{n, flags})
}

// insertHolding gives resource an index and holds n, which resource releases.
func (h *Host) insertHolding(n *node, resource any) (ipld.Value, error) {
	if e := h.fs.hold(n); e != success {
		return ipld.Null, e
	}
	v, err := h.handles.insert(resource, 0)
	if err != nil {
		h.fs.release(n)
	}
	return v, err
}

// file is the node of a regular file that was opened with flag.
func (d *descriptor) file(flag string) (*node, error) {
	switch {
	case d.node.kind == directory:
		return nil, errIsDir
	case !slices.Contains(d.flags, flag):
		return nil, errBadF
	}
	return d.node, nil
}

// descriptorFuncs are the methods of a descriptor that are given no path.
var descriptorFuncs = []Func2{
	fsMethod("read-via-stream", []wit.Field{offsetParam}, ownOf("input-stream"), readViaStream),
	fsMethod("write-via-stream", []wit.Field{offsetParam}, ownOf("output-stream"), writeViaStream),
	fsMethod("append-via-stream", nil, ownOf("output-stream"), appendViaStream),
	fsMethod("advise", []wit.Field{offsetParam, field("length", u64Type), field("advice", adviceType)}, nil, advise),
	fsMethod("sync-data", nil, nil, syncFile),
	fsMethod("get-flags", nil, descriptorFlagsType, getFlags),
	fsMethod("get-type", nil, descriptorTypeType, func(_ call2, d *descriptor) (ipld.Value, error) {
		return d.node.kind.typeName(), nil
	}),
	fsMethod("set-size", []wit.Field{field("size", u64Type)}, nil, setSize),
	fsMethod("set-times", timesParams, nil, func(c call2, d *descriptor) (ipld.Value, error) {
		return ipld.Null, c.setTimes(d.node, c.args[0], c.args[1])
	}),
	fsMethod("read", []wit.Field{field("length", u64Type), offsetParam}, tupleOf(bytesType, boolType), readAt),
	fsMethod("write", []wit.Field{field("buffer", bytesType), offsetParam}, u64Type, writeAt),
	fsMethod("sync", nil, nil, syncFile),
	fsMethod("stat", nil, descriptorStatType, func(_ call2, d *descriptor) (ipld.Value, error) {
		return d.node.stat2(), nil
	}),
	method("descriptor", "is-same-object", []wit.Field{field("other", borrowOf("descriptor"))}, boolType, isSameObject),
	fsMethod("metadata-hash", nil, metadataHashType, func(_ call2, d *descriptor) (ipld.Value, error) {
		return d.node.metadataHash(), nil
	}),
}

// readViaStream gives a stream of the bytes that the file has when they are
// read.
func readViaStream(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("read")
	if err != nil {
		return ipld.Null, err
	}
	offset := c.u64(0)
	take := func(most uint64) []byte {
		data := n.slice(offset, most)
		offset += uint64(len(data))
		return data
	}
	return c.host.insertHolding(n, &inputStream{take: take, file: n})
}

func writeViaStream(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("write")
	if err != nil {
		return ipld.Null, err
	}
	fs, offset := c.host.fs, c.u64(0)
	write := func(p []byte) errno {
		e := fs.write(n, p, offset)
		if e == success {
			offset += uint64(len(p))
		}
		return e
	}
	return c.host.insertHolding(n, &outputStream{write: write, file: n})
}

// appendViaStream gives a stream whose every write goes to the end that the
// file has then.
func appendViaStream(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("write")
	if err != nil {
		return ipld.Null, err
	}
	fs := c.host.fs
	write := func(p []byte) errno { return fs.write(n, p, n.size()) }
	return c.host.insertHolding(n, &outputStream{write: write, file: n})
}

// advise takes any advice about a file and follows none.
func advise(_ call2, d *descriptor) (ipld.Value, error) {
	if d.node.kind == directory {
		return ipld.Null, errBadF
	}
	return ipld.Null, nil
}

// syncFile has nothing to do: there is no disk.
func syncFile(call2, *descriptor) (ipld.Value, error) { return ipld.Null, nil }

func getFlags(_ call2, d *descriptor) (ipld.Value, error) {
	flags := make([]ipld.Value, len(d.flags))
	for i, f := range d.flags {
		flags[i] = ipld.String(f)
	}
	return ipld.List(flags...), nil
}

func setSize(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("write")
	if err != nil {
		return ipld.Null, err
	}
	return ipld.Null, c.host.fs.resize(n, c.u64(0)).asError()
}

// readAt reads at an offset, and tells whether the end of the file is reached.
func readAt(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("read")
	if err != nil {
		return ipld.Null, err
	}
	data := n.slice(c.u64(1), min(c.u64(0), maxRead))
	end := c.u64(1) >= n.size()-uint64(len(data))
	return ipld.List(ipld.Bytes(data), ipld.Bool(end)), nil
}

// slice is up to most bytes of a file from offset on, until it is written to.
func (n *node) slice(offset, most uint64) []byte {
	offset = min(offset, n.size())
	return n.data[offset : offset+min(most, n.size()-offset)]
}

func writeAt(c call2, d *descriptor) (ipld.Value, error) {
	n, err := d.file("write")
	if err != nil {
		return ipld.Null, err
	}
	data := c.bytes(0)
	return ipld.Uint(uint64(len(data))), c.host.fs.write(n, []byte(data), c.u64(1)).asError()
}

func isSameObject(c call2, d *descriptor) (ipld.Value, error) {
	other, err := resourceOf[*descriptor](c.host, c.args[0])
	if err != nil {
		return ipld.Null, err
	}
	return ipld.Bool(d.node == other.node), nil
}

// setTimes changes the times of n as two values of the type new-timestamp tell.
func (c call2) setTimes(n *node, access, modification ipld.Value) error {
	atim, err := c.newTime(access)
	if err != nil {
		return err
	}
	mtim, err := c.newTime(modification)
	if err != nil {
		return err
	}
	c.host.fs.setTimes(n, atim, mtim)
	return nil
}

// newTime is the time that a new-timestamp sets, nil for none.
func (c call2) newTime(v ipld.Value) (*uint64, error) {
	var t uint64
	switch name, _ := v.AsString(); name {
	case "no-change":
		return nil, nil
	case "now":
		t = c.host.clock.wall()
		return &t, nil
	}
	when, _ := v.Lookup("timestamp")
	s, _ := when.Lookup("seconds")
	ns, _ := when.Lookup("nanoseconds")
	seconds, _ := s.AsUint64()
	nanoseconds, _ := ns.AsUint64()
	switch {
	case nanoseconds >= 1e9:
		return nil, errInval
	case seconds > (math.MaxUint64-nanoseconds)/1e9:
		return nil, errOverflow
	}
	t = seconds*1e9 + nanoseconds
	return &t, nil
}
