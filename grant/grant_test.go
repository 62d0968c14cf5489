package grant

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

var (
	now    = time.Unix(1_800_000_000, 0)
	mine   = ipld.LinkOf(ipld.CodecRaw, []byte("mine"))
	second = ipld.LinkOf(ipld.CodecRaw, []byte("second"))
	other  = ipld.LinkOf(ipld.CodecRaw, []byte("other"))
)

func newKey(t *testing.T) did.PrivateKey {
	t.Helper()
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// judge asks ucan.Authorize about an invocation with these arguments, by one
// who was granted the policy.
func judge(t *testing.T, p ucan.Policy, args ipld.Value) error {
	t.Helper()
	node, guest := newKey(t), newKey(t)
	lent, err := ucan.Delegate(node, ucan.Grant{Audience: guest.DID(), Command: RunCommand, Policy: p}, now)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := ucan.Invoke(guest, ucan.Call{Command: RunCommand, Args: args, Proofs: []*ucan.SignedDelegation{lent}}, now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ucan.Authorize(inv, ucan.Facts{
		Moment: ucan.Moment{Now: now}, Executor: node.DID(),
		Proofs: func(ipld.Link) (*ucan.SignedDelegation, error) { return lent, nil },
	})
	return err
}

// call is an element of functions.
func call(mod ipld.Value, fun string) ipld.Value {
	return ipld.Map(ipld.Entry{Key: "mod", Value: mod}, ipld.Entry{Key: "fun", Value: ipld.String(fun)})
}

// ask is the arguments of a small workflow, with some fields changed; a field
// whose value is undefined is left out.
func ask(changed map[string]ipld.Value, without ...string) ipld.Value {
	fields := map[string]ipld.Value{
		"workflow": ipld.LinkValue(ipld.LinkOf(ipld.CodecDagCBOR, []byte("workflow"))),
		"gas":      ipld.Int(1000), "memory": ipld.Int(1 << 20), "time": ipld.Int(int64(time.Second)), "tasks": ipld.Int(2),
		"functions": ipld.List(call(ipld.LinkValue(mine), "f"), call(ipld.LinkValue(mine), "f")),
		"effects":   ipld.List(),
	}
	for k, v := range changed {
		fields[k] = v
	}
	for _, k := range without {
		delete(fields, k)
	}
	var entries []ipld.Entry
	for k, v := range fields {
		entries = append(entries, ipld.Entry{Key: k, Value: v})
	}
	return ipld.Map(entries...)
}

func TestBounds(t *testing.T) {
	t.Parallel()
	set := func(field string, v ipld.Value) ipld.Value { return ask(map[string]ipld.Value{field: v}) }
	functions := func(calls ...ipld.Value) ipld.Value { return set("functions", ipld.List(calls...)) }
	link := ipld.LinkValue
	gas, memory, limit, tasks := Bounds{Gas: 1000}, Bounds{Memory: 1 << 20}, Bounds{Time: time.Second}, Bounds{Tasks: 2}
	one := Bounds{Functions: []Function{{mine, "f"}}}
	whole := Bounds{Functions: []Function{{Module: mine}}}
	several := Bounds{Functions: []Function{{mine, "f"}, {mine, "g"}, {Module: second}}}
	pure := Bounds{Pure: true}
	for name, tt := range map[string]struct {
		bounds Bounds
		args   ipld.Value
		ok     bool
	}{
		"no bounds":                      {Bounds{}, ipld.Map(), true},
		"gas":                            {gas, ask(nil), true},
		"less gas":                       {gas, set("gas", ipld.Int(1)), true},
		"more gas":                       {gas, set("gas", ipld.Int(1001)), false},
		"gas as a float":                 {gas, set("gas", ipld.Float(1000)), true},
		"more gas as a float":            {gas, set("gas", ipld.Float(1000.5)), false},
		"gas beyond 64 bits":             {gas, set("gas", ipld.Float(1e300)), false},
		"all gas that a number can name": {Bounds{Gas: math.MaxUint64}, set("gas", ipld.Uint(math.MaxUint64)), true},
		"gas above half of 64 bits":      {Bounds{Gas: 1 << 63}, set("gas", ipld.Uint(1<<63+1)), false},
		"gas as text":                    {gas, set("gas", ipld.String("1")), false},
		"no gas":                         {gas, ask(nil, "gas"), false},
		"gas null":                       {gas, set("gas", ipld.Null), false},
		"memory":                         {memory, ask(nil), true},
		"more memory":                    {memory, set("memory", ipld.Int(1<<20+1)), false},
		"no memory":                      {memory, ask(nil, "memory"), false},
		"time":                           {limit, ask(nil), true},
		"more time":                      {limit, set("time", ipld.Int(int64(time.Second)+1)), false},
		"no time":                        {limit, ask(nil, "time"), false},
		"tasks":                          {tasks, ask(nil), true},
		"more tasks":                     {tasks, set("tasks", ipld.Int(3)), false},
		"no tasks":                       {tasks, ask(nil, "tasks"), false},

		"the function":                   {one, ask(nil), true},
		"no functions at all":            {one, functions(), true},
		"functions left out":             {one, ask(nil, "functions"), false},
		"functions null":                 {one, set("functions", ipld.Null), false},
		"functions as text":              {one, set("functions", ipld.String("f")), false},
		"another function":               {one, functions(call(link(mine), "f"), call(link(mine), "g")), false},
		"that function of another":       {one, functions(call(link(other), "f")), false},
		"a promised module":              {one, functions(call(ipld.Null, "f")), false},
		"one of them promised":           {one, functions(call(link(mine), "f"), call(ipld.Null, "f")), false},
		"no module":                      {one, functions(ipld.Map(ipld.Entry{Key: "fun", Value: ipld.String("f")})), false},
		"no name":                        {one, functions(ipld.Map(ipld.Entry{Key: "mod", Value: link(mine)})), false},
		"the module as text":             {one, functions(call(ipld.String(mine.String()), "f")), false},
		"no map":                         {one, functions(link(mine)), false},
		"any function of the module":     {whole, functions(call(link(mine), "f"), call(link(mine), "g")), true},
		"any of another":                 {whole, functions(call(link(mine), "f"), call(link(other), "f")), false},
		"any of a promised one":          {whole, functions(call(ipld.Null, "f")), false},
		"several":                        {several, functions(call(link(mine), "g"), call(link(second), "h"), call(link(mine), "f")), true},
		"several and another":            {several, functions(call(link(mine), "g"), call(link(mine), "h")), false},
		"several and a promise":          {several, functions(call(link(mine), "g"), call(ipld.Null, "g")), false},
		"no effects":                     {pure, ask(nil), true},
		"an effect":                      {pure, set("effects", ipld.List(ipld.Map(ipld.Entry{Key: "uri", Value: ipld.Null}))), false},
		"effects left out":               {pure, ask(nil, "effects"), false},
		"effects null":                   {pure, set("effects", ipld.Null), false},
		"effects as an empty map":        {pure, set("effects", ipld.Map()), false},
		"all at once":                    {Bounds{1000, 1 << 20, time.Second, 2, several.Functions, true}, ask(nil), true},
		"all at once, but the last":      {Bounds{1000, 1 << 20, time.Second, 2, several.Functions, true}, set("effects", ipld.List(ipld.Null)), false},
		"all at once, but the first one": {Bounds{999, 1 << 20, time.Second, 2, several.Functions, true}, ask(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := tt.bounds.Policy()
			if err != nil {
				t.Fatal(err)
			}
			if err = judge(t, p, tt.args); tt.ok && err != nil || !tt.ok && !errors.Is(err, ucan.MatchError) {
				t.Errorf("judged %v, want accepted: %t, under %v", err, tt.ok, p.Value())
			}
		})
	}
}

func TestMoreStatements(t *testing.T) {
	t.Parallel()
	p, err := Bounds{Gas: 1000}.Policy(parse(t, `["!=", ".tasks", 2]`))
	if err != nil {
		t.Fatal(err)
	}
	if want := parse(t, `[["<=", ".gas", 1000], ["!=", ".tasks", 2]]`); !p.Value().Equal(want) {
		t.Errorf("%v, want %v", p.Value(), want)
	}
	if err := judge(t, p, ask(nil)); !errors.Is(err, ucan.MatchError) {
		t.Error("accepted:", err)
	}
	if _, err := (Bounds{}).Policy(parse(t, `["~", ".a", 1]`)); !errors.Is(err, ucan.ErrMalformed) {
		t.Error(err)
	}
}

func parse(t *testing.T, text string) ipld.Value {
	t.Helper()
	v, err := ipld.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(text, err)
	}
	return v
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		command, policy string
		want            error
	}{
		{"/ipvm/run", `[]`, nil},
		{"/crude", `[]`, nil},
		{"/", `[]`, ErrEverything},
		{"/", `[["or", []]]`, ErrEverything},
		{"/", `[["and", []]]`, ErrEverything},
		{"/", `[["not", ["==", ".a", 1]]]`, ErrEverything},
		{"/", `[["like", ".a", "**"]]`, ErrEverything},
		{"/", `[["!=", ".a", 1]]`, ErrEverything},
		{"/", `[["all", ".a", ["==", ".", 1]]]`, ErrEverything},
		{"/", `[["<=", ".gas", 1]]`, nil},
		{"/crud", `[]`, ErrAnywhere},
		{"/crud/read", `[["<=", ".size", 1]]`, ErrAnywhere},
		{"/crud", `[["==", ".uri", "https://example.com/x"]]`, nil},
		{"/crud", `[["==", ".uri", null]]`, ErrAnywhere},
		{"/crud/read", `[["<=", ".size", 1], ["like", ".[\"uri\"]", "https://example.com/*"]]`, nil},
		{"/crud", `[["!=", ".uri", "https://example.com/x"]]`, ErrAnywhere},
		{"/crud", `[["not", ["==", ".uri", "https://example.com/x"]]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://*.example.com/*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://example.com*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://example.com@*/"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://user@example.com/*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".uri", "https://example.com?/*"]]`, ErrAnywhere},
		{"/crud", `[["like", ".other", "https://example.com/*"]]`, ErrAnywhere},
		{"/crud", `[["all", ".uri", ["like", ".", "https://example.com/*"]]]`, ErrAnywhere},
		{"/crud", `[["or", []]]`, ErrAnywhere},
		{"/crud", `[["or", [["==", ".uri", "a:b"], ["like", ".uri", "https://example.com/*"]]]]`, nil},
		{"/crud", `[["or", [["==", ".uri", "a:b"], ["==", ".x", 1]]]]`, ErrAnywhere},
		{"/crud", `[["and", [["==", ".uri", "a:b"], ["==", ".x", 1]]]]`, nil},
	} {
		p, err := ucan.ParsePolicy(parse(t, tt.policy))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(tt.command, p); !errors.Is(err, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.command, tt.policy, err, tt.want)
		}
	}
}

// The gas of all workflows together stands in the meta, in one form.
func TestTotal(t *testing.T) {
	t.Parallel()
	if m := (Bounds{Memory: 1}).Meta(); !m.IsNull() {
		t.Errorf("without gas: %v", m)
	}
	gas, bounded, err := Total(Bounds{Gas: math.MaxUint64}.Meta())
	if gas != math.MaxUint64 || !bounded || err != nil {
		t.Errorf("%d, %t, %v", gas, bounded, err)
	}
	for _, none := range []ipld.Value{ipld.Null, parse(t, `{"ipvm/parts": {"gas": 1}}`)} {
		if _, bounded, err := Total(none); bounded || err != nil {
			t.Errorf("%v: %t, %v", none, bounded, err)
		}
	}
	for _, odd := range []string{`null`, `1`, `{}`, `{"gas": -1}`, `{"gas": 1.5}`, `{"gas": "1"}`, `{"gas": 1, "memory": 1}`, `{"memory": 1}`} {
		if _, _, err := Total(parse(t, `{"ipvm/total": `+odd+`}`)); err == nil {
			t.Errorf("%s is a total", odd)
		}
	}
}
