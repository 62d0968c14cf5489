package wasi

import (
	"errors"
	"fmt"
	"io"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Bounds of one operation on a stream, in bytes.
const (
	// maxRead is the most that one read returns. The guest reads on.
	maxRead = 1 << 20
	// writePermit is what check-write permits, always: a stream takes what it
	// is given at once. One write of more traps.
	writePermit = 64 << 10
	// blockingWrite is the most that the specification lets a guest hand to
	// one write that blocks and flushes. More traps.
	blockingWrite = 4096
)

// inputStream is the resource input-stream. It is closed once its end was
// reached, even if its file grows later.
type inputStream struct {
	// take moves on by up to n > 0 bytes and returns them, until something is
	// written to the file; none are the end.
	take   func(n uint64) []byte
	file   *node // held as long as the stream is; nil for stdin
	closed bool
}

// outputStream is the resource output-stream. It is closed after a failure.
type outputStream struct {
	write  func(p []byte) errno // all of p or nothing
	file   *node                // held as long as the stream is; nil for stdout and stderr
	closed bool
}

func (s *inputStream) release(h *Host)  { h.releaseNode(s.file) }
func (s *outputStream) release(h *Host) { h.releaseNode(s.file) }

var streamErrorType = variantOf(field("last-operation-failed", ownOf("error")), field("closed", nil))

func orStreamError(ok *wit.Type) *wit.Type { return resultOf(ok, streamErrorType) }

// streamFuncs are the functions of wasi:io/streams. Those that block and those
// that do not are the same, but for the bounds of a write: nothing waits.
var streamFuncs = []Func2{
	inputMethod("read", lenParam, bytesType, readBytes),
	inputMethod("blocking-read", lenParam, bytesType, readBytes),
	inputMethod("skip", lenParam, u64Type, skipBytes),
	inputMethod("blocking-skip", lenParam, u64Type, skipBytes),
	method("input-stream", "subscribe", nil, ownOf("pollable"), func(c call2, _ *inputStream) (ipld.Value, error) {
		return c.host.handles.insert(pollable{}, c.self)
	}),

	outputMethod("check-write", nil, u64Type, func(call2, *outputStream) (ipld.Value, error) {
		return ipld.Uint(writePermit), nil
	}),
	outputMethod("write", contentsParam, nil, writeBytes(writePermit)),
	outputMethod("blocking-write-and-flush", contentsParam, nil, writeBytes(blockingWrite)),
	outputMethod("flush", nil, nil, flush),
	outputMethod("blocking-flush", nil, nil, flush),
	method("output-stream", "subscribe", nil, ownOf("pollable"), func(c call2, _ *outputStream) (ipld.Value, error) {
		return c.host.handles.insert(pollable{}, c.self)
	}),
	outputMethod("write-zeroes", lenParam, nil, writeZeroes(writePermit)),
	outputMethod("blocking-write-zeroes-and-flush", lenParam, nil, writeZeroes(blockingWrite)),
	outputMethod("splice", spliceParams, u64Type, splice),
	outputMethod("blocking-splice", spliceParams, u64Type, splice),
}

var (
	lenParam      = []wit.Field{field("len", u64Type)}
	contentsParam = []wit.Field{field("contents", bytesType)}
	spliceParams  = []wit.Field{field("src", borrowOf("input-stream")), field("len", u64Type)}
)

// streamMethod is a method of a stream whose result is ok or a stream-error: do
// returns the former, or a *streamFault, or io.EOF for closed.
func streamMethod[R any](resource, name string, params []wit.Field, ok *wit.Type, do func(call2, R) (ipld.Value, error)) Func2 {
	return method(resource, name, params, orStreamError(ok), func(c call2, self R) (ipld.Value, error) {
		v, err := do(c, self)
		if err == nil {
			return ok2(v), nil
		}
		var fault *streamFault
		switch {
		case errors.Is(err, io.EOF):
			return fail2(ipld.String("closed")), nil
		case errors.As(err, &fault):
			own, err := c.host.handles.insert(fault, 0)
			return fail2(ipld.Map(ipld.Entry{Key: "last-operation-failed", Value: own})), err
		}
		return ipld.Null, err
	})
}

func inputMethod(name string, params []wit.Field, ok *wit.Type, do func(call2, *inputStream) (ipld.Value, error)) Func2 {
	return streamMethod("input-stream", name, params, ok, do)
}

// outputMethod is a method of an output-stream that is not closed.
func outputMethod(name string, params []wit.Field, ok *wit.Type, do func(call2, *outputStream) (ipld.Value, error)) Func2 {
	return streamMethod("output-stream", name, params, ok, func(c call2, s *outputStream) (ipld.Value, error) {
		if s.closed {
			return ipld.Null, io.EOF
		}
		return do(c, s)
	})
}

// next is the next bytes, n at most, until something is written to the file. It
// returns io.EOF when the stream is closed.
func (s *inputStream) next(n uint64) ([]byte, error) {
	if s.closed {
		return nil, io.EOF
	}
	if n == 0 {
		return nil, nil
	}
	data := s.take(min(n, maxRead))
	if len(data) == 0 {
		s.closed = true
		return nil, io.EOF
	}
	return data, nil
}

// put writes data. A failure closes the stream and is a *streamFault.
func (s *outputStream) put(data []byte) error {
	if e := s.write(data); e != success {
		s.closed = true
		return &streamFault{e}
	}
	return nil
}

func readBytes(c call2, s *inputStream) (ipld.Value, error) {
	data, err := s.next(c.u64(0))
	return ipld.Bytes(data), err
}

func skipBytes(c call2, s *inputStream) (ipld.Value, error) {
	data, err := s.next(c.u64(0))
	return ipld.Uint(uint64(len(data))), err
}

// writeBytes writes the bytes that are the argument. More than most are an
// error that traps.
func writeBytes(most int) func(call2, *outputStream) (ipld.Value, error) {
	return func(c call2, s *outputStream) (ipld.Value, error) {
		data := c.bytes(0)
		if err := permitted(uint64(len(data)), most); err != nil {
			return ipld.Null, err
		}
		return ipld.Null, s.put([]byte(data))
	}
}

// writeZeroes writes as many zeroes as the argument tells, as writeBytes does.
func writeZeroes(most int) func(call2, *outputStream) (ipld.Value, error) {
	return func(c call2, s *outputStream) (ipld.Value, error) {
		if err := permitted(c.u64(0), most); err != nil {
			return ipld.Null, err
		}
		return ipld.Null, s.put(make([]byte, c.u64(0)))
	}
}

func permitted(n uint64, most int) error {
	if n > uint64(most) {
		return fmt.Errorf("%d bytes in one write, at most %d are permitted", n, most)
	}
	return nil
}

// flush has nothing to do: what is written is there at once.
func flush(call2, *outputStream) (ipld.Value, error) { return ipld.Null, nil }

// splice moves what one read gives, within what check-write permits.
func splice(c call2, s *outputStream) (ipld.Value, error) {
	src, err := resourceOf[*inputStream](c.host, c.args[0])
	if err != nil {
		return ipld.Null, err
	}
	data, err := src.next(min(c.u64(1), writePermit))
	if err != nil {
		return ipld.Null, err
	}
	return ipld.Uint(uint64(len(data))), s.put(data)
}
