package wit

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// bounds are the least and the largest value of an integer kind.
func (k Kind) bounds() (least int64, most uint64) {
	switch k {
	case S8:
		return math.MinInt8, math.MaxInt8
	case U8:
		return 0, math.MaxUint8
	case S16:
		return math.MinInt16, math.MaxInt16
	case U16:
		return 0, math.MaxUint16
	case S32:
		return math.MinInt32, math.MaxInt32
	case U32:
		return 0, math.MaxUint32
	case S64:
		return math.MinInt64, math.MaxInt64
	}
	return 0, math.MaxUint64
}

// integer returns v, an integer in the range of t or a float that is exactly
// one, as an integer.
func integer(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	n := v
	if f, ok := v.AsFloat(); ok {
		if f != math.Trunc(f) || math.IsInf(f, 0) { // NaN differs from itself
			return v, mismatch(t, v, "not a whole number")
		}
		switch {
		case f >= 0 && f < 1<<64:
			n = ipld.Uint(uint64(f))
		case f < 0 && f >= -1<<63:
			n = ipld.Int(int64(f))
		default:
			return v, mismatch(t, v, rangeText(t.Kind))
		}
	}
	if n.Kind() != ipld.KindInt {
		return v, mismatch(t, v, "")
	}
	least, most := t.Kind.bounds()
	if u, ok := n.AsUint64(); ok && u <= most {
		return n, nil
	} else if !ok {
		if i, _ := n.AsInt64(); i >= least {
			return n, nil
		}
	}
	return v, mismatch(t, v, rangeText(t.Kind))
}

func rangeText(k Kind) string {
	least, most := k.bounds()
	return fmt.Sprintf("%d…%d", least, most)
}

// float returns v, a finite float or an integer, as the nearest float of t.
func float(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	f, ok := v.AsFloat()
	switch {
	case ok && (math.IsNaN(f) || math.IsInf(f, 0)):
		return v, mismatch(t, v, "IPLD has no such number")
	case ok && t.Kind == F64:
		return v, nil
	case ok:
		if math.IsInf(float64(float32(f)), 0) {
			return v, mismatch(t, v, "beyond the largest f32")
		}
		return ipld.Float(shortest(float32(f))), nil
	}
	// Integers go to f32 in one step: rounding twice can miss the nearest.
	if u, ok := v.AsUint64(); ok {
		if t.Kind == F64 {
			return ipld.Float(float64(u)), nil
		}
		return ipld.Float(shortest(float32(u))), nil
	}
	if i, ok := v.AsInt64(); ok {
		if t.Kind == F64 {
			return ipld.Float(float64(i)), nil
		}
		return ipld.Float(shortest(float32(i))), nil
	}
	return v, mismatch(t, v, "")
}

// shortest is the float64 nearest to the shortest decimal that reads back as
// the finite f: 0.1 for the f32 0.1, not 0.10000000149011612.
func shortest(f float32) float64 {
	var buf [32]byte
	d, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], float64(f), 'g', -1, 32)), 64)
	if err != nil || float32(d) != f { // a decimal so near to the middle of two f32 that rounding twice misses f
		return float64(f)
	}
	return d
}
