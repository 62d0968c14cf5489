package wasi

import (
	"encoding/binary"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// maxRandom is the most bytes that one call may ask for. More traps.
const maxRandom = 16 << 20

// The functions of wasi:random draw from one stream in the order of the calls,
// whether they are called secure or not: none is fit for keys.

func randomBytes(name string) Func2 {
	return function(name, []wit.Field{field("len", u64Type)}, bytesType, func(c call2) (ipld.Value, error) {
		n := c.u64(0)
		if n > maxRandom {
			return ipld.Null, fmt.Errorf("%d bytes, at most %d at a time", n, maxRandom)
		}
		b := make([]byte, n)
		c.host.fillRandom(b)
		return ipld.Bytes(b), nil
	})
}

func randomU64(name string) Func2 {
	return function(name, nil, u64Type, func(c call2) (ipld.Value, error) {
		return ipld.Uint(c.host.u64()), nil
	})
}

var randomSeed = function("insecure-seed", nil, tupleOf(u64Type, u64Type), func(c call2) (ipld.Value, error) {
	first, second := c.host.u64(), c.host.u64()
	return ipld.List(ipld.Uint(first), ipld.Uint(second)), nil
})

// u64 is the next eight bytes of the random stream, little-endian.
func (h *Host) u64() uint64 {
	var b [8]byte
	h.fillRandom(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
