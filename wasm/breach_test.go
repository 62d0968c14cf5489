//go:build cgo

package wasm

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// alone is a component of one core module.
func alone(core, funcs string) string {
	return `(component (core module $m ` + core + `)
	(core instance $i (instantiate $m))
	(type $e' (enum "a" "b")) (export $e "e" (type $e'))
	(type $v' (variant (case "none") (case "u" u32) (case "s" string) (case "f" f32))) (export $v "v" (type $v'))
	(type $p' (flags "x" "y" "z")) (export $p "p" (type $p'))
	(type $r' (record (field "f" f32) (field "n" u8))) (export $r "r" (type $r'))
	` + funcs + `)`
}

// logged is a component whose module is given host functions; its memory and
// its allocator are those of another module.
func logged(core, funcs string) string {
	return `(component
	(type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
	(import "wasi:logging/logging@0.1.0-draft" (instance $logging
		(export "level" (type $level (eq $level')))
		(export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
	(type $time' (record (field "seconds" u64) (field "nanoseconds" u32)))
	(import "homestar:host/helpers" (instance $helpers
		(export "time" (type $time (eq $time')))
		(export "print" (func (param "msg" string)))
		(export "get-current-time" (func (result $time)))))
	(core module $memory ` + allocator + `
		(data (i32.const 100) "\ff\fe\fd") (data (i32.const 200) "text"))
	(core instance $m (instantiate $memory))
	(alias core export $m "memory" (core memory $mem))
	(alias core export $m "realloc" (core func $realloc))
	(alias export $logging "log" (func $log))
	(alias export $helpers "print" (func $print))
	(alias export $helpers "get-current-time" (func $now))
	(core func $log' (canon lower (func $log) (memory $mem)))
	(core func $print' (canon lower (func $print) (memory $mem)))
	(core func $wide' (canon lower (func $print) (memory $mem) string-encoding=utf16))
	(core func $compact' (canon lower (func $print) (memory $mem) string-encoding=latin1+utf16))
	(core func $now' (canon lower (func $now) (memory $mem)))
	(core module $program
		(import "env" "memory" (memory 1))
		(import "env" "log" (func $log (param i32 i32 i32 i32 i32)))
		(import "env" "print" (func $print (param i32 i32)))
		(import "env" "wide" (func $wide (param i32 i32)))
		(import "env" "compact" (func $compact (param i32 i32)))
		(import "env" "now" (func $now (param i32)))
		` + core + `)
	(core instance $i (instantiate $program (with "env" (instance
		(export "memory" (memory $mem)) (export "log" (func $log')) (export "print" (func $print'))
		(export "wide" (func $wide')) (export "compact" (func $compact')) (export "now" (func $now'))))))
	` + funcs + `)`
}

// gives is a function without parameters that gives back what core code puts
// on the stack, read as a result of type t.
func gives(core, returned, t string) string {
	return alone(`(memory (export "memory") 1)
		(data (i32.const 8) "\10\00\00\00\02\00\00\00\ff\d8\00\dc")
		(func (export "f") (result `+returned+`) `+core+`)`,
		`(func (export "f") (result `+t+`) (canon lift (core func $i "f") (memory $i "memory")))`)
}

// reads is the same for a result in memory, whose bytes are at 16.
func reads(bytes, t string) string { return readsIn("utf8", "i32.const 16", bytes, t) }

func readsIn(encoding, at, bytes, t string) string {
	return alone(`(memory (export "memory") 1)
		(data (i32.const 16) "`+bytes+`")
		(func (export "f") (result i32) (`+at+`))`,
		`(func (export "f") (result `+t+`) (canon lift (core func $i "f") (memory $i "memory") string-encoding=`+encoding+`))`)
}

// le is n 32-bit numbers as bytes of a data segment.
func le(n ...uint32) (out string) {
	for _, u := range n {
		for range 4 {
			out += fmt.Sprintf("\\%02x", byte(u))
			u >>= 8
		}
	}
	return out
}

// takes is a function of one text and one number, whose allocator is realloc.
func takes(realloc string) string { return takesIn("utf8", realloc) }

func takesIn(encoding, realloc string) string {
	return alone(`(memory (export "memory") 1) (global $n (mut i32) (i32.const 0)) (func $deep (call $deep))
		(func (export "realloc") (param i32 i32 i32 i32) (result i32) `+realloc+`)
		(func (export "f") (param i32 i32 i32) (result i32) (i32.add (local.get 1) (local.get 2)))`,
		`(func (export "f") (param "s" string) (param "n" u8) (result u32)
			(canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")) string-encoding=`+encoding+`))`)
}

// after is a function whose post-return is code; it gives back its argument
// read as a result of type t.
func after(code, number, t string) string {
	return alone(`(memory (export "memory") 1) (func $deep (call $deep))
		(func (export "f") (param `+number+`) (result `+number+`) (local.get 0))
		(func (export "post") (param `+number+`) `+code+`)`,
		`(func (export "f") (param "x" `+map[string]string{"i32": "u32", "f32": "f32", "f64": "f64", "i64": "u64"}[number]+`) (result `+t+`)
			(canon lift (core func $i "f") (memory $i "memory") (post-return (func $i "post"))))`)
}

// starts is a module with a start function.
func starts(code string) string {
	return alone(`(memory (export "memory") 1) (func $deep (call $deep)) (func $start `+code+`) (start $start)
		(func (export "f") (param i32) (result i32) (local.get 0))`,
		`(func (export "f") (param "x" u8) (result u8) (canon lift (core func $i "f")))`)
}

const loop = "(loop $l (br $l))"

// breach is one component that breaks a promise, or comes close to it, and
// what its function f comes to.
type breach struct {
	name, text, want string
	params           []ipld.Value
	limits           task.Limits // none: roomy
}

var (
	textAndNumber = []ipld.Value{ipld.String("hällo wörld"), ipld.Int(7)}
	number        = []ipld.Value{ipld.Int(7)}
	short30       = task.Limits{Gas: math.MaxUint64, Memory: 64 << 20, Time: 30 * time.Millisecond}
	littleGas     = task.Limits{Gas: 5000, Memory: 64 << 20, Time: time.Minute}
)

const abiTrap = "trap " + task.TrapABI

// brokenResults are results that are none of their type.
func brokenResults() []breach {
	return []breach{
		{name: "UTF-8: not", text: reads(le(24, 3)+`\ff\fe\fd`, "string"), want: abiTrap},
		{name: "UTF-8: cut off", text: reads(le(24, 1)+`\c3\a4`, "string"), want: abiTrap},
		{name: "UTF-8: overlong", text: reads(le(24, 2)+`\c0\80`, "string"), want: abiTrap},
		{name: "UTF-8: a surrogate", text: reads(le(24, 3)+`\ed\a0\80`, "string"), want: abiTrap},
		{name: "UTF-8: too high", text: reads(le(24, 4)+`\f4\90\80\80`, "string"), want: abiTrap},
		{name: "UTF-8: the last character", text: reads(le(24, 4)+`\f4\8f\bf\bf`, "string"), want: "ok"},
		{name: "UTF-16: high at the end", text: readsIn("utf16", "i32.const 16", le(24, 1)+`\00\d8\00\dc`, "string"), want: abiTrap},
		{name: "UTF-16: low alone", text: readsIn("utf16", "i32.const 16", le(24, 2)+`\00\dc\41\00`, "string"), want: abiTrap},
		{name: "UTF-16: high before a letter", text: readsIn("utf16", "i32.const 16", le(24, 2)+`\00\d8\41\00`, "string"), want: abiTrap},
		{name: "UTF-16: high twice", text: readsIn("utf16", "i32.const 16", le(24, 3)+`\00\d8\00\d8\00\dc`, "string"), want: abiTrap},
		{name: "UTF-16: a pair", text: readsIn("utf16", "i32.const 16", le(24, 2)+`\00\d8\00\dc`, "string"), want: "ok"},
		{name: "UTF-16: the replacement character", text: readsIn("utf16", "i32.const 16", le(24, 2)+`\fd\ff\41\00`, "string"), want: "ok"},
		{name: "UTF-16: odd address", text: readsIn("utf16", "i32.const 16", le(25, 1), "string"), want: abiTrap},
		{name: "UTF-16: odd address, empty", text: readsIn("utf16", "i32.const 16", le(25, 0), "string"), want: abiTrap},
		{name: "UTF-16: length that overflows", text: readsIn("utf16", "i32.const 16", le(24, 0x80000001), "string"), want: abiTrap},
		{name: "UTF-16: up to the end", text: readsIn("utf16", "i32.const 16", le(65534, 1), "string"), want: "ok"},
		{name: "UTF-16: beyond the end", text: readsIn("utf16", "i32.const 16", le(65534, 2), "string"), want: abiTrap},
		{name: "compact: Latin-1", text: readsIn("latin1+utf16", "i32.const 16", le(24, 3)+`\e4\ff\80`, "string"), want: "ok"},
		{name: "compact: odd address", text: readsIn("latin1+utf16", "i32.const 16", le(25, 1), "string"), want: abiTrap},
		{name: "compact: tagged, odd address", text: readsIn("latin1+utf16", "i32.const 16", le(25, 1<<31|1), "string"), want: abiTrap},
		{name: "compact: tagged, beyond the end", text: readsIn("latin1+utf16", "i32.const 16", le(24, 1<<31|40000), "string"), want: abiTrap},
		{name: "compact: tagged, high alone", text: readsIn("latin1+utf16", "i32.const 16", le(24, 1<<31|1)+`\00\d8`, "string"), want: abiTrap},
		{name: "compact: tagged, empty", text: readsIn("latin1+utf16", "i32.const 16", le(24, 1<<31), "string"), want: "ok"},
		{name: "compact: too long to be tagged", text: readsIn("latin1+utf16", "i32.const 16", le(24, 1<<31-1), "string"), want: abiTrap},
		{name: "text beyond the end", text: reads(le(65535, 2), "string"), want: abiTrap},
		{name: "no text at the end", text: reads(le(65536, 0), "string"), want: "ok"},
		{name: "no text beyond the end", text: reads(le(65537, 0), "string"), want: abiTrap},
		{name: "text at the last address", text: reads(le(math.MaxUint32, math.MaxUint32), "string"), want: abiTrap},
		{name: "no bytes at the end", text: reads(le(65536, 0), "(list u8)"), want: "ok"},
		{name: "no bytes beyond the end", text: reads(le(65537, 0), "(list u8)"), want: abiTrap},
		{name: "bytes beyond the end", text: reads(le(0, 65537), "(list u8)"), want: abiTrap},
		{name: "a list beyond the end", text: reads(le(65532, 2), "(list u32)"), want: abiTrap},
		{name: "a list whose size overflows", text: reads(le(16, 0x40000001), "(list u32)"), want: abiTrap},
		{name: "a list of too many", text: reads(le(16, math.MaxUint32), "(list u64)"), want: abiTrap},
		{name: "a list at an odd address", text: reads(le(17, 1), "(list u16)"), want: abiTrap},
		{name: "no list at an odd address", text: reads(le(17, 0), "(list u16)"), want: abiTrap},
		{name: "a list at half an address", text: reads(le(20, 1), "(list u64)"), want: abiTrap},
		{name: "a list of lists of which one is beyond the end", text: reads(le(24, 2, 16, 1, 65536, 1), "(list (list u8))"), want: abiTrap},
		{name: "result at an odd address", text: readsIn("utf8", "i32.const 17", "", "string"), want: abiTrap},
		{name: "result beyond the end", text: readsIn("utf8", "i32.const 65536", "", "string"), want: abiTrap},
		{name: "result half beyond the end", text: readsIn("utf8", "i32.const 65532", "", "string"), want: abiTrap},
		{name: "result at the very end", text: readsIn("utf8", "i32.const 65528", "", "string"), want: "ok"},
		{name: "result at address -8", text: readsIn("utf8", "i32.const -8", "", "string"), want: abiTrap},
		{name: "option: case 2", text: reads(`\02`, "(option u32)"), want: abiTrap},
		{name: "result: case 2", text: reads(`\02`, "(result u32)"), want: abiTrap},
		{name: "result: case 255", text: gives("i32.const 255", "i32", "(result)"), want: abiTrap},
		{name: "result: case 256", text: gives("i32.const 256", "i32", "(result)"), want: abiTrap},
		{name: "variant: case 4", text: reads(`\04`, "$v"), want: abiTrap},
		{name: "variant: other bytes of the number", text: reads(`\01\ff\ff\ff`+le(5), "$v"), want: "ok"},
		{name: "variant: bad payload", text: reads(le(2, 0, math.MaxUint32), "$v"), want: abiTrap},
		{name: "enum: case 2", text: gives("i32.const 2", "i32", "$e"), want: abiTrap},
		{name: "enum: case -1", text: gives("i32.const -1", "i32", "$e"), want: abiTrap},
		{name: "enum: case 2 in memory", text: reads(le(24, 2)+`\01\02`, "(list $e)"), want: abiTrap},
		{name: "char: a surrogate", text: gives("i32.const 0xd800", "i32", "char"), want: abiTrap},
		{name: "char: too high", text: gives("i32.const 0x110000", "i32", "char"), want: abiTrap},
		{name: "char: negative", text: gives("i32.const -1", "i32", "char"), want: abiTrap},
		{name: "char: a surrogate in memory", text: reads(le(24, 2, 0x41, 0xdfff), "(list char)"), want: abiTrap},
		{name: "bool: 256", text: gives("i32.const 256", "i32", "bool"), want: "ok"},
		{name: "bool: 2 in memory", text: reads(le(24, 3)+`\02\00\ff`, "(list bool)"), want: "ok"},
		{name: "u8 of 32 bits", text: gives("i32.const 0x12345678", "i32", "u8"), want: "ok"},
		{name: "s8 of 32 bits", text: gives("i32.const 0x123456f8", "i32", "s8"), want: "ok"},
		{name: "s16 of 32 bits", text: gives("i32.const 0x1234f678", "i32", "s16"), want: "ok"},
		{name: "flags that there are not", text: gives("i32.const -1", "i32", "$p"), want: "ok"},
		{name: "flags that there are not, in memory", text: reads(le(24, 2)+`\ff\f8`, "(list $p)"), want: "ok"},
		{name: "NaN", text: gives("f32.const nan", "f32", "f32"), want: "type"},
		{name: "infinity", text: gives("f64.const -inf", "f64", "f64"), want: "type"},
		{name: "NaN in a record", text: reads(le(0x7fc00001, 1), "$r"), want: "type"},
		{name: "NaN before a breach", text: reads(le(0x7fc00000, 20, 2), "(tuple f32 (list u64))"), want: abiTrap},
		{name: "NaN in a variant in a list", text: reads(le(24, 1, 3, 0x7f800000), "(list $v)"), want: "type"},
	}
}

// brokenAllocators have a realloc that does not do its work.
func brokenAllocators() []breach {
	p := textAndNumber
	return []breach{
		{name: "realloc: beyond the end", text: takes("i32.const 65530"), params: p, want: abiTrap},
		{name: "realloc: -1", text: takes("i32.const -1"), params: p, want: abiTrap},
		{name: "realloc: 0", text: takes("i32.const 0"), params: p, want: "ok"},
		{name: "realloc: odd", text: takesIn("utf16", "i32.const 1"), params: p, want: abiTrap},
		{name: "realloc: odd, compact", text: takesIn("latin1+utf16", "i32.const 1"), params: p, want: abiTrap},
		{name: "realloc: odd, and that is well", text: takes("i32.const 1"), params: p, want: "ok"},
		{name: "realloc: the end, for nothing", text: takes("i32.const 65536"), params: []ipld.Value{ipld.String(""), ipld.Int(1)}, want: "ok"},
		{name: "realloc: beyond the end, for nothing", text: takes("i32.const 65537"), params: []ipld.Value{ipld.String(""), ipld.Int(1)}, want: abiTrap},
		{name: "realloc: traps", text: takes("unreachable"), params: p, want: "trap unreachable"},
		{name: "realloc: loops", text: takes(loop + "unreachable"), params: p, limits: littleGas, want: "out-of-gas"},
		{name: "realloc: loops for long", text: takes(loop + "unreachable"), params: p, limits: short30, want: "timeout"},
		{name: "realloc: recursion", text: takes("(call $deep) i32.const 0"), params: p, want: "trap stack-overflow"},
		{name: "realloc: in new memory", text: takes("(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))"), params: p, want: "ok"},
		{name: "realloc: in memory that is refused", text: takes("(i32.mul (memory.grow (i32.const 5000)) (i32.const 65536))"), params: p, want: abiTrap},
		{name: "realloc: the second time odd", text: takesIn("utf16", "(global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.sub (global.get $n) (i32.const 1))"), params: p, want: abiTrap},
		{
			name: "realloc: the third time beyond the end", text: takesIn("latin1+utf16", "(global.set $n (i32.add (global.get $n) (i32.const 1))) (select (i32.const 65534) (i32.const 8) (i32.eq (global.get $n) (i32.const 3)))"),
			params: []ipld.Value{ipld.String("aä€"), ipld.Int(7)}, want: abiTrap,
		},
		{name: "realloc: traps, and the second argument is wrong", text: takes("unreachable"), params: []ipld.Value{ipld.String("x"), ipld.Int(256)}, want: "type"},
		{name: "realloc: loops, and the second argument is wrong", text: takes(loop + "unreachable"), params: []ipld.Value{ipld.String("x"), ipld.Null}, limits: littleGas, want: "type"},
		{name: "the second argument is wrong", text: takes("i32.const 0"), params: []ipld.Value{ipld.String("x"), ipld.Int(-1)}, want: "type"},
		{name: "text that is not UTF-8", text: takes("i32.const 0"), params: []ipld.Value{ipld.String("\xff"), ipld.Int(1)}, want: "type"},
		{name: "too few arguments", text: takes("i32.const 0"), params: p[:1], want: "type"},
		{name: "too many arguments", text: takes("i32.const 0"), params: append(p[:2:2], ipld.Null), want: "type"},
		{name: "many arguments: realloc unaligned", text: spilling("i32.const 4"), params: many(20), want: abiTrap},
		{name: "many arguments: realloc beyond the end", text: spilling("i32.const 65528"), params: many(20), want: abiTrap},
		{name: "many arguments", text: spilling("i32.const 8"), params: many(20), want: "ok"},
		{name: "many arguments: one is wrong", text: spilling("i32.const 8"), params: append(many(19), ipld.Null), want: "type"},
		{name: "many arguments: one is wrong, and realloc traps", text: spilling("unreachable"), params: append(many(19), ipld.Null), want: "type"},
	}
}

func spilling(realloc string) string {
	fn := `(func (export "f")`
	for i := range 20 {
		fn += fmt.Sprintf(` (param "p%d" u64)`, i)
	}
	return alone(`(memory (export "memory") 1)
		(func (export "realloc") (param i32 i32 i32 i32) (result i32) `+realloc+`)
		(func (export "f") (param i32) (result i64) (i64.load offset=152 (local.get 0)))`,
		fn+` (result u64) (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc"))))`)
}

func many(n int) (out []ipld.Value) {
	for i := range n {
		out = append(out, ipld.Int(int64(i)))
	}
	return out
}

// brokenEnds go wrong when all was done, or before anything was.
func brokenEnds() []breach {
	small := func(memory uint64) task.Limits { return task.Limits{Gas: 1 << 40, Memory: memory, Time: time.Minute} }
	f := []ipld.Value{ipld.Float(1)}
	out := []breach{
		{name: "post-return: traps", text: after("unreachable", "i32", "u32"), params: number, want: "trap unreachable"},
		{name: "post-return: well", text: after("nop", "i32", "u32"), params: number, want: "ok"},
		{name: "post-return: of an i64", text: after("(i64.eq (local.get 0) (i64.const 7)) (if (then) (else unreachable))", "i64", "u64"), params: number, want: "ok"},
		{name: "post-return: of an f32", text: after("(f32.eq (local.get 0) (f32.const 1)) (if (then) (else unreachable))", "f32", "f32"), params: f, want: "ok"},
		{name: "post-return: of an f64", text: after("(f64.eq (local.get 0) (f64.const 1)) (if (then) (else unreachable))", "f64", "f64"), params: f, want: "ok"},
		{name: "post-return: loops", text: after(loop, "i32", "u32"), params: number, limits: littleGas, want: "out-of-gas"},
		{name: "post-return: loops for long", text: after(loop, "i32", "u32"), params: number, limits: short30, want: "timeout"},
		{name: "post-return: recursion", text: after("(call $deep)", "i32", "u32"), params: number, want: "trap stack-overflow"},
		{name: "post-return: beyond the end", text: after("(drop (i32.load (i32.const -1)))", "i32", "u32"), params: number, want: "trap memory-out-of-bounds"},
		{name: "post-return: writes over the result", text: after("(memory.fill (i32.const 0) (i32.const 255) (i32.const 65536))", "i32", "string"), params: []ipld.Value{ipld.Int(16)}, want: "ok"},
		{name: "post-return: not after a breach", text: after("unreachable", "i32", "char"), params: []ipld.Value{ipld.Int(0xd800)}, want: abiTrap},
		{name: "post-return: not after a breach, costs nothing", text: after("(call 0)", "i32", "$e"), params: number, want: abiTrap},
		{name: "post-return: not after a breach in memory", text: after("unreachable", "i32", "string"), params: []ipld.Value{ipld.Int(1)}, want: abiTrap},
		{name: "start: traps", text: starts("unreachable"), params: number, want: "trap unreachable"},
		{name: "start: traps, and the argument is wrong", text: starts("unreachable"), params: []ipld.Value{ipld.Int(256)}, want: "type"},
		{name: "start: loops, and the argument is wrong", text: starts(loop), params: []ipld.Value{ipld.Null}, limits: littleGas, want: "type"},
		{name: "start: loops", text: starts(loop), params: number, limits: littleGas, want: "out-of-gas"},
		{name: "start: loops for long", text: starts(loop), params: number, limits: short30, want: "timeout"},
		{name: "start: recursion", text: starts("(call $deep)"), params: number, want: "trap stack-overflow"},
		{name: "start: divides by zero", text: starts("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), params: number, want: "trap integer-divide-by-zero"},
		{name: "data beyond the end", text: alone(`(memory 1) (data (i32.const 65535) "ab") (func (export "f"))`, `(func (export "f") (canon lift (core func $i "f")))`), want: "trap memory-out-of-bounds"},
		{name: "elements beyond the end", text: alone(`(table 1 funcref) (elem (i32.const 1) $f) (func $f (export "f"))`, `(func (export "f") (canon lift (core func $i "f")))`), want: "trap table-out-of-bounds"},
		{name: "memory: a byte too little", text: starts("nop"), params: number, limits: small(65535), want: "out-of-memory"},
		{name: "memory: just enough", text: starts("nop"), params: number, limits: small(65536), want: "ok"},
		{name: "memory: a byte", text: starts("nop"), params: number, limits: small(1), want: "out-of-memory"},
		{name: "memory: none needed", text: alone(`(func (export "f"))`, `(func (export "f") (canon lift (core func $i "f")))`), limits: small(1), want: "ok"},
		{name: "memory: a start that grows it", text: starts("(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))"), params: number, limits: small(131071), want: "trap unreachable"},
		{name: "recursion", text: alone(`(func $f (export "f") (call $f))`, `(func (export "f") (canon lift (core func $i "f")))`), want: "trap stack-overflow"},
		{name: "recursion with a loop", text: alone(`(func $f (export "f") (loop $l (call $f) (br $l)))`, `(func (export "f") (canon lift (core func $i "f")))`), want: "trap stack-overflow"},
		{name: "recursion that has no gas", text: alone(`(func $f (export "f") (loop $l (call $f) (br $l)))`, `(func (export "f") (canon lift (core func $i "f")))`), limits: task.Limits{Gas: 500, Memory: 1 << 20, Time: time.Minute}, want: "out-of-gas"},
		{name: "no such function", text: alone(`(func (export "g"))`, `(func (export "g") (canon lift (core func $i "g")))`), want: "type"},
	}
	shim := func(code string) string {
		return `(component (core module $m (memory (export "memory") 1) (func (export "_initialize") ` + code + `) (func (export "f")))
			(core instance $i (instantiate $m))
			(core module $start (import "" "" (func $f)) (start $f))
			(core instance (instantiate $start (with "" (instance (export "" (func $i "_initialize"))))))
			(func (export "f") (canon lift (core func $i "f"))))`
	}
	for code, want := range map[string]string{"nop": "ok", "unreachable": "trap unreachable", loop: "out-of-gas"} {
		out = append(out, breach{name: "initialize: " + code, text: shim(code), limits: littleGas, want: want})
	}
	return out
}

// brokenCalls call host functions as they may not, or when they may not.
func brokenCalls() []breach {
	calling := func(code string) string {
		return logged(`(func (export "f") `+code+`)`, `(func (export "f") (canon lift (core func $i "f")))`)
	}
	say := "(call $log (i32.const 2) (i32.const 200) (i32.const 4) (i32.const 200) (i32.const 2))"
	return []breach{
		{name: "log", text: calling(say), want: "ok"},
		{name: "log: twice, then a trap", text: calling(say + say + "unreachable"), want: "trap unreachable"},
		{name: "log: no such level", text: calling("(call $log (i32.const 6) (i32.const 200) (i32.const 4) (i32.const 200) (i32.const 2))"), want: abiTrap},
		{name: "log: level -1", text: calling("(call $log (i32.const -1) (i32.const 200) (i32.const 4) (i32.const 200) (i32.const 2))"), want: abiTrap},
		{name: "log: not UTF-8", text: calling("(call $log (i32.const 2) (i32.const 200) (i32.const 4) (i32.const 100) (i32.const 2))"), want: abiTrap},
		{name: "log: beyond the end", text: calling("(call $log (i32.const 2) (i32.const 200) (i32.const 4) (i32.const 65535) (i32.const 2))"), want: abiTrap},
		{name: "print: the end", text: calling("(call $print (i32.const 65536) (i32.const 0))"), want: "ok"},
		{name: "print: beyond the end", text: calling("(call $print (i32.const 65537) (i32.const 0))"), want: abiTrap},
		{name: "print: all there is", text: calling("(call $print (i32.const 4096) (i32.const 61440))"), want: "ok"},
		{name: "print: in new memory", text: calling("(drop (memory.grow (i32.const 1))) (i32.store8 (i32.const 65536) (i32.const 65)) (call $print (i32.const 65535) (i32.const 2))"), want: "ok"},
		{name: "print: UTF-16", text: calling("(call $wide (i32.const 200) (i32.const 2))"), want: "ok"},
		{name: "print: UTF-16, odd address", text: calling("(call $wide (i32.const 201) (i32.const 1))"), want: abiTrap},
		{name: "print: UTF-16, high alone", text: calling("(i32.store (i32.const 8) (i32.const 0xd800)) (call $wide (i32.const 8) (i32.const 2))"), want: abiTrap},
		{name: "print: compact", text: calling("(call $compact (i32.const 100) (i32.const 3))"), want: "ok"},
		{name: "print: compact, tagged", text: calling("(call $compact (i32.const 200) (i32.const 0x80000002))"), want: "ok"},
		{name: "print: compact, odd address", text: calling("(call $compact (i32.const 201) (i32.const 1))"), want: abiTrap},
		{name: "now", text: calling("(call $now (i32.const 8)) (if (i64.ne (i64.load (i32.const 8)) (i64.const 0)) (then unreachable))"), want: "ok"},
		{name: "now: unaligned", text: calling("(call $now (i32.const 4))"), want: abiTrap},
		{name: "now: beyond the end", text: calling("(call $now (i32.const 65528))"), want: abiTrap},
		{name: "now: the very end", text: calling("(call $now (i32.const 65520))"), want: "ok"},
		{name: "print: for ever", text: calling("(loop $l (call $print (i32.const 200) (i32.const 4)) (br $l))"), limits: littleGas, want: "out-of-gas"},
		{name: "print: for ever, empty", text: calling("(loop $l (call $print (i32.const 200) (i32.const 0)) (br $l))"), limits: short30, want: "timeout"},
		{
			name: "print from realloc", params: textAndNumber[:1], want: abiTrap,
			text: logged(`(func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $print (i32.const 200) (i32.const 4)) (i32.const 0))
				(func (export "f") (param i32 i32))`,
				`(func (export "f") (param "s" string) (canon lift (core func $i "f") (memory $mem) (realloc (func $i "realloc"))))`),
		},
		{
			name: "print from post-return", want: abiTrap,
			text: logged(`(func (export "f") (result i32) (call $print (i32.const 200) (i32.const 4)) (i32.const 5)) (func (export "post") (param i32) (call $print (i32.const 200) (i32.const 1)))`,
				`(func (export "f") (result u32) (canon lift (core func $i "f") (post-return (func $i "post"))))`),
		},
		{
			name: "print from a start function", want: "ok",
			text: logged(`(func $start (call $print (i32.const 200) (i32.const 4))) (start $start) (func (export "f"))`,
				`(func (export "f") (canon lift (core func $i "f")))`),
		},
		{
			name: "a breach from a start function", want: abiTrap,
			text: logged(`(func $start (call $print (i32.const 100) (i32.const 4))) (start $start) (func (export "f"))`,
				`(func (export "f") (canon lift (core func $i "f")))`),
		},
		{
			name: "print from realloc that then loops", params: textAndNumber[:1], limits: littleGas, want: abiTrap,
			text: logged(`(func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $print (i32.const 200) (i32.const 4)) `+loop+` (i32.const 0))
				(func (export "f") (param i32 i32))`,
				`(func (export "f") (param "s" string) (canon lift (core func $i "f") (memory $mem) (realloc (func $i "realloc"))))`),
		},
	}
}

// TestBreaches holds both paths to the same failures. Where a call ends without
// the clock, so do calls with all other limits of gas.
func TestBreaches(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	cases := append(append(brokenResults(), brokenAllocators()...), append(brokenEnds(), brokenCalls()...)...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := d.load(t, wasmtest.Compile(t, c.text))
			call := Call{Func: "f", Params: c.params, Limits: c.limits}
			if call.Limits == (task.Limits{}) {
				call.Limits = roomy
			}
			r := p.agree(t, call)
			if kindOf(r) != c.want {
				t.Errorf("got %s (%v), want %s", kindOf(r), r.Outcome.Failure, c.want)
			}
			if kindOf(r) == "timeout" {
				return
			}
			for gas := range min(r.Gas+3, 100) {
				if t.Failed() {
					return
				}
				call.Limits.Gas = gas
				p.agree(t, call)
			}
			for gas := max(r.Gas, 100) - 2; gas < r.Gas+3 && !t.Failed(); gas++ {
				call.Limits.Gas = gas
				p.agree(t, call)
			}
		})
	}
}

// TestGasSweep calls a function that does everything, with every limit up to
// more than it needs: on both paths it ends in the same place.
func TestGasSweep(t *testing.T) {
	t.Parallel()
	text := logged(`(global $n (mut i32) (i32.const 0))
		(func $start (loop $l (global.set $n (i32.add (global.get $n) (i32.const 1))) (br_if $l (i32.lt_u (global.get $n) (i32.const 5)))) (call $print (i32.const 200) (i32.const 1)))
		(start $start)
		(func (export "realloc") (param i32 i32 i32 i32) (result i32)
			(global.set $n (i32.add (global.get $n) (i32.const 64))) (memory.copy (global.get $n) (local.get 0) (local.get 1)) (global.get $n))
		(func (export "f") (param i32 i32 i32 i32) (result i32)
			(call $log (i32.const 3) (local.get 0) (local.get 1) (local.get 2) (local.get 3))
			(i32.store (i32.const 8) (local.get 0)) (i32.store (i32.const 12) (local.get 1)) (call $now (i32.const 16)) (i32.const 8))
		(func (export "post") (param i32) (loop $l (global.set $n (i32.sub (global.get $n) (i32.const 1))) (br_if $l (i32.gt_u (global.get $n) (i32.const 50)))))`,
		strings.ReplaceAll(`(func (export "f") (param "a" string) (param "b" string) (result string)
			(canon lift (core func $i "f") (memory $mem) (realloc (func $i "realloc")) (post-return (func $i "post")) ENCODING))
		(func (export "g") (param "a" string) (param "b" string) (result string)
			(canon lift (core func $i "f") (memory $mem) (realloc (func $i "realloc")) (post-return (func $i "post")) string-encoding=utf16))`, "ENCODING", "string-encoding=utf8"))
	p := newDuo(t).load(t, wasmtest.Compile(t, text))
	for _, fn := range []string{"f", "g"} {
		call := Call{Func: fn, Params: []ipld.Value{ipld.String("one"), ipld.String("twö")}, Limits: roomy}
		used := p.agree(t, call).Gas
		ok := 0
		for gas := range used + 3 {
			call.Limits.Gas = gas
			if r := p.agree(t, call); kindOf(r) == "ok" {
				ok++
			} else if kindOf(r) != "out-of-gas" && fn == "f" {
				t.Errorf("gas %d of %d: %s", gas, used, kindOf(r))
			}
		}
		if fn == "f" && ok != 2 {
			t.Errorf("of all limits up to two more than the gas used, %d are enough", ok)
		}
	}
}
