package abi

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// MaxLifted bounds what a guest gives in one call, in bytes: text and bytes
// count their length, and every value valueCost. A guest can point at the same
// memory many times over, so that its own memory bounds nothing.
const MaxLifted = 256 << 20

const valueCost = 32

// ErrTooLarge reports values of more than [MaxLifted].
var ErrTooLarge = errors.New("larger than what can be passed")

// maxUnmeasured is how much is made of what a guest gives before all of it is
// gone through once to see whether it is refused: so what is too large, or
// breaks the ABI at its end, takes little of the host's memory.
const maxUnmeasured = 4 << 20

// Lift reads the result of a call from the core results in flat. The error is
// an [*Error] when the guest broke the ABI, [ErrTooLarge], or a [*wit.Fault]
// for a value that has no IPLD form.
func (f *Func) Lift(g Guest, flat []uint64) (ipld.Value, error) {
	if f.result == nil {
		return ipld.Null, nil
	}
	l := lifter{f: f, mem: g.Memory(), flat: flat}
	v, err := l.result()
	return v, l.verdict(err)
}

// LiftParams reads the arguments that a guest gave to a host function. out is
// the address for the result, when that is passed in memory.
func (f *Func) LiftParams(g Guest, flat []uint64) (params []ipld.Value, out uint32, err error) {
	if f.result != nil && f.indirect() {
		out = uint32(flat[len(flat)-1])
	}
	l := lifter{f: f, mem: g.Memory(), flat: flat, given: true}
	params, err = l.params()
	if err = l.verdict(err); err != nil {
		return nil, 0, err
	}
	return params, out, nil
}

// lifter reads values. What breaks the ABI ends it at once; what only has no
// IPLD form, or is too much, is told when all was read, since a breach further
// on weighs more.
type lifter struct {
	f     *Func
	mem   []byte
	flat  []uint64
	given bool // reads the arguments given to f, not its result

	cost     int
	fault    *wit.Fault
	measures bool  // reads, and makes nothing of it
	measured bool  // all was read once
	refused  error // what was found then
}

// result reads what f returned.
func (l *lifter) result() (ipld.Value, error) {
	if !l.f.indirect() {
		return l.pull(l.f.result, l.flat)
	}
	at := uint32(l.flat[0])
	if err := checkPlace(l.mem, at, l.f.result); err != nil {
		return ipld.Null, err
	}
	return l.load(l.f.result, at)
}

// params reads what f is given.
func (l *lifter) params() (params []ipld.Value, err error) {
	t := &l.f.params
	params = make([]ipld.Value, len(t.parts))
	if !l.f.spilled() {
		flat := l.flat
		for i, p := range t.parts {
			if params[i], err = l.pull(p.typ, flat[:len(p.flat)]); err != nil {
				return nil, err
			}
			flat = flat[len(p.flat):]
		}
		return params, nil
	}
	at := uint32(l.flat[0])
	if err := checkPlace(l.mem, at, t); err != nil {
		return nil, err
	}
	for i, p := range t.parts {
		if params[i], err = l.load(p.typ, at+p.offset); err != nil {
			return nil, err
		}
	}
	return params, nil
}

func (l *lifter) verdict(err error) error {
	switch {
	case l.refused != nil:
		return l.refused
	case err != nil:
		return err
	case l.cost > MaxLifted:
		return ErrTooLarge
	case l.fault != nil:
		return l.fault
	}
	return nil
}

// count adds to what was read, and tells whether to go on reading.
func (l *lifter) count(n int) bool {
	if l.cost <= MaxLifted {
		l.cost += n
	}
	return l.cost <= MaxLifted && l.affords(0)
}

// affords tells whether to make values that cost n more.
func (l *lifter) affords(n int) bool {
	if !l.measures && !l.measured && l.cost+n > maxUnmeasured {
		l.measure()
	}
	return l.refused == nil
}

// measure reads everything once.
func (l *lifter) measure() {
	l.measured = true
	all := lifter{f: l.f, mem: l.mem, flat: l.flat, given: l.given, measures: true}
	var err error
	if l.given {
		_, err = all.params()
	} else {
		_, err = all.result()
	}
	l.refused = all.verdict(err)
}

// load reads a value of type t at an address where it may be.
func (l *lifter) load(t *typ, at uint32) (ipld.Value, error) {
	if !l.count(t.cost) {
		return ipld.Null, ErrTooLarge
	}
	switch t.Kind {
	case wit.StringKind, wit.List:
		b := l.mem[at:][:8]
		return l.indirect(t, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]))
	case wit.Record, wit.Tuple:
		return l.product(t, func(p *part) (ipld.Value, error) { return l.load(p.typ, at+p.offset) })
	case wit.Variant, wit.Option, wit.Result:
		i, err := t.tagOf(getUint(l.mem[at:][:t.tag]))
		if err != nil {
			return ipld.Null, err
		}
		return l.sum(t, i, func(p *typ) (ipld.Value, error) { return l.load(p, at+t.payload) })
	}
	return l.scalar(t, getUint(l.mem[at:][:t.size]))
}

// pull reads a value of type t from exactly its flat values.
func (l *lifter) pull(t *typ, flat []uint64) (ipld.Value, error) {
	if !l.count(t.cost) {
		return ipld.Null, ErrTooLarge
	}
	switch t.Kind {
	case wit.StringKind, wit.List:
		return l.indirect(t, uint32(flat[0]), uint32(flat[1]))
	case wit.Record, wit.Tuple:
		return l.product(t, func(p *part) (ipld.Value, error) {
			own := flat[:len(p.flat)]
			flat = flat[len(p.flat):]
			return l.pull(p.typ, own)
		})
	case wit.Variant, wit.Option, wit.Result:
		i, err := t.tagOf(uint64(uint32(flat[0])))
		if err != nil {
			return ipld.Null, err
		}
		return l.sum(t, i, func(p *typ) (ipld.Value, error) { return l.pull(p, flat[1:][:len(p.flat)]) })
	}
	u := flat[0]
	if t.flat != "I" && t.flat != "F" {
		u = uint64(uint32(u))
	}
	return l.scalar(t, u)
}

// tagOf is the case that a number in memory stands for.
func (t *typ) tagOf(u uint64) (int, error) {
	if u >= uint64(len(t.parts)) {
		return 0, &Error{"discriminant " + strconv.FormatUint(u, 10) + " out of range"}
	}
	return int(u), nil
}

func (l *lifter) product(t *typ, read func(*part) (ipld.Value, error)) (ipld.Value, error) {
	var items []ipld.Value
	var entries []ipld.Entry
	switch {
	case l.measures:
	case t.Kind == wit.Tuple:
		items = make([]ipld.Value, len(t.parts))
	default:
		entries = make([]ipld.Entry, len(t.parts))
	}
	for i := range t.parts {
		v, err := l.at(t.step(i), func() (ipld.Value, error) { return read(&t.parts[i]) })
		switch {
		case err != nil:
			return ipld.Null, err
		case items != nil:
			items[i] = v
		case entries != nil:
			entries[i] = ipld.Entry{Key: t.parts[i].name, Value: v}
		}
	}
	if t.Kind == wit.Tuple {
		return ipld.List(items...), nil
	}
	return ipld.Map(entries...), nil
}

// at reads a part; a fault first found in it is told with its step.
func (l *lifter) at(step string, read func() (ipld.Value, error)) (ipld.Value, error) {
	before := l.fault
	v, err := read()
	if before == nil && l.fault != nil && step != "" {
		l.fault.Path = "/" + step + l.fault.Path
	}
	return v, err
}

func (l *lifter) sum(t *typ, i int, read func(*typ) (ipld.Value, error)) (ipld.Value, error) {
	p := t.parts[i]
	var v ipld.Value
	if p.typ != nil {
		var err error
		if v, err = l.at(t.caseStep(i), func() (ipld.Value, error) { return read(p.typ) }); err != nil {
			return ipld.Null, err
		}
	}
	switch {
	case l.measures:
		return ipld.Null, nil
	case t.Kind == wit.Option && (i == 0 || t.elem.Kind != wit.Option):
		return v, nil
	case t.Kind == wit.Variant && p.typ == nil:
		return ipld.String(p.name), nil
	}
	return ipld.Map(ipld.Entry{Key: p.name, Value: v}), nil
}

// indirect reads text or a list at an address.
func (l *lifter) indirect(t *typ, at, n uint32) (ipld.Value, error) {
	if t.Kind == wit.StringKind {
		s, err := l.text(at, n)
		return ipld.String(s), err
	}
	size := uint64(n) * uint64(t.elem.size)
	if uint64(at)+size > uint64(len(l.mem)) {
		return ipld.Null, &Error{"list pointer/length out of bounds of memory"}
	}
	if at%t.elem.align != 0 {
		return ipld.Null, &Error{"list pointer is not aligned"}
	}
	if t.elem.Kind == wit.U8 {
		if !l.count(int(size)) {
			return ipld.Null, ErrTooLarge
		}
		if l.measures {
			return ipld.Null, nil
		}
		return ipld.Bytes(l.mem[at:][:size]), nil
	}
	if uint64(n)*valueCost > uint64(MaxLifted-min(l.cost, MaxLifted)) || !l.affords(int(n)*valueCost) {
		return ipld.Null, ErrTooLarge
	}
	var out []ipld.Value
	if !l.measures {
		out = make([]ipld.Value, n)
	}
	for i := range int(n) {
		before := l.fault
		v, err := l.load(t.elem, at+uint32(i)*t.elem.size)
		if err != nil {
			return ipld.Null, err
		}
		if before == nil && l.fault != nil {
			l.fault.Path = "/" + strconv.Itoa(i) + l.fault.Path
		}
		if out != nil {
			out[i] = v
		}
	}
	return ipld.List(out...), nil
}

// scalar is the value of a type that is one core value. What a core value has
// beyond the type's width is not looked at.
func (l *lifter) scalar(t *typ, u uint64) (ipld.Value, error) {
	switch t.Kind {
	case wit.Bool:
		return ipld.Bool(u != 0), nil
	case wit.S8, wit.S16, wit.S32, wit.S64:
		shift := 64 - intBits[t.Kind]
		return ipld.Int(int64(u<<shift) >> shift), nil
	case wit.U8, wit.U16, wit.U32, wit.U64:
		return ipld.Uint(u << (64 - intBits[t.Kind]) >> (64 - intBits[t.Kind])), nil
	case wit.F32:
		return l.float(t, Shortest(math.Float32frombits(uint32(u)))), nil
	case wit.F64:
		return l.float(t, math.Float64frombits(u)), nil
	case wit.Char:
		if u > utf8.MaxRune || !utf8.ValidRune(rune(u)) {
			return ipld.Null, &Error{"converted integer out of range for `char`"}
		}
		return ipld.String(string(rune(u))), nil
	case wit.Enum:
		i, err := t.tagOf(u)
		if err != nil {
			return ipld.Null, err
		}
		return ipld.String(t.Names[i]), nil
	case wit.Flags:
		return l.flags(t, u)
	}
	return ipld.Uint(u), nil // a handle
}

func (l *lifter) float(t *typ, f float64) ipld.Value {
	if (math.IsNaN(f) || math.IsInf(f, 0)) && l.fault == nil {
		l.fault = &wit.Fault{Want: "a finite " + t.String(), Got: strconv.FormatFloat(f, 'g', -1, 64), Msg: "IPLD has no such number"}
	}
	return ipld.Float(f)
}

func (l *lifter) flags(t *typ, u uint64) (ipld.Value, error) {
	u &= 1<<len(t.Names) - 1
	if !l.count(bits.OnesCount64(u) * valueCost) {
		return ipld.Null, ErrTooLarge
	}
	names := []ipld.Value{}
	for i, name := range t.Names {
		if u>>i&1 == 1 && !l.measures {
			names = append(names, ipld.String(name))
		}
	}
	return ipld.List(names...), nil
}

func getUint(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}
