package rpc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds on what crosses the wire, in bytes.
const (
	maxBody     = 128 << 20 // a request
	maxWorkflow = 64 << 20  // a normalised workflow
	maxBlock    = 64 << 20  // a block that is asked for
	maxItem     = 64 << 20  // one item of a stream; an event holds a value of at most 1 MiB
	maxHeader   = 16 << 10  // the header of a request
)

// A stream is an answer that grows while it is sent. Its items are maps with
// one key: those that the request asks for, and at last the one that closes
// the stream, which is {"error": …} if the node could not go on. A stream that
// ends without it was broken off.
//
// In a stream of lines an item is DAG-JSON and a line feed; in a stream of
// frames it is DAG-CBOR after its length as an unsigned varint.
const (
	typeLines  = "application/x-ndjson"
	typeFrames = "application/vnd.ipvm.frames"
	typeRaw    = "application/vnd.ipld.raw"
	typeCBOR   = "application/vnd.ipld.dag-cbor"
	typeJSON   = "application/vnd.ipld.dag-json"
)

// errAnswer reports an answer that came whole and makes no sense.
var errAnswer = errors.New("the node's answer is not understood")

// sender writes a stream. After an error it writes nothing more.
type sender struct {
	w      http.ResponseWriter
	out    *http.ResponseController
	wait   time.Duration // for the other side to take an item
	frames bool
	buf    []byte
	begun  bool
	lost   bool // the client took too long, or left
	err    error
}

// send writes one item, as key and what build gives, and flushes it if asked.
func (s *sender) send(key string, flush bool, build func(encoder) ipld.Value) error {
	if s.err != nil {
		return s.err
	}
	item := func(e encoder) ipld.Value { return ipld.Map(ipld.Entry{Key: key, Value: build(e)}) }
	if s.buf, s.err = s.encode(item); s.err != nil {
		return s.err
	}
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", s.contentType())
		s.w.WriteHeader(http.StatusOK)
	}
	s.err = s.write(flush)
	s.lost = s.err != nil
	return s.err
}

func (s *sender) write(flush bool) error {
	if err := s.out.SetWriteDeadline(time.Now().Add(s.wait)); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buf); err != nil || !flush {
		return err
	}
	return s.out.Flush()
}

func (s *sender) contentType() string {
	if s.frames {
		return typeFrames
	}
	return typeLines
}

func (s *sender) encode(item func(encoder) ipld.Value) ([]byte, error) {
	if !s.frames {
		line, err := encode(s.buf[:0], ipld.AppendJSON, item)
		return append(line, '\n'), err
	}
	data, err := encode(nil, ipld.AppendCBOR, item)
	return append(binary.AppendUvarint(s.buf[:0], uint64(len(data))), data...), err
}

// receiver reads a stream.
type receiver struct {
	r      *bufio.Reader
	frames bool
}

// next returns the next item. An error wraps errAnswer if the item is at
// fault, and is the connection's otherwise.
func (r *receiver) next() (ipld.Entry, error) {
	data, err := r.item()
	if err != nil {
		return ipld.Entry{}, err
	}
	decode := ipld.DecodeJSON
	if r.frames {
		decode = ipld.DecodeCBOR
	}
	v, err := decode(data)
	if err != nil {
		return ipld.Entry{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	e, ok := v.Sole()
	if !ok {
		return e, fmt.Errorf("%w: an item that is not a map with one key", errAnswer)
	}
	return e, nil
}

func (r *receiver) item() ([]byte, error) {
	if r.frames {
		return r.frame()
	}
	return r.line()
}

func (r *receiver) frame() ([]byte, error) {
	n, err := binary.ReadUvarint(r.r)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	case n > maxItem:
		return nil, fmt.Errorf("%w: an item of %d bytes", errAnswer, n)
	}
	// Memory is spent as bytes come, not as they are announced.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r.r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b.Bytes(), nil
}

func (r *receiver) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > maxItem {
			return nil, fmt.Errorf("%w: an item of more than %d bytes", errAnswer, maxItem)
		}
		switch {
		case err == nil && line == nil:
			return part[:len(part)-1], nil
		case err == nil:
			line = append(line, part...)
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
			line = append(line, part...)
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
