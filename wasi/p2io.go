package wasi

import (
	"errors"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// streamFault is the resource error of wasi:io: why a stream failed. It is an
// error itself on its way to the guest.
type streamFault struct{ errno errno }

func (f *streamFault) Error() string { return errorCode(f.errno) }

// errorFuncs are the functions of wasi:io/error.
var errorFuncs = []Func2{
	method("error", "to-debug-string", nil, stringType, func(_ call2, f *streamFault) (ipld.Value, error) {
		return ipld.String(f.Error()), nil
	}),
}

// pollable is an event that one may wait for: a moment of the monotonic clock.
// Files and standard streams are in memory and never make a guest wait; their
// pollables are of moment 0.
type pollable struct{ moment uint64 }

// pollFuncs are the functions of wasi:io/poll. Waiting for a moment takes no
// time: it moves the clock there.
var pollFuncs = []Func2{
	method("pollable", "ready", nil, boolType, func(c call2, p pollable) (ipld.Value, error) {
		return ipld.Bool(p.moment <= c.host.clock.monotonic()), nil
	}),
	method("pollable", "block", nil, nil, func(c call2, p pollable) (ipld.Value, error) {
		c.host.clock.sleepUntil(p.moment)
		return ipld.Null, nil
	}),
	function("poll", []wit.Field{field("in", listOf(borrowOf("pollable")))}, listOf(u32Type), poll),
}

var errEmptyPoll = errors.New("the list is empty")

// poll answers which of the list are ready; where none is, it moves the clock
// to the first moment of them.
func poll(c call2) (ipld.Value, error) {
	in := c.args[0].Elems()
	if len(in) == 0 {
		return ipld.Null, errEmptyPoll
	}
	moments := make([]uint64, len(in))
	for i, v := range in {
		p, err := resourceOf[pollable](c.host, v)
		if err != nil {
			return ipld.Null, err
		}
		moments[i] = p.moment
	}
	c.host.clock.sleepUntil(slices.Min(moments))
	var ready []ipld.Value
	for i, m := range moments {
		if m <= c.host.clock.monotonic() {
			ready = append(ready, ipld.Uint(uint64(i)))
		}
	}
	return ipld.List(ready...), nil
}

// sleepUntil moves the clock to moment, if that is to come.
func (c *clock) sleepUntil(moment uint64) {
	if now := c.monotonic(); moment > now {
		c.sleep(moment - now)
	}
}
