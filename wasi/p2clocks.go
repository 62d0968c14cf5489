package wasi

import (
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// monotonicFuncs are the functions of wasi:clocks/monotonic-clock. The clock
// moves by what the guest waits for, and waiting takes no time.
var monotonicFuncs = []Func2{
	function("now", nil, u64Type, func(c call2) (ipld.Value, error) {
		return ipld.Uint(c.host.clock.monotonic()), nil
	}),
	function("resolution", nil, u64Type, func(call2) (ipld.Value, error) {
		return ipld.Uint(Resolution), nil
	}),
	function("subscribe-instant", whenParam(u64Type), ownOf("pollable"), func(c call2) (ipld.Value, error) {
		return subscribeMoment(c.host, c.u64(0))
	}),
	function("subscribe-duration", whenParam(u64Type), ownOf("pollable"), func(c call2) (ipld.Value, error) {
		now := c.host.clock.monotonic()
		return subscribeMoment(c.host, now+min(c.u64(0), maxSlept-now))
	}),
}

// subscribeMoment gives a pollable of a moment that the clock can reach.
func subscribeMoment(h *Host, moment uint64) (ipld.Value, error) {
	return h.handles.insert(pollable{min(moment, maxSlept)}, 0)
}

func whenParam(t *wit.Type) []wit.Field { return []wit.Field{field("when", t)} }

// wallFuncs are the functions of wasi:clocks/wall-clock, which moves as the
// monotonic clock does.
var wallFuncs = []Func2{
	function("now", nil, datetimeType, func(c call2) (ipld.Value, error) {
		return datetime(c.host.clock.wall()), nil
	}),
	function("resolution", nil, datetimeType, func(call2) (ipld.Value, error) {
		return datetime(Resolution), nil
	}),
}

// datetime is the datetime of a time in nanoseconds since 1970.
func datetime(ns uint64) ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "seconds", Value: ipld.Uint(ns / 1e9)},
		ipld.Entry{Key: "nanoseconds", Value: ipld.Uint(ns % 1e9)},
	)
}

// timezoneFuncs are the functions of wasi:clocks/timezone: it is UTC.
var timezoneFuncs = []Func2{
	function("display", whenParam(datetimeType),
		recordOf(field("utc-offset", s32Type), field("name", stringType), field("in-daylight-saving-time", boolType)),
		func(call2) (ipld.Value, error) {
			return ipld.Map(
				ipld.Entry{Key: "utc-offset", Value: ipld.Int(0)},
				ipld.Entry{Key: "name", Value: ipld.String("UTC")},
				ipld.Entry{Key: "in-daylight-saving-time", Value: ipld.Bool(false)},
			), nil
		}),
	function("utc-offset", whenParam(datetimeType), s32Type, func(call2) (ipld.Value, error) { return ipld.Int(0), nil }),
}
