package wasi

// input is a stream of bytes known from the start.
type input struct {
	rest []byte
}

// read fills p as far as there are bytes, and says how far. 0 is the end.
func (in *input) read(p []byte) int {
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n
}

// output is a stream that a sink takes or, without one, a bounded buffer.
type output struct {
	sink func([]byte)
	kept []byte
	room int // bytes that kept may still take
}

// write takes all of p, or nothing where the buffer has no room for it.
func (o *output) write(p []byte) errno {
	if o.sink != nil {
		if len(p) > 0 {
			o.sink(p)
		}
		return success
	}
	if len(p) > o.room {
		return errNoSpace
	}
	o.room -= len(p)
	o.kept = append(grown(o.kept, len(o.kept)+len(p))[:len(o.kept)], p...)
	return success
}
