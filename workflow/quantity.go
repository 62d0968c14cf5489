package workflow

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// maxMemory bounds what a 32-bit module can address, in bytes.
const maxMemory = 4 << 30

// units of one dimension: how many of the least unit each name is, and how many
// of these a base unit is.
type units struct {
	base  int64
	names map[string]int64
}

// timeUnits have the nanosecond for base.
var timeUnits = units{1, map[string]int64{
	"ns": 1, "nanosecond": 1,
	"us": 1e3, "µs": 1e3, "μs": 1e3, "microsecond": 1e3,
	"ms": 1e6, "millisecond": 1e6,
	"s": 1e9, "sec": 1e9, "second": 1e9,
	"m": 60e9, "min": 60e9, "minute": 60e9,
	"h": 3600e9, "hr": 3600e9, "hour": 3600e9,
	"d": 86400e9, "day": 86400e9, "week": 7 * 86400e9,
}}

// byteUnits have the byte for base. Their least unit is the bit.
var byteUnits = units{8, map[string]int64{
	"bit": 1, "nibble": 4, "b": 8, "byte": 8,
	"kb": 8e3, "kilobyte": 8e3, "mb": 8e6, "megabyte": 8e6, "gb": 8e9, "gigabyte": 8e9,
	"kib": 8 << 10, "kibibyte": 8 << 10, "mib": 8 << 20, "mebibyte": 8 << 20, "gib": 8 << 30, "gibibyte": 8 << 30,
}}

// prefixes stand between the number and the unit of the specification's lists,
// such as [500, "milli", "seconds"]; their names are read without regard to
// case.
var prefixes = map[string]*big.Rat{
	"pico": big.NewRat(1, 1e12), "nano": big.NewRat(1, 1e9), "micro": big.NewRat(1, 1e6), "milli": big.NewRat(1, 1e3),
	"centi": big.NewRat(1, 100), "deci": big.NewRat(1, 10), "deca": big.NewRat(10, 1), "hecto": big.NewRat(100, 1),
	"kilo": big.NewRat(1e3, 1), "mega": big.NewRat(1e6, 1), "giga": big.NewRat(1e9, 1),
	"tera": big.NewRat(1e12, 1), "peta": big.NewRat(1e15, 1), "exa": big.NewRat(1e18, 1),
	"kibi": big.NewRat(1<<10, 1), "mebi": big.NewRat(1<<20, 1), "gibi": big.NewRat(1<<30, 1),
}

// symbols are the short spellings of prefixes, as the draft's schema represents
// them. Their case tells milli from mega.
var symbols = map[string]string{
	"p": "pico", "n": "nano", "u": "micro", "m": "milli", "c": "centi", "d": "deci",
	"da": "deca", "h": "hecto", "ha": "hecto", "k": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "E": "exa",
}

// hinted is an error that knows what to do about it.
type hinted struct {
	error
	hint string
}

// hintOf is the hint that err has, or else the one given.
func hintOf(err error, otherwise string) string {
	if h, ok := err.(hinted); ok {
		return h.hint
	}
	return otherwise
}

// prefix returns the factor that the named prefix stands for.
func prefix(name string) (*big.Rat, error) {
	if long, ok := symbols[name]; ok {
		name = long
	}
	if p, ok := prefixes[strings.ToLower(name)]; ok {
		return p, nil
	}
	hint := "the prefixes are p, n, u, m, c, d, da, h, k, M, G, T, P and E, or their names"
	if meant := symbolsLike(name); meant != "" {
		hint = meant
	}
	return nil, hinted{fmt.Errorf("there is no prefix %s", quote(name)), hint}
}

// symbolsLike says what the symbols mean that differ from s by their case only,
// such as "m is milli, M is mega".
func symbolsLike(s string) string {
	var meant []string
	for _, like := range []string{strings.ToLower(s), strings.ToUpper(s)} {
		if long, ok := symbols[like]; ok {
			meant = append(meant, like+" is "+long)
		}
	}
	return strings.Join(meant, ", ")
}

// unit returns how many base units the named one has. Names may be plural and
// are read without regard to case.
func (u units) unit(name string) (*big.Rat, error) {
	s := strings.ToLower(strings.TrimSpace(name))
	if n, ok := u.names[s]; ok {
		return big.NewRat(n, u.base), nil
	}
	if n, ok := u.names[strings.TrimSuffix(s, "s")]; ok && len(s) > 2 {
		return big.NewRat(n, u.base), nil
	}
	if strings.TrimSuffix(s, "s") == "year" && u.base == timeUnits.base {
		return nil, hinted{errors.New("years differ in length"), "write the days that are meant: [365, days]"}
	}
	return nil, fmt.Errorf("there is no unit %s", quote(name))
}

// Why something is no amount with a unit.
var (
	errAmount = errors.New("not a positive number")
	errUnit   = errors.New("it has no unit")
	errShape  = errors.New("it is neither a number with a unit nor a list or map of them")
)

// amount reads a number of a document exactly.
func amount(n *node) (*big.Rat, error) {
	var text string
	switch n.kind {
	case intNode:
		text = n.value.String()
	case floatNode:
		f, _ := n.value.AsFloat()
		if math.Abs(f) > 1e30 || f != 0 && math.Abs(f) < 1e-30 { // keep the fraction small
			return nil, errAmount
		}
		text = n.value.String()
	default:
		return nil, fmt.Errorf("%s stands where a number belongs", n.show())
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || r.Sign() <= 0 {
		return nil, fmt.Errorf("%s is %w", text, errAmount)
	}
	return r, nil
}

// quantity reads an amount with its unit in any of the spellings
// [5, "minutes"], [500, "milli", "seconds"], {"minutes": 5} and "1h30m", in
// base units.
func (u units) quantity(n *node) (*big.Rat, error) {
	switch n.kind {
	case listNode:
		return u.list(n)
	case mapNode:
		sum := new(big.Rat)
		for i := range n.items {
			a, err := amount(&n.items[i])
			if err != nil {
				return nil, err
			}
			size, err := u.unit(n.keys[i].text)
			if err != nil {
				return nil, err
			}
			sum.Add(sum, a.Mul(a, size))
		}
		return sum, nil
	case stringNode:
		return u.text(n.text())
	}
	return nil, errShape
}

func (u units) list(n *node) (*big.Rat, error) {
	if len(n.items) < 2 || len(n.items) > 3 {
		return nil, errShape
	}
	a, err := amount(&n.items[0])
	if err != nil {
		return nil, err
	}
	for _, item := range n.items[1:] {
		if item.kind != stringNode {
			return nil, fmt.Errorf("%s stands where a unit belongs", item.show())
		}
	}
	name := n.items[len(n.items)-1].text()
	if len(n.items) == 3 {
		p, err := prefix(n.items[1].text())
		if err != nil {
			return nil, err
		}
		a.Mul(a, p)
	}
	size, err := u.unit(name)
	if err != nil {
		return nil, err
	}
	return a.Mul(a, size), nil
}

// text reads a sum of numbers with units, such as "1h30m" or "64 MiB".
func (u units) text(s string) (*big.Rat, error) {
	if len(s) > 64 {
		return nil, errShape
	}
	sum, rest := new(big.Rat), strings.TrimSpace(s)
	for first := true; first || rest != ""; first = false {
		digits := span(rest, "0123456789.")
		a, ok := new(big.Rat).SetString(rest[:digits])
		if digits == 0 || !ok {
			return nil, errShape
		}
		rest = strings.TrimLeft(rest[digits:], " ")
		letters := strings.IndexAny(rest, "0123456789. ")
		if letters < 0 {
			letters = len(rest)
		}
		if letters == 0 {
			return nil, errUnit
		}
		size, err := u.unit(rest[:letters])
		if err != nil {
			return nil, err
		}
		sum.Add(sum, a.Mul(a, size))
		rest = strings.TrimLeft(rest[letters:], " ")
	}
	return sum, nil
}

// span is the length of the longest prefix of s with characters in set only.
func span(s, set string) int {
	return len(s) - len(strings.TrimLeft(s, set))
}

const timeHint = `write a number with its unit, such as "30s", "5m" or "1h30m"`

// time reads a duration, which is a whole number of nanoseconds above zero.
func (r *reader) time(n *node) time.Duration {
	q, err := timeUnits.quantity(n)
	if n.kind == intNode || n.kind == floatNode {
		err = errUnit
	}
	switch {
	case err == errUnit:
		hint := timeHint
		if number := strings.Trim(n.show(), `"`); span(number, "0123456789.") == len(number) {
			hint = fmt.Sprintf("add a unit: %q, %q or %q", number+"s", number+"m", number+"h")
		}
		r.fault(n, Invalid, hint, "expected a time, got %s: it has no unit", n.show())
		return 0
	case err != nil:
		r.fault(n, Invalid, hintOf(err, timeHint), "expected a time, got %s%s", n.show(), because(err))
		return 0
	case !q.IsInt() || q.Sign() <= 0 || !q.Num().IsInt64():
		r.fault(n, Invalid, timeHint, "expected a time from 1 ns to 292 years, got %s", n.show())
		return 0
	}
	return time.Duration(q.Num().Int64())
}

// because is what err adds to a message that says what was got.
func because(err error) string {
	if err == errShape {
		return ""
	}
	return ": " + err.Error()
}

const memoryHint = `write a number of bytes, or one with its unit, such as "64MiB"`

// sizeHint says how to write the size that n was meant to be.
func sizeHint(n *node) string {
	text := strings.TrimSpace(n.text())
	digits := span(text, "0123456789")
	number, unit := text[:digits], strings.ToUpper(text[digits:])
	switch {
	case number == "":
	case unit == "" && len(number) > 4:
		return "write " + number + " without quotes"
	case unit == "":
		return fmt.Sprintf(`write %s without quotes for bytes, or add a unit: "%sMiB"`, number, number)
	case unit == "K" || unit == "M" || unit == "G":
		return fmt.Sprintf(`did you mean "%s%siB"?`, number, unit)
	}
	return memoryHint
}

// memory reads a number of bytes, above zero and at most 4 GiB.
func (r *reader) memory(n *node) uint64 {
	size := r.size(n)
	if size > maxMemory {
		r.fault(n, Size, `a module addresses at most "4GiB"; most need no more than the default 64 MiB`, "the memory limit %s is above 4 GiB", n.show())
		return 0
	}
	return size
}

// size reads a number of bytes, above zero; where it can not it is 0.
func (r *reader) size(n *node) uint64 {
	q, err := byteUnits.quantity(n)
	if n.kind == intNode || n.kind == floatNode {
		if q, err = amount(n); err != nil {
			q, err = new(big.Rat), nil // not above zero, or as good as none
		}
	}
	switch {
	case err != nil:
		r.fault(n, Invalid, hintOf(err, sizeHint(n)), "expected a size in bytes, got %s%s", n.show(), because(err))
	case q.Sign() <= 0 || !q.IsInt():
		r.fault(n, Invalid, partsHint(n, q), "expected a size of whole bytes and at least one, got %s", n.show())
	case !q.Num().IsInt64():
		r.fault(n, Size, memoryHint, "expected a size below 2^63 bytes, got %s", n.show())
	default:
		return q.Num().Uint64()
	}
	return 0
}

// partsHint is for n, a size of q bytes, which is no whole number.
func partsHint(n *node, q *big.Rat) string {
	if n.kind == listNode && len(n.items) == 3 {
		if s := n.items[1].text(); symbols[s] != "" && prefixes[symbols[s]].Cmp(big.NewRat(1, 1)) < 0 {
			return symbolsLike(s)
		}
	}
	if n.kind == intNode || n.kind == floatNode || q.Sign() <= 0 {
		return memoryHint
	}
	return memoryHint + "; a byte has 8 bits or 2 nibbles"
}

// gas reads a number of Wasm instructions, above zero.
func (r *reader) gas(n *node) uint64 {
	const hint = "give the most Wasm instructions that one run may take, such as 100000000"
	if n.kind == floatNode || n.kind == intNode {
		q, err := amount(n)
		switch {
		case err == nil && q.IsInt() && q.Num().IsUint64():
			return q.Num().Uint64()
		case n.value.Equal(ipld.Int(0)):
			r.fault(n, Invalid, hint, "expected gas as a whole number from 1 to 2^64−1, got 0, which lets nothing run")
			return 0
		}
	}
	mend := hint
	if digits := strings.NewReplacer("_", "", ",", "", " ", "").Replace(n.text()); digits != "" && len(digits) < 20 && strings.Trim(digits, "0123456789") == "" {
		mend = "write " + digits + ", without quotes and separators"
	}
	r.fault(n, Invalid, mend, "expected gas as a whole number from 1 to 2^64−1, got %s", n.show())
	return 0
}
