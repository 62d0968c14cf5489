//go:build cgo

package wasm

import (
	"errors"
	goflag "flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
	"github.com/ipvm-wg/go-ipvm/wit"
)

var update = goflag.Bool("update", false, "rewrite the golden files in testdata")

// duo is two engines, of which one leaves every component to the engine's
// component model.
type duo struct{ direct, model *Engine }

func newDuo(tb testing.TB) *duo {
	tb.Helper()
	d := &duo{newEngine(tb, Config{IdleModules: 1}), newEngine(tb, Config{IdleModules: 1})}
	d.model.modelOnly = true
	return d
}

// pair is one component on both paths.
type pair struct{ direct, model *Module }

// load loads a component on both paths, which must present it alike.
func (d *duo) load(tb testing.TB, code []byte) *pair {
	tb.Helper()
	p := &pair{load(tb, d.direct, code), load(tb, d.model, code)}
	p.check(tb)
	return p
}

func (p *pair) check(tb testing.TB) {
	tb.Helper()
	if path, why := p.direct.Path(); path != PathDirect {
		tb.Errorf("the direct path is not taken: %s", why)
	}
	if path, _ := p.model.Path(); path != PathModel {
		tb.Error("the component model is not used")
	}
	if diff := cmp.Diff(p.model.Interface(), p.direct.Interface(), cmpopts.EquateEmpty()); diff != "" {
		tb.Errorf("interfaces differ (-model +direct):\n%s", cut(diff, 2000))
	}
	if a, b := p.model.Imports(), p.direct.Imports(); !slices.Equal(a, b) {
		tb.Errorf("imports: %q by the model, %q directly", a, b)
	}
	a, hasA := p.model.MaxMemory()
	b, hasB := p.direct.MaxMemory()
	if a != b || hasA != hasB {
		tb.Errorf("maximum of memory: %d %v by the model, %d %v directly", a, hasA, b, hasB)
	}
}

// agree calls on both paths and returns what that came to, which must be the
// same: value, kind and trap of the failure, gas, log. Only the component model
// has a bound of its own for what it returns.
func (p *pair) agree(tb testing.TB, call Call) Result {
	tb.Helper()
	model, direct := record(tb, p.model, call), record(tb, p.direct, call)
	if f := model.Outcome.Failure; f != nil && f.Message == tooLargeResult().Message {
		return direct.Result
	}
	if model.text != direct.text || !model.value.Equal(direct.value) {
		tb.Errorf("%s of %s with limits %+v:\nmodel  %s\n       %s\ndirect %s\n       %s\narguments %s", call.Func, signature(p.model, call.Func),
			call.Limits, cut(model.text, 600), short(model.value), cut(direct.text, 600), short(direct.value), short(ipld.List(call.Params...)))
	}
	return direct.Result
}

func short(v ipld.Value) string { return cut(v.String(), 300) }

func signature(m *Module, name string) string {
	for _, f := range m.Interface().Funcs {
		if f.Name == name {
			return cut(f.Signature(), 400)
		}
	}
	return "no function"
}

// recorded is a result and what of it must be equal, as text.
type recorded struct {
	Result
	text  string
	value ipld.Value
}

func record(tb testing.TB, m *Module, call Call) recorded {
	tb.Helper()
	var log strings.Builder
	call.Log = func(level, context, msg string) { fmt.Fprintf(&log, " %s %s %q", level, context, msg) }
	res, err := m.Run(tb.Context(), call)
	if err != nil {
		tb.Fatalf("%s: %v", call.Func, err)
	}
	r := recorded{Result: res, value: res.Outcome.Value}
	r.text = fmt.Sprintf("%s gas %d exhausted %v log%s", kindOf(res), res.Gas, res.StackExhausted, log.String())
	if f := res.Outcome.Failure; f != nil {
		r.value = f.Value
		if f.Kind == task.KindTimeout { // how far it came is the clock's doing
			r.text = kindOf(res)
		}
	}
	return r
}

// TestCallAfterFailure calls in the slot whose last call ended with a text.
func TestCallAfterFailure(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Calls: 1})
	e.modelOnly = true
	m := load(t, e, guest(t, "hostile"))
	for _, fn := range []string{"unreachable", "load", "bad-char"} {
		var params []ipld.Value
		if fn == "bad-char" {
			params = []ipld.Value{ipld.Uint(0xd800)}
		}
		if r := run(t, m, roomy, fn, params...); r.Outcome.Failure == nil {
			t.Errorf("%s is well", fn)
		}
		if r := run(t, m, roomy, "bad-u8", ipld.Int(1)); kindOf(r) != "ok" || !r.Outcome.Value.Equal(ipld.Int(1)) {
			t.Errorf("after %s: %v", fn, r.Outcome)
		}
	}
}

// TestGeneratedEchoes calls generated guests of random types on both paths;
// what comes back must be what was given.
func TestGeneratedEchoes(t *testing.T) {
	t.Parallel()
	components := 80
	if testing.Short() {
		components = 8
	}
	d := newDuo(t)
	types := 0
	for seed := range components {
		types += generated(t, d, uint64(seed))
	}
	if types < 4*components {
		t.Errorf("only %d types", types)
	}
}

// generated tries one generated component and returns how many types it has.
func generated(t *testing.T, d *duo, seed uint64) (types int) {
	t.Helper()
	g := newGenerator(seed)
	e := newEcho(g)
	for i := range 2 {
		e.add(fmt.Sprintf("one%d", i), false, g.typ(3))
		e.add(fmt.Sprintf("padded%d", i), true, g.typ(3))
		e.add(fmt.Sprintf("several%d", i), g.one(3), g.typ(2), g.typ(1), g.typ(0))
		e.addList(fmt.Sprintf("list%d", i), g.typ(2))
	}
	text := e.text()
	p := d.load(t, wasmtest.Compile(t, text))
	defer p.direct.Close()
	defer p.model.Close()
	for _, f := range p.direct.Interface().Funcs {
		types += len(f.Params)
		for range 3 {
			call := Call{Func: f.Name, Limits: roomy}
			for _, param := range f.Params {
				v := g.value(param.Type)
				if c, err := param.Type.Canonical(v); err != nil || !c.Equal(v) {
					t.Fatalf("seed %d: %s is not canonical: %v", seed, short(v), err)
				}
				call.Params = append(call.Params, v)
			}
			r := p.agree(t, call)
			if want, got := given(f, call.Params), returned(f, r.Outcome); !want.Equal(got) {
				t.Errorf("seed %d: %s %s gave\n%s\nfor\n%s\n%v", seed, f.Name, cut(f.Signature(), 300), short(got), short(want), r.Outcome.Failure)
			}
			call.Limits.Gas = g.Uint64N(r.Gas + 2)
			p.agree(t, call)
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, cut(text, 4000))
		}
	}
	return types
}

// given is what a function that gives back params returns.
func given(f wit.Func, params []ipld.Value) ipld.Value {
	if len(params) > 1 && f.Params[1].Name != "pad" {
		if f.Params[len(params)-1].Name == "pad" {
			params = params[:len(params)-1]
		}
		return ipld.List(params...)
	}
	return params[0]
}

// returned is the value that a function returned, which an outcome takes apart
// when it is a result.
func returned(f wit.Func, o task.Outcome) ipld.Value {
	switch {
	case f.Result == nil || f.Result.Kind != wit.Result:
		return o.Value
	case o.Failure != nil:
		return ipld.Map(ipld.Entry{Key: "error", Value: o.Failure.Value})
	}
	return ipld.Map(ipld.Entry{Key: "ok", Value: o.Value})
}

// module is one module of this tree.
type module struct {
	name string
	code []byte
}

// modules are those of this tree, of text and of bytes.
func modules(tb testing.TB) []module {
	tb.Helper()
	var out []module
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || path == filepath.Join("..", "guests", "build") || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case filepath.Ext(path) != ".wat" && filepath.Ext(path) != ".wasm":
			return nil
		}
		if base, isText := strings.CutSuffix(path, ".wat"); isText {
			if _, err := os.Stat(base + ".wasm"); err == nil {
				return nil // the same, compiled
			}
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if filepath.Ext(path) == ".wat" {
			code = wasmtest.Compile(tb, string(code))
		}
		if len(code) > 8 {
			out = append(out, module{filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))), code})
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if len(out) < 10 {
		tb.Fatalf("only %d modules", len(out))
	}
	return out
}

// TestPaths holds the way that each module of this tree is run against a
// table, so that one that falls back to the component model does not go unseen.
func TestPaths(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	var got strings.Builder
	for _, m := range modules(t) {
		kind := "component"
		if component.HeaderOf(m.code) == component.CoreModule {
			kind = "core module"
		}
		loaded, err := e.Load(t.Context(), ipld.Link{}, m.code)
		var refused *Refused
		switch {
		case errors.As(err, &refused):
			fmt.Fprintf(&got, "%s: %s, refused: %s\n", m.name, kind, refused.Failure)
			continue
		case err != nil:
			t.Fatal(err)
		}
		path, why := loaded.Path()
		fmt.Fprintf(&got, "%s: %s, %s", m.name, kind, path)
		if why != "" {
			fmt.Fprintf(&got, ": %s", why)
		}
		got.WriteByte('\n')
		loaded.Close()
	}
	golden(t, "paths.txt", got.String())
}

func golden(tb testing.TB, name, got string) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		tb.Errorf("%s differs, -update rewrites it:\n%s", path, diff)
	}
}

// TestTree calls every function of every component of this tree on both paths.
func TestTree(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	both := 0
	for _, m := range modules(t) {
		if component.HeaderOf(m.code) != component.Component {
			continue // a core module has one path only
		}
		t.Run(m.name, func(t *testing.T) {
			direct, err := d.direct.Load(t.Context(), ipld.Link{}, m.code)
			var refused *Refused
			if errors.As(err, &refused) {
				return // the table of paths says why
			} else if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			if path, _ := direct.Path(); path != PathDirect {
				return
			}
			model, err := d.model.Load(t.Context(), ipld.Link{}, m.code)
			if errors.As(err, &refused) && strings.Contains(refused.Failure.Message, "offered to a component of this shape") {
				return // it imports WASI
			} else if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			p := &pair{direct, model}
			p.check(t)
			callAll(t, p)
			both++
		})
	}
	if both < 8 {
		t.Errorf("only %d components ran on both paths", both)
	}
}

// TestImage calls the functions of the thumbnail's component with its picture on
// both paths, which they return a picture from.
func TestImage(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		data, err := os.ReadFile("../examples/thumbnail/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	p := newDuo(t).load(t, read("image.wasm"))
	picture := ipld.Bytes(read("picture.png"))
	for _, call := range []Call{
		{Func: "resize", Params: []ipld.Value{picture, ipld.Int(120), ipld.Int(0)}},
		{Func: "grayscale", Params: []ipld.Value{picture}},
		{Func: "rotate", Params: []ipld.Value{picture, ipld.Int(1)}},
	} {
		call.Limits = roomy
		r := p.agree(t, call)
		if out, ok := r.Outcome.Value.AsBytes(); kindOf(r) != "ok" || !ok || !strings.HasPrefix(out, "\x89PNG") {
			t.Errorf("%s: %s, %v", call.Func, kindOf(r), r.Outcome.Failure)
		}
		for _, gas := range []uint64{r.Gas, r.Gas + 1} {
			call.Limits.Gas = gas
			if again := p.agree(t, call); again.Outcome.OK() != (gas > r.Gas) {
				t.Errorf("%s with gas %d: %s", call.Func, gas, kindOf(again))
			}
		}
	}
}

// callAll calls each function with values of its types.
func callAll(t *testing.T, p *pair) {
	t.Helper()
	g := newGenerator(7)
	limits := task.Limits{Gas: 300_000, Memory: 64 << 20, Time: 30 * time.Second}
	for _, f := range p.direct.Interface().Funcs {
		for range 4 {
			call := Call{Func: f.Name, Limits: limits}
			for _, param := range f.Params {
				call.Params = append(call.Params, g.value(param.Type))
			}
			r := p.agree(t, call)
			for _, gas := range []uint64{r.Gas - 1, r.Gas, r.Gas + 1, g.Uint64N(r.Gas + 1)} {
				if call.Limits.Gas = gas; gas <= limits.Gas {
					p.agree(t, call)
				}
			}
		}
	}
}

// TestLogAlike calls guests that log: with no one who listens, and more than is
// kept.
func TestLogAlike(t *testing.T) {
	t.Parallel()
	p := newDuo(t).load(t, guest(t, "logging"))
	r := p.agree(t, Call{Func: "chatter", Params: []ipld.Value{ipld.Int(MaxLogLines + 5)}, Limits: roomy})
	for _, m := range []*Module{p.direct, p.model} {
		quiet := run(t, m, roomy, "chatter", ipld.Int(MaxLogLines+5))
		if kindOf(quiet) != "ok" || quiet.Gas != r.Gas {
			t.Errorf("unheard: %s, gas %d, heard %d", kindOf(quiet), quiet.Gas, r.Gas)
		}
		for _, fn := range []string{"say", "garbage"} {
			var params []ipld.Value
			if fn == "say" {
				params = []ipld.Value{ipld.String("hello")}
			}
			_, err := m.Run(t.Context(), Call{Func: fn, Params: params, Limits: roomy, Log: func(string, string, string) { panic("no") }})
			if (err != nil) != (fn == "say") {
				t.Errorf("%s with a log that panics: %v", fn, err)
			}
		}
	}
}
