//go:build cgo

package wasm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// generator makes types, values of them, and guests that give back what they
// are given. One seed makes the same ones always.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

// one tells, of n times, once.
func (g generator) one(n int) bool { return g.IntN(n) == 0 }

// typ makes a type that nests depth deep at most.
func (g generator) typ(depth int) *wit.Type {
	t := &wit.Type{Kind: wit.Kind(1 + g.IntN(int(wit.Flags)))}
	if depth == 0 {
		t.Kind = wit.Kind(1 + g.IntN(int(wit.StringKind)))
	}
	switch t.Kind {
	case wit.List, wit.Option:
		t.Elem = g.typ(depth - 1)
	case wit.Result:
		t.Elem, t.Err = g.payload(depth), g.payload(depth)
	case wit.Record:
		for _, n := range g.names(1 + g.IntN(5)) {
			t.Fields = append(t.Fields, wit.Field{Name: n, Type: g.typ(depth - 1)})
		}
	case wit.Variant:
		for _, n := range g.names(g.several(5, 300)) {
			t.Fields = append(t.Fields, wit.Field{Name: n})
		}
		for range 1 + g.IntN(4) {
			t.Fields[g.IntN(len(t.Fields))].Type = g.payload(depth)
		}
	case wit.Tuple:
		for range g.several(4, 12) {
			t.Items = append(t.Items, g.typ(depth-1))
		}
	case wit.Enum:
		t.Names = g.names(g.several(5, 300))
	case wit.Flags:
		t.Names = g.names(g.several(9, 32))
	}
	return t
}

// several is a small number above 0, now and then a large one.
func (g generator) several(few, many int) int {
	if g.one(8) {
		few = many
	}
	return 1 + g.IntN(few)
}

func (g generator) payload(depth int) *wit.Type {
	if g.one(3) {
		return nil
	}
	return g.typ(depth - 1)
}

func (g generator) names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", []string{"a", "b-c", "some-name", "X", "x-YZ"}[g.IntN(5)], i)
	}
	return out
}

// value makes a value of t in canonical form.
func (g generator) value(t *wit.Type) ipld.Value {
	switch t.Kind {
	case wit.Bool:
		return ipld.Bool(g.one(2))
	case wit.S8, wit.S16, wit.S32, wit.S64:
		shift := 64 - intBits[t.Kind]
		return ipld.Int(int64(g.bits()<<shift) >> shift)
	case wit.U8, wit.U16, wit.U32, wit.U64:
		return ipld.Uint(g.bits() >> (64 - intBits[t.Kind]))
	case wit.F32:
		if f := math.Float32frombits(uint32(g.bits())); f-f == 0 {
			return ipld.Float(abi.Shortest(f))
		}
		return ipld.Float(0)
	case wit.F64:
		if f := math.Float64frombits(g.bits()); f-f == 0 {
			return ipld.Float(f)
		}
		return ipld.Float(math.Copysign(0, -1))
	case wit.Char:
		return ipld.String(g.char())
	case wit.StringKind:
		return ipld.String(g.text())
	case wit.List:
		return g.list(t.Elem)
	case wit.Enum:
		return ipld.String(t.Names[g.IntN(len(t.Names))])
	case wit.Flags:
		names := []ipld.Value{}
		for _, n := range t.Names {
			if g.one(2) {
				names = append(names, ipld.String(n))
			}
		}
		return ipld.List(names...)
	}
	return g.compound(t)
}

// bits are random, or all of them are the same but for a few.
func (g generator) bits() uint64 {
	switch g.IntN(4) {
	case 0:
		return uint64(g.IntN(3)) << g.IntN(64)
	case 1:
		return ^uint64(g.IntN(3))
	}
	return g.Uint64()
}

func (g generator) compound(t *wit.Type) ipld.Value {
	switch t.Kind {
	case wit.Tuple:
		items := make([]ipld.Value, len(t.Items))
		for i, item := range t.Items {
			items[i] = g.value(item)
		}
		return ipld.List(items...)
	case wit.Record:
		entries := make([]ipld.Entry, len(t.Fields))
		for i, f := range t.Fields {
			entries[i] = ipld.Entry{Key: f.Name, Value: g.value(f.Type)}
		}
		return ipld.Map(entries...)
	case wit.Option:
		switch {
		case g.one(3):
			return ipld.Null
		case t.Elem.Kind == wit.Option:
			return ipld.Map(ipld.Entry{Key: "some", Value: g.value(t.Elem)})
		}
		return g.value(t.Elem)
	case wit.Result:
		if g.one(2) {
			return g.branch("error", t.Err)
		}
		return g.branch("ok", t.Elem)
	}
	c := t.Fields[g.IntN(len(t.Fields))]
	if c.Type == nil {
		return ipld.String(c.Name)
	}
	return g.branch(c.Name, c.Type)
}

func (g generator) branch(name string, t *wit.Type) ipld.Value {
	v := ipld.Null
	if t != nil {
		v = g.value(t)
	}
	return ipld.Map(ipld.Entry{Key: name, Value: v})
}

func (g generator) list(elem *wit.Type) ipld.Value {
	n := g.IntN(4)
	if elem.Kind <= wit.StringKind && g.one(5) {
		n = g.IntN(300)
	}
	if elem.Kind == wit.U8 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(g.Uint32())
		}
		return ipld.Bytes(b)
	}
	items := make([]ipld.Value, n)
	for i := range items {
		items[i] = g.value(elem)
	}
	return ipld.List(items...)
}

// char is a character of one to four bytes.
func (g generator) char() string {
	for {
		r := rune(g.Uint32() >> (11 + g.IntN(21)))
		if s := string(r); s != "�" {
			return s
		}
	}
}

// text is empty, ASCII, Latin-1 as well, or anything.
func (g generator) text() string {
	var b strings.Builder
	kind := g.IntN(4)
	for range g.several(12, 3000) - 1 {
		switch {
		case kind == 0 || kind < 3 && !g.one(4):
			b.WriteByte(byte(' ' + g.IntN(95)))
		case kind == 1:
			b.WriteRune(rune(g.IntN(256)))
		default:
			b.WriteString(g.char())
		}
	}
	return b.String()
}

// shape is how a type lies in memory and in core values, by the letters of
// [abi.Signature]. It is derived from the specification anew, apart from
// package abi.
type shape struct {
	size, align int
	flat        string
}

func shapeOf(t *wit.Type) shape {
	switch t.Kind {
	case wit.Bool, wit.S8, wit.U8:
		return shape{1, 1, "i"}
	case wit.S16, wit.U16:
		return shape{2, 2, "i"}
	case wit.S32, wit.U32, wit.Char:
		return shape{4, 4, "i"}
	case wit.F32:
		return shape{4, 4, "f"}
	case wit.S64, wit.U64:
		return shape{8, 8, "I"}
	case wit.F64:
		return shape{8, 8, "F"}
	case wit.StringKind, wit.List:
		return shape{8, 4, "ii"}
	case wit.Flags:
		n := []int{1, 2, 4, 4}[(len(t.Names)-1)/8]
		return shape{n, n, "i"}
	case wit.Record, wit.Tuple:
		s := shape{align: 1}
		for _, p := range partsOf(t) {
			q := shapeOf(p)
			s = shape{up(s.size, q.align) + q.size, max(s.align, q.align), s.flat + q.flat}
		}
		s.size = up(s.size, s.align)
		return s
	}
	return shapeOfCases(t)
}

func shapeOfCases(t *wit.Type) shape {
	tag, at := tagOf(t)
	s := shape{align: tag}
	for _, p := range partsOf(t) {
		if p == nil {
			continue
		}
		q := shapeOf(p)
		s.size, s.align = max(s.size, at+q.size), max(s.align, q.align)
		s.flat = joined(s.flat, q.flat)
	}
	return shape{up(max(s.size, tag), s.align), s.align, "i" + s.flat}
}

// tagOf is the size of the number of a case, and where its payload is.
func tagOf(t *wit.Type) (size, payload int) {
	size = 1
	if n := max(len(t.Names), len(t.Fields)); n > 256 {
		size = 2
	}
	payload = size
	for _, p := range partsOf(t) {
		if p != nil {
			payload = max(payload, shapeOf(p).align)
		}
	}
	return size, up(size, payload)
}

func joined(a, b string) string {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := []byte(a)
	for i := range len(b) {
		switch {
		case a[i] == b[i]:
		case strings.Contains("if fi", string([]byte{a[i], b[i]})):
			out[i] = 'i'
		default:
			out[i] = 'I'
		}
	}
	return string(out)
}

func partsOf(t *wit.Type) []*wit.Type {
	switch t.Kind {
	case wit.Tuple:
		return t.Items
	case wit.Option:
		return []*wit.Type{nil, t.Elem}
	case wit.Result:
		return []*wit.Type{t.Elem, t.Err}
	}
	var out []*wit.Type
	for _, f := range t.Fields {
		out = append(out, f.Type)
	}
	return out
}

func up(n, align int) int { return (n + align - 1) / align * align }

// echo writes a component of functions that give back what they are given.
type echo struct {
	g              generator
	encoding       string
	core           strings.Builder // functions of the core module
	types, funcs   strings.Builder
	names          int
	withPostReturn bool
}

func newEcho(g generator) *echo {
	return &echo{g: g, encoding: []string{"utf8", "utf16", "latin1+utf16"}[g.IntN(3)], withPostReturn: g.one(2)}
}

var coreNames = map[byte]string{'i': "i32", 'I': "i64", 'f': "f32", 'F': "f64"}

// add adds a function of params that returns them: the one there is, or a
// tuple of all. When pad is set, a parameter that is not returned comes after
// them and makes all of them too many to be passed but in memory.
func (e *echo) add(name string, pad bool, params ...*wit.Type) {
	result := params[0]
	if len(params) > 1 {
		result = &wit.Type{Kind: wit.Tuple, Items: params}
	}
	fn := fmt.Sprintf(`(func (export %q)`, name)
	var flat string
	for i, p := range params {
		fn += fmt.Sprintf(` (param "p%d" %s)`, i, e.ref(p))
		flat += shapeOf(p).flat
	}
	if pad {
		fn += ` (param "pad" (tuple` + strings.Repeat(" u64", 17) + `))`
		flat += strings.Repeat("I", 17)
	}
	returns := shapeOf(result).flat
	body, returned := e.body(flat, result), coreNames[returns[0]]
	if len(returns) > 1 {
		returned = "i32"
	}
	if len(flat) > 16 {
		flat = "i"
	}
	e.core.WriteString(fmt.Sprintf("(func (export %q) (param%s) (result %s) %s)\n", name, coreParams(flat), returned, body))
	fn += fmt.Sprintf(` (result %s) (canon lift (core func $i %q) (memory $mem) (realloc $realloc) string-encoding=%s`, e.ref(result), name, e.encoding)
	if e.withPostReturn {
		fn += fmt.Sprintf(` (post-return (func $i "post-%s"))`, returned)
	}
	e.funcs.WriteString(fn + "))\n")
}

// body returns the params, which are of the type of result.
func (e *echo) body(flat string, result *wit.Type) string {
	s := shapeOf(result)
	switch {
	case len(flat) == 1:
		return "(local.get 0)"
	case len(flat) > 16 && len(s.flat) > 1:
		return "(local.get 0)" // result and parameters lie in memory in the same way
	case len(flat) > 16:
		return "(" + loading(s) + " (local.get 0))"
	}
	get := func(i int, want byte) string { return convert(fmt.Sprintf("(local.get %d)", i), s.flat[i], want) }
	return storing(result, 64, 0, get) + " (i32.const 64)"
}

func loading(s shape) string {
	op := coreNames[s.flat[0]] + ".load"
	if s.size < 4 {
		op += fmt.Sprintf("%d_u", 8*s.size)
	}
	return op
}

// storing writes the flat value that get gives from number i on to memory.
func storing(t *wit.Type, at, i int, get func(i int, want byte) string) string {
	s := shapeOf(t)
	switch t.Kind {
	case wit.StringKind, wit.List:
		return fmt.Sprintf("(i32.store (i32.const %d) %s) (i32.store (i32.const %d) %s)", at, get(i, 'i'), at+4, get(i+1, 'i'))
	case wit.Record, wit.Tuple:
		var out string
		offset := 0
		for _, p := range partsOf(t) {
			q := shapeOf(p)
			offset = up(offset, q.align)
			out += storing(p, at+offset, i, get)
			offset += q.size
			i += len(q.flat)
		}
		return out
	case wit.Variant, wit.Option, wit.Result:
		tag, payload := tagOf(t)
		out := fmt.Sprintf("(i32.store%d (i32.const %d) %s)", 8*tag, at, get(i, 'i'))
		inner := func(k int, want byte) string { return convert(get(k, s.flat[k-i]), s.flat[k-i], want) }
		for n, p := range partsOf(t) {
			if p != nil {
				out += fmt.Sprintf("(if (i32.eq %s (i32.const %d)) (then %s))\n", get(i, 'i'), n, storing(p, at+payload, i+1, inner))
			}
		}
		return out
	}
	op := coreNames[s.flat[0]] + ".store"
	if s.size < 4 {
		op += fmt.Sprint(8 * s.size)
	}
	return fmt.Sprintf("(%s (i32.const %d) %s)", op, at, get(i, s.flat[0]))
}

// convert makes a core value of what it was joined with in a variant.
func convert(x string, have, want byte) string {
	switch {
	case have == want:
		return x
	case have == 'I' && want == 'F':
		return "(f64.reinterpret_i64 " + x + ")"
	case have == 'I':
		return convert("(i32.wrap_i64 "+x+")", 'i', want)
	}
	return "(f32.reinterpret_i32 " + x + ")"
}

func coreParams(flat string) (out string) {
	for i := range len(flat) {
		out += " " + coreNames[flat[i]]
	}
	return out
}

// addList adds a function that gives a list of t back.
func (e *echo) addList(name string, t *wit.Type) {
	e.add(name, false, &wit.Type{Kind: wit.List, Elem: t})
}

// ref is t in the text format, after its definition where it has one.
func (e *echo) ref(t *wit.Type) string {
	if t == nil {
		return ""
	}
	if t.Kind <= wit.StringKind {
		return t.String()
	}
	def := e.define(t)
	e.names++
	name := fmt.Sprintf("$t%d", e.names)
	fmt.Fprintf(&e.types, "(type %s %s)\n", name, def)
	switch t.Kind {
	case wit.Record, wit.Variant, wit.Enum, wit.Flags: // these are known by a name
		fmt.Fprintf(&e.types, "(export %sx \"t%d\" (type %s))\n", name, e.names, name)
		name += "x"
	}
	return name
}

func (e *echo) define(t *wit.Type) string {
	var parts string
	switch t.Kind {
	case wit.List:
		return "(list " + e.ref(t.Elem) + ")"
	case wit.Option:
		return "(option " + e.ref(t.Elem) + ")"
	case wit.Result:
		if t.Elem != nil {
			parts = " " + e.ref(t.Elem)
		}
		if t.Err != nil {
			parts += " (error " + e.ref(t.Err) + ")"
		}
		return "(result" + parts + ")"
	case wit.Tuple:
		for _, item := range t.Items {
			parts += " " + e.ref(item)
		}
		return "(tuple" + parts + ")"
	case wit.Enum, wit.Flags:
		return fmt.Sprintf("(%s %s)", map[wit.Kind]string{wit.Enum: "enum", wit.Flags: "flags"}[t.Kind], `"`+strings.Join(t.Names, `" "`)+`"`)
	}
	kind, part := "record", "field"
	if t.Kind == wit.Variant {
		kind, part = "variant", "case"
	}
	for _, f := range t.Fields {
		parts += fmt.Sprintf(" (%s %q %s)", part, f.Name, e.ref(f.Type))
	}
	return "(" + kind + parts + ")"
}

// allocator is a realloc that never frees, and what its module needs beside.
const allocator = `
	(memory (export "memory") 1)
	(global $free (mut i32) (i32.const 4096))
	(func $realloc (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
		(local $at i32)
		(local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
		(global.set $free (i32.add (local.get $at) (local.get $new)))
		(block $enough
			(br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
			(br_if $enough (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $new) (i32.const 65536))))))
			unreachable)
		(memory.copy (local.get $at) (local.get $old) (select (local.get $size) (local.get $new) (i32.lt_u (local.get $size) (local.get $new))))
		(local.get $at))`

// text is the component.
func (e *echo) text() string {
	return `(component (core module $m` + allocator + `
	(func (export "post-i32") (param i32) (global.set $free (local.get 0)))
	(func (export "post-i64") (param i64) (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1))))
	(func (export "post-f32") (param f32))
	(func (export "post-f64") (param f64) nop (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)) drop)
	` + e.core.String() + `)
	(core instance $i (instantiate $m))
	(alias core export $i "memory" (core memory $mem))
	(alias core export $i "realloc" (core func $realloc))
	` + e.types.String() + e.funcs.String() + `)`
}
