package task

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

const linkText = `{"/":"bafyreibbygoiqbfdukivndvm5nughri54pnwlsng2cijygx5cxbx4laoqy"}`

func TestAsPromise(t *testing.T) {
	t.Parallel()
	const bad = "promise"
	for _, tt := range []struct{ name, text, want string }{
		{"by label", `{"await/ok":"a"}`, "await/ok a"},
		{"by ID", `{"await/ok":` + linkText + `}`, "await/ok ID"},
		{"of an error", `{"await/error":"a"}`, "await/error a"},
		{"of either", `{"await/*":"a"}`, "await/* a"},
		{"a list of one", `{"await/ok":["a"]}`, "await/ok a"},
		{"with steps", `{"await/ok":["a",0,"key",2147483647,"0",""]}`, `await/ok a .0 ."key" .2147483647 ."0" .""`},
		{"ID with steps", `{"await/ok":[` + linkText + `,1]}`, "await/ok ID .1"},
		{"an empty label", `{"await/ok":""}`, "!names a job's label or a Task ID, not a string"},
		{"a number", `{"await/ok":1}`, "!not a integer"},
		{"null", `{"await/ok":null}`, "!not a null"},
		{"an empty list", `{"await/ok":[]}`, "!not a list"},
		{"a list in a list", `{"await/ok":[["a"]]}`, "!not a list"},
		{"a step back", `{"await/ok":["a",-1]}`, "!step 1 of the promise: -1 is neither"},
		{"a step too far", `{"await/ok":["a","b",2147483648]}`, "!step 2 of the promise: 2147483648 is neither"},
		{"half a step", `{"await/ok":["a",0.5]}`, "!step 1 of the promise"},
		{"two keys", `{"await/ok":"a","x":1}`, "none"},
		{"two promises", `{"await/ok":"a","await/error":"b"}`, "none"},
		{"escaped data", `{"/data":{"await/ok":"a"}}`, "none"},
		{"another key", `{"await/OK":"a"}`, "none"},
		{"no key", `{}`, "none"},
		{"a list", `["await/ok","a"]`, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := js(t, tt.text)
			p, ok, err := AsPromise(v)
			if want, isBad := strings.CutPrefix(tt.want, "!"); isBad {
				if !ok || err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v, %v, want a %s that fails with %q", ok, err, bad, want)
				}
				return
			}
			if got := describe(p, ok); err != nil || got != tt.want {
				t.Fatalf("got %s, %v, want %s", got, err, tt.want)
			}
			if !ok {
				return
			}
			if back, _, err := AsPromise(p.Value()); err != nil || cmp.Diff(p, back, cmp.AllowUnexported(ipld.Link{})) != "" {
				t.Errorf("round trip: %v, %v", back, err)
			}
		})
	}
}

func describe(p Promise, ok bool) string {
	if !ok {
		return "none"
	}
	s := string(p.Branch) + " " + p.Label
	if p.Task.Defined() {
		s += "ID"
	}
	for _, step := range p.Path {
		if step.IsKey {
			s += fmt.Sprintf(" .%q", step.Key)
		} else {
			s += fmt.Sprintf(" .%d", step.Index)
		}
	}
	return s
}

func TestSelect(t *testing.T) {
	t.Parallel()
	index := func(i int) Step { return Step{Index: i} }
	key := func(k string) Step { return Step{Key: k, IsKey: true} }
	for _, tt := range []struct {
		name, value string
		path        []Step
		want        string // DAG-JSON, or ! and a part of the message
	}{
		{"nothing", `[1,2]`, nil, `[1,2]`},
		{"of a list", `[1,2]`, []Step{index(1)}, `2`},
		{"past its end", `[1,2]`, []Step{index(2)}, `!step 1 of the promise: index 2 of a list of 2`},
		{"of an empty list", `[]`, []Step{index(0)}, `!index 0 of a list of 0`},
		{"0 of a string is the string", `"ab"`, []Step{index(0)}, `"ab"`},
		{"0 of null is null", `null`, []Step{index(0)}, `null`},
		{"0 of a map is the map", `{"a":1}`, []Step{index(0)}, `{"a":1}`},
		{"0 of 0 of a number", `7`, []Step{index(0), index(0)}, `7`},
		{"1 of a string", `"ab"`, []Step{index(1)}, `!index 1 of a string, which is not a list`},
		{"of a map", `{"a":{"b":[3]}}`, []Step{key("a"), key("b"), index(0)}, `3`},
		{"0 on the way", `{"a":1}`, []Step{index(0), key("a")}, `1`},
		{"no such key", `{"a":{}}`, []Step{key("a"), key("b")}, `!step 2 of the promise: no key "b" in a map`},
		{"no such key among some", `{"value":1,"kind":2}`, []Step{key("b")}, `!step 1 of the promise: no key "b" in a map of "kind", "value"`},
		{"no such key among many", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`, []Step{key("x")}, `!in a map of "a", "b", "c", "d", "e", "f", "g", "h", …`},
		{"key of a list", `[1]`, []Step{key("0")}, `!no key "0" in a list`},
		{"an index is no key", `{"0":1}`, []Step{key("0")}, `1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, failure := Select(js(t, tt.value), tt.path)
			want, fails := strings.CutPrefix(tt.want, "!")
			switch {
			case fails:
				if failure == nil || failure.Kind != KindType || !strings.Contains(failure.Message, want) {
					t.Errorf("got %s, %v, want a failure of kind type: %s", got, failure, want)
				}
			case failure != nil || !got.Equal(js(t, want)):
				t.Errorf("got %s, %v, want %s", got, failure, want)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	good := Outcome{Value: ipld.List(ipld.Int(1), ipld.Int(2))}
	bad := Outcome{Failure: &Failure{Kind: KindGuest, Value: ipld.String("no"), Message: "for people"}}
	trap := Outcome{Failure: &Failure{Kind: KindTrap, Trap: TrapUnreachable}}
	for _, tt := range []struct {
		name string
		p    Promise
		out  Outcome
		want string
	}{
		{"ok of ok", Promise{Branch: AwaitOK}, good, `[1,2]`},
		{"ok of ok, a part", Promise{Branch: AwaitOK, Path: []Step{{Index: 1}}}, good, `2`},
		{"ok of an error", Promise{Branch: AwaitOK}, bad, `!branch-mismatch`},
		{"error of an error", Promise{Branch: AwaitError}, bad, `{"kind":"guest","value":"no"}`},
		{"error of a trap, a part", Promise{Branch: AwaitError, Path: []Step{{Key: "trap", IsKey: true}}}, trap, `"unreachable"`},
		{"error of ok", Promise{Branch: AwaitError}, good, `!branch-mismatch`},
		{"either of ok", Promise{Branch: AwaitAny}, good, `{"ok":[1,2]}`},
		{"either of an error", Promise{Branch: AwaitAny}, bad, `{"error":{"kind":"guest","value":"no"}}`},
		{"a part that is not there", Promise{Branch: AwaitOK, Path: []Step{{Index: 2}}}, good, `!type`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, failure := tt.p.Resolve(tt.out)
			if kind, fails := strings.CutPrefix(tt.want, "!"); fails {
				if failure == nil || string(failure.Kind) != kind {
					t.Errorf("got %s, %v, want %s", got, failure, kind)
				}
			} else if failure != nil || !got.Equal(js(t, tt.want)) {
				t.Errorf("got %s, %v, want %s", got, failure, tt.want)
			}
		})
	}
}

// values draws values that are rich in maps that look like promises.
func values() *rapid.Generator[ipld.Value] {
	keys := rapid.SampledFrom([]string{"await/ok", "await/error", "await/*", "/data", "a", "b", "/"})
	leaf := rapid.Custom(func(t *rapid.T) ipld.Value {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return ipld.Null
		case 1:
			return ipld.Bool(true)
		case 2:
			return ipld.Int(int64(rapid.IntRange(-2, 2).Draw(t, "int")))
		case 3:
			return ipld.String(rapid.SampledFrom([]string{"", "a", "await/ok"}).Draw(t, "text"))
		case 4:
			return ipld.Bytes(rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "bytes"))
		}
		return ipld.List()
	})
	var deep func(depth int) *rapid.Generator[ipld.Value]
	deep = func(depth int) *rapid.Generator[ipld.Value] {
		if depth == 0 {
			return leaf
		}
		return rapid.Custom(func(t *rapid.T) ipld.Value {
			switch rapid.IntRange(0, 3).Draw(t, "shape") {
			case 0:
				return leaf.Draw(t, "leaf")
			case 1:
				return ipld.List(rapid.SliceOfN(deep(depth-1), 0, 3).Draw(t, "list")...)
			}
			m := rapid.MapOfN(keys, deep(depth-1), 0, 2).Draw(t, "map")
			var entries []ipld.Entry
			for k, v := range m {
				entries = append(entries, ipld.Entry{Key: k, Value: v})
			}
			return ipld.Map(entries...)
		})
	}
	return deep(4)
}

// TestEscapeRoundTrip: data goes into a task and comes out as it was, and
// nothing in it is taken for a promise on the way.
func TestEscapeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "value")
		in := Escape(v)
		if out := Unescape(in); !out.Equal(v) {
			t.Fatalf("%s came out as %s", v, out)
		}
		if ps, err := Promises(in); err != nil || len(ps) != 0 {
			t.Fatalf("%s became %s, which has the promises %v, %v", v, in, ps, err)
		}
	})
}

// TestSubstitutionIsOnePass puts data that looks like a promise where a promise
// was: it stays data.
func TestSubstitutionIsOnePass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		literal, result := values().Draw(t, "literal"), values().Draw(t, "result")
		params := ipld.List(Escape(literal), Promise{Branch: AwaitOK, Label: "a"}.Value())
		asked := 0
		got, err := MapPromises(params, func(Promise) (ipld.Value, error) {
			asked++
			return Escape(result), nil
		})
		if err != nil || asked != 1 {
			t.Fatalf("%d promises, %v", asked, err)
		}
		if want := ipld.List(literal, result); !Unescape(got).Equal(want) {
			t.Fatalf("got %s, want %s", Unescape(got), want)
		}
	})
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{`{"await/ok":"a"}`, `{"/data":{"await/ok":"a"}}`},
		{`{"/data":1}`, `{"/data":{"/data":1}}`},
		{`[{"x":{"await/*":[{"await/ok":1}]}}]`, `[{"x":{"/data":{"await/*":[{"await/ok":1}]}}}]`},
		{`{"await/ok":"a","b":{"await/error":1}}`, `{"await/ok":"a","b":{"/data":{"await/error":1}}}`},
		{`{"await":"a"}`, `{"await":"a"}`},
	} {
		if got := Escape(js(t, tt.in)); !got.Equal(js(t, tt.want)) {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	v := js(t, `{"bb":[{"await/ok":"2"},{"/data":{"await/ok":"no"}}],"a":{"await/error":["1",0]},"ccc":{"x":{"await/*":"3"}}}`)
	ps, err := Promises(v)
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, p := range ps {
		labels = append(labels, p.Label)
	}
	if got := strings.Join(labels, " "); got != "1 2 3" {
		t.Errorf("got %s: not in the order of the encoding, or not all", got)
	}
	if _, err := Promises(js(t, `[{"await/ok":1}]`)); err == nil {
		t.Error("a promise of a number was taken")
	}
}

// TestCompact: only bytes of more than 1,024 become links, at any depth.
func TestCompact(t *testing.T) {
	t.Parallel()
	short, long := strings.Repeat("s", ipld.InlineBytes), strings.Repeat("l", ipld.InlineBytes+1)
	in := ipld.List(
		ipld.BytesString(short), ipld.String(long),
		ipld.Map(ipld.Entry{Key: "x", Value: ipld.List(ipld.BytesString(long))}),
		js(t, linkText),
	)
	var blocks []ipld.Block
	out, err := Compact(in, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	link := ipld.FileLink([]byte(long))
	want := ipld.List(
		ipld.BytesString(short), ipld.String(long),
		ipld.Map(ipld.Entry{Key: "x", Value: ipld.List(ipld.LinkValue(link))}),
		js(t, linkText),
	)
	if !out.Equal(want) {
		t.Errorf("got %.300s", out)
	}
	if len(blocks) != 1 || blocks[0].Link != link || string(blocks[0].Data) != long {
		t.Errorf("%d blocks", len(blocks))
	}
	failing := fmt.Errorf("disk full")
	if _, err := Compact(in, func(ipld.Block) error { return failing }); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("the error of put was lost: %v", err)
	}
}

func TestFailureText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		f          Failure
		text, ipld string
	}{
		{Failure{Kind: KindGuest, Value: ipld.String("no")}, `guest: "no"`, `{"kind":"guest","value":"no"}`},
		{Failure{Kind: KindGuest, Value: ipld.Int(42), Message: "the function returned an error"}, `guest: 42`, `{"kind":"guest","value":42}`},
		{Failure{Kind: KindGuest}, `guest: null`, `{"kind":"guest","value":null}`},
		{Failure{Kind: KindTrap, Trap: TrapUnreachable}, `trap: unreachable`, `{"kind":"trap","trap":"unreachable"}`},
		{Failure{Kind: KindTimeout}, `timeout`, `{"kind":"timeout"}`},
		{*Failf(KindType, "arg %d", 1), `type: arg 1`, `{"kind":"type"}`},
	} {
		if got := tt.f.String(); got != tt.text {
			t.Errorf("got %s, want %s", got, tt.text)
		}
		if got := (Outcome{Failure: &tt.f}).IPLD(); !got.Equal(js(t, `{"error":`+tt.ipld+`}`)) {
			t.Errorf("got %s, want %s", got, tt.ipld)
		}
	}
}

func TestNeedlessEscapeIsRefused(t *testing.T) {
	t.Parallel()
	keep := func(p Promise) (ipld.Value, error) { return p.Value(), nil }
	for _, text := range []string{`{"/data":1}`, `[{"x":{"/data":{"await/ok":1,"b":2}}}]`, `{"/data":{"await":1}}`, `{"/data":{}}`} {
		if _, err := MapPromises(js(t, text), keep); err == nil {
			t.Errorf("%s: accepted", text)
		}
		// As data all of these can be said, in one way.
		if _, err := MapPromises(Escape(js(t, text)), keep); err != nil {
			t.Errorf("%s escaped: %v", text, err)
		}
	}
}
