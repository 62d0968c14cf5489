package wasi

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// sub is a subscription; its userdata is its place in the list.
type sub struct {
	kind    byte
	fd      uint32 // or the clock
	timeout uint64
	flags   uint16
}

// putSubs writes subscriptions at 0, as a program of the module does.
func (g *guest1) putSubs(subs []sub) {
	size, shift := subscriptionSize, 0
	if g.module == snapshot0 {
		size, shift = oldSubscriptionSize, 8
	}
	for i, s := range subs {
		b := g.mem[i*size:]
		binary.LittleEndian.PutUint64(b, uint64(i))
		b[8] = s.kind
		if s.kind != eventClock {
			binary.LittleEndian.PutUint32(b[16:], s.fd)
			continue
		}
		b = b[16+shift:]
		binary.LittleEndian.PutUint32(b, s.fd)
		binary.LittleEndian.PutUint64(b[8:], s.timeout)
		binary.LittleEndian.PutUint16(b[24:], s.flags)
	}
}

// eventsText shows events as userdata:kind, with an error or bytes to read.
func eventsText(b []byte, n uint32) string {
	var out []string
	for ; n > 0; n-- {
		s := fmt.Sprintf("%d:%d", binary.LittleEndian.Uint64(b), b[10])
		if e := errno(binary.LittleEndian.Uint16(b[8:])); e != success {
			s += " " + errnoName(e)
		}
		if bytes := binary.LittleEndian.Uint64(b[16:]); bytes > 0 {
			s += fmt.Sprintf(" %d bytes", bytes)
		}
		out, b = append(out, s), b[eventSize:]
	}
	return strings.Join(out, ", ")
}

func TestPreview1Poll(t *testing.T) {
	t.Parallel()
	const absolute = 1
	for _, c := range []struct {
		name  string
		subs  []sub
		want  string
		slept uint64
	}{
		{"a clock", []sub{{eventClock, clockMonotonic, 50, 0}}, "0:0", 50},
		{"the first of several clocks", []sub{
			{eventClock, clockMonotonic, 50, 0}, {eventClock, clockRealtime, 30, 0}, {eventClock, clockMonotonic, 30, 0},
		}, "1:0, 2:0", 30},
		{"a moment", []sub{{eventClock, clockMonotonic, MonotonicInstant + 7, absolute}}, "0:0", 7},
		{"a moment of the wall clock", []sub{{eventClock, clockRealtime, Instant + 7, absolute}}, "0:0", 7},
		{"a moment gone by", []sub{{eventClock, clockRealtime, 7, absolute}}, "0:0", 0},
		{"the end of time", []sub{{eventClock, clockMonotonic, 1<<64 - 1, 0}}, "0:0", maxSlept - MonotonicInstant},
		{"no time", []sub{{eventClock, clockMonotonic, 0, 0}}, "0:0", 0},
		{"a descriptor before a clock", []sub{{eventClock, clockMonotonic, 1, 0}, {kind: eventRead, fd: 0}}, "1:1 11 bytes", 0},
		{"a descriptor and a clock that is due", []sub{{eventClock, clockMonotonic, 0, 0}, {kind: eventWrite, fd: 1}}, "0:0, 1:2", 0},
		{"a descriptor that is not open", []sub{{kind: eventRead, fd: 9}, {kind: eventWrite, fd: 2}}, "0:1 badf, 1:2", 0},
		{"a directory", []sub{{kind: eventRead, fd: 3}}, "0:1 notcapable", 0},
		{"a clock of the processor", []sub{{eventClock, clockThread, 5, 0}, {eventClock, clockMonotonic, 5, 0}}, "0:0 notsup", 0},
		{"no clock", []sub{{eventClock, 4, 5, 0}}, "0:0 inval", 0},
		{"no flag", []sub{{eventClock, clockMonotonic, 5, 2}}, "0:0 inval", 0},
		{"no kind", []sub{{kind: 3}}, "inval", 0},
		{"nothing", nil, "inval", 0},
	} {
		for _, module := range []string{snapshot1, snapshot0} {
			t.Run(c.name+" of "+module, func(t *testing.T) {
				t.Parallel()
				g := &guest1{h: testHost(t, "world"), module: module, mem: make([]byte, 4096)}
				g.putSubs(c.subs)
				// The events lie over the subscriptions, which must not matter.
				e, err := g.call(t, "poll_oneoff", 0, 0, uint64(len(c.subs)), 2048)
				got := errnoName(e)
				if e == success && err == nil {
					got = eventsText(g.mem, binary.LittleEndian.Uint32(g.mem[2048:]))
				}
				if got != c.want || g.h.clock.slept != c.slept {
					t.Errorf("%s after %d, want %s after %d", got, g.h.clock.slept, c.want, c.slept)
				}
			})
		}
	}
}

func TestPreview1PollBounds(t *testing.T) {
	t.Parallel()
	g := &guest1{h: testHost(t, "world"), module: snapshot1, mem: make([]byte, 1<<16)}
	for _, args := range [][]uint64{{0, 0, maxSubscriptions + 1, 0}, {0, 0, 1<<32 - 1, 0}} {
		if e, _ := g.call(t, "poll_oneoff", args...); e != errInval {
			t.Errorf("%v: %s", args, errnoName(e))
		}
	}
	for _, args := range [][]uint64{{1<<16 - 1, 0, 1, 0}, {0, 1<<16 - 1, 1, 0}, {0, 0, 1, 1<<16 - 1}} {
		if e, _ := g.call(t, "poll_oneoff", args...); e != errFault {
			t.Errorf("%v: %s", args, errnoName(e))
		}
	}
}
