//go:build cgo

package wasm

import (
	"math"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "echo"))
	tests := map[string][]string{
		"bool":       {`true`, `false`},
		"s8":         {`-128`, `0`, `127`},
		"u8":         {`0`, `255`},
		"s16":        {`-32768`, `32767`},
		"u16":        {`0`, `65535`},
		"s32":        {`-2147483648`, `2147483647`},
		"u32":        {`0`, `4294967295`},
		"s64":        {`-9223372036854775808`, `9223372036854775807`},
		"u64":        {`0`, `9223372036854775808`, `18446744073709551615`},
		"f32":        {`0.1`, `5.0`, `-0.0`, `3.4028235e+38`, `1e-45`, `7.038530691851209e-26`}, // the last one is not its shortest decimal
		"f64":        {`0.1`, `5.0`, `-0.0`, `1.7976931348623157e+308`, `5e-324`},
		"char":       {`"a"`, `"ß"`, `"😀"`, `"\u0000"`, `"\ud7ff"`, `"\ue000"`, `"\udbff\udfff"`},
		"level-of":   {`"low"`, `"high"`},
		"perms-of":   {`[]`, `["write"]`, `["read","write","exec"]`},
		"string":     {`""`, `"héllo"`, `"\u0000"`, `"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"`, `"null"`},
		"bytes":      {`{"/":{"bytes":""}}`, `{"/":{"bytes":"AP+A"}}`},
		"bools":      {`[]`, `[true,false,true]`},
		"s8s":        {`[-1,0,1]`},
		"s64s":       {`[-9223372036854775808,1]`},
		"f32s":       {`[0.1,0.2,16777216.0]`},
		"chars":      {`["a","😀"]`},
		"strings":    {`["","a","😀"]`},
		"lists":      {`[]`, `[[],[1,2,65535],[]]`},
		"records":    {`[{"x":-1,"y-axis":0.5,"label":"p","next":null},{"x":2,"y-axis":1.0,"label":"","next":7}]`},
		"tuples":     {`[[1,"a",-1],[255,"",9223372036854775807]]`},
		"pairs":      {`[["b",1],["a",2],["b",3]]`},
		"variants":   {`["none",{"circle":1.5},{"poly":[{"x":1,"y-axis":2.0,"label":"q","next":0}]},{"name":"n"}]`},
		"enums":      {`["mid","low","high"]`},
		"flags":      {`[[],["read"],["read","exec"]]`},
		"many-flags": {`[["f00","f31"],[]]`},
		"options":    {`[null,"","x"]`},
		"nested-options": {
			`[null,{"some":null},{"some":7}]`,
		},
		"results":                     {`[{"ok":1},{"error":"no"}]`},
		"bare-results":                {`[{"ok":null},{"error":null}]`},
		"deep":                        {`[null,{"ok":["none",{"name":"z"}]},{"error":[["write"],"high"]}]`},
		"test:echo/inner@1.2.0#twice": {`12`},
	}
	seen := map[string]bool{"nothing": true, "nine": true}
	for name, values := range tests {
		seen[name] = true
		for _, text := range values {
			v := js(t, text)
			r := run(t, m, roomy, name, v)
			if !r.Outcome.OK() || !r.Outcome.Value.Equal(v) {
				t.Errorf("%s(%s) = %v, %v", name, text, r.Outcome.Value, r.Outcome.Failure)
			}
			f, err := m.Interface().Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := f.Result.Canonical(r.Outcome.Value); err != nil || !c.Equal(v) {
				t.Errorf("%s: %s is not canonical: %v, %v", name, r.Outcome.Value, c, err)
			}
		}
	}
	for _, f := range m.Interface().Funcs {
		if !seen[f.Name] {
			t.Errorf("%s is not tested", f.Name)
		}
	}
	if r := run(t, m, roomy, "nothing"); !r.Outcome.OK() || !r.Outcome.Value.IsNull() {
		t.Errorf("nothing = %v", r.Outcome)
	}
	var nine []ipld.Value
	for i := range 9 {
		nine = append(nine, ipld.Int(int64(i+1)))
	}
	if r := run(t, m, roomy, "nine", nine...); !r.Outcome.Value.Equal(ipld.Int(9001)) {
		t.Errorf("nine = %v, %v", r.Outcome.Value, r.Outcome.Failure)
	}
}

// TestHostileArguments gives values that would abort the process, or would not
// fit, if they came through to the engine.
func TestHostileArguments(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "echo"))
	bad := ipld.String("a\xff")
	tests := []struct {
		name, fn string
		v        ipld.Value
		want     string // in the message
	}{
		{"text not UTF-8", "string", bad, "parameter x: expected string, got text that is not UTF-8"},
		{"text not UTF-8 in a list", "strings", ipld.List(ipld.String(""), bad), "parameter x: /1: expected string"},
		{"surrogate", "string", ipld.String("\xed\xa0\x80"), "not UTF-8"},
		{"enum case not UTF-8", "level-of", bad, "parameter x"},
		{"unknown enum case", "level-of", ipld.String("Low"), "parameter x"},
		{"flag not UTF-8", "perms-of", ipld.List(bad), "parameter x"},
		{"unknown flag", "perms-of", ipld.List(ipld.String("fly")), "parameter x"},
		{"flag twice", "perms-of", js(t, `["read","read"]`), "parameter x"},
		{"flags out of order", "perms-of", js(t, `["write","read"]`), "parameter x"},
		{"variant case not UTF-8", "variants", ipld.List(bad), "/0"},
		{"variant key not UTF-8", "variants", ipld.List(ipld.Map(ipld.Entry{Key: "\xff"})), "/0"},
		{"variant without its payload", "variants", js(t, `["circle"]`), "/0"},
		{"variant with a payload it has not", "variants", js(t, `[{"none":null}]`), "/0"},
		{"record key not UTF-8", "records", ipld.List(ipld.Map(ipld.Entry{Key: "\xff"})), "/0"},
		{"record field missing", "records", js(t, `[{"x":1,"y-axis":1.0,"label":""}]`), "/0"},
		{"record field too many", "records", js(t, `[{"x":1,"y-axis":1.0,"label":"","next":null,"w":1}]`), "/0"},
		{"deep in a record", "records", js(t, `[{"x":1,"y-axis":1.0,"label":"","next":256}]`), "/0/next"},
		{"char of two", "char", ipld.String("ab"), "parameter x"},
		{"char of none", "char", ipld.String(""), "parameter x"},
		{"char not UTF-8", "char", ipld.String("\xff"), "parameter x"},
		{"bool from integer", "bool", ipld.Int(1), "expected bool, got 1"},
		{"integer from bool", "u8", ipld.Bool(true), "expected u8, got true"},
		{"integer from float", "u8", ipld.Float(1), "parameter x"},
		{"u8 256", "u8", ipld.Int(256), "expected u8, got 256"},
		{"u8 -1", "u8", ipld.Int(-1), "parameter x"},
		{"s8 128", "s8", ipld.Int(128), "parameter x"},
		{"s8 -129", "s8", ipld.Int(-129), "parameter x"},
		{"s64 2^63", "s64", ipld.Uint(1 << 63), "parameter x"},
		{"u64 -1", "u64", ipld.Int(-1), "parameter x"},
		{"f64 NaN", "f64", ipld.Float(math.NaN()), "parameter x"},
		{"f64 infinity", "f64", ipld.Float(math.Inf(-1)), "parameter x"},
		{"f32 too large", "f32", ipld.Float(1e300), "parameter x"},
		{"f64 from integer", "f64", ipld.Int(5), "parameter x"},
		{"bytes from list", "bytes", ipld.List(ipld.Int(1)), "parameter x"},
		{"list from bytes", "strings", ipld.Bytes(nil), "parameter x"},
		{"tuple too short", "tuples", js(t, `[[1,"a"]]`), "/0"},
		{"result with neither", "results", js(t, `[{"maybe":1}]`), "/0"},
		{"result with a payload it has not", "bare-results", js(t, `[{"ok":1}]`), "/0"},
		{"nested option without some", "nested-options", js(t, `[7]`), "/0"},
		{"link", "string", ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil)), "parameter x"},
		{"null", "string", ipld.Null, "parameter x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, m, roomy, tt.fn, tt.v)
			if kindOf(r) != "type" || !strings.Contains(r.Outcome.Failure.Message, tt.want) {
				t.Errorf("got %v, %v; want a type failure with %q", r.Outcome.Value, r.Outcome.Failure, tt.want)
			}
		})
	}
	if r := run(t, m, roomy, "u8"); kindOf(r) != "type" {
		t.Errorf("no argument: %v", r.Outcome.Failure)
	}
	if r := run(t, m, roomy, "nothing", ipld.Null); kindOf(r) != "type" {
		t.Errorf("one argument too many: %v", r.Outcome.Failure)
	}
	if r := run(t, m, roomy, "no-such"); kindOf(r) != "type" {
		t.Errorf("no function: %v", r.Outcome.Failure)
	}
	large := ipld.BytesString(strings.Repeat("x", 9<<20))
	if r := run(t, m, roomy, "bytes", large); kindOf(r) != "ok" || !r.Outcome.Value.Equal(large) {
		t.Errorf("9 MiB: %s", kindOf(r))
	}
	huge := ipld.BytesString(strings.Repeat("x", 65<<20)) // more than the guest's memory
	if r := run(t, m, roomy, "bytes", huge); !strings.HasPrefix(kindOf(r), "trap ") {
		t.Errorf("65 MiB: %s", kindOf(r))
	}
}

func TestHostileResults(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "hostile"))
	tests := []struct {
		name, fn string
		x        int64 // what the core function returns
		want     string
	}{
		{"char surrogate", "bad-char", 0xd800, "trap abi"},
		{"char out of range", "bad-char", 0x110000, "trap abi"},
		{"char", "bad-char", 'x', "ok"},
		{"bool 2", "bad-bool", 2, "ok"}, // the canonical ABI: true
		{"u8 256", "bad-u8", 256, "ok"}, // the canonical ABI: 0
		{"string not UTF-8", "bad-string", 200, "trap abi"},
		{"string out of bounds", "bad-string", 208, "trap abi"},
		{"string result pointer out of bounds", "bad-string", 0xfffffff0, "trap abi"},
		{"string result pointer unaligned", "bad-string", 201, "trap abi"},
		{"string of 4 GiB", "bad-string", 224, "trap abi"},
		{"list out of bounds", "bad-list", 208, "trap abi"},
		{"list unaligned", "bad-list", 216, "trap abi"},
		{"list of 4 GiB", "bad-list", 224, "trap abi"},
		{"bytes out of bounds", "bad-bytes", 208, "trap abi"},
		{"option case 9", "bad-option", 232, "trap abi"},
		{"result case 9", "bad-result", 232, "trap abi"},
		{"enum case 2", "bad-enum", 2, "trap abi"},
		{"status case 2", "status", 2, "trap abi"},
		{"status ok", "status", 0, "ok"},
		{"status error", "status", 1, "guest"},
		{"NaN in a list", "floats", 248, "type"},
		{"post-return traps", "post-return", 0, "trap unreachable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r := run(t, m, roomy, tt.fn, ipld.Int(tt.x)); kindOf(r) != tt.want {
				t.Errorf("got %s (%v), want %s", kindOf(r), r.Outcome.Failure, tt.want)
			}
		})
	}
	for fn, want := range map[string]string{"nan32": "NaN", "nan64": "NaN", "inf64": "+Inf"} {
		r := run(t, m, roomy, fn)
		if kindOf(r) != "type" || !strings.Contains(r.Outcome.Failure.Message, want) {
			t.Errorf("%s: %v", fn, r.Outcome.Failure)
		}
	}
	if r := run(t, m, roomy, "floats", ipld.Int(248)); !strings.Contains(r.Outcome.Failure.Message, "result: /0: expected a finite f32, got NaN") {
		t.Errorf("the place of the NaN is not named: %v", r.Outcome.Failure)
	}
	if r := run(t, m, roomy, "big-bytes"); kindOf(r) != "ok" {
		t.Errorf("6 MiB of bytes: %s", kindOf(r))
	}
}
