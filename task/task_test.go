package task

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

const alice = did.DID("did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg")

// js reads DAG-JSON.
func js(tb testing.TB, text string) ipld.Value {
	tb.Helper()
	v, err := ipld.DecodeJSON([]byte(text))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return v
}

const moduleText = `{"/":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}`

// pure is a call with the given parameters in DAG-JSON.
func pure(tb testing.TB, params string) Task {
	tb.Helper()
	return Call{Module: js(tb, moduleText), Func: "f", Params: js(tb, params)}.Pure()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := pure(t, `[1]`)
	for _, tt := range []struct {
		name   string
		change func(*Task)
		want   string // part of the error, empty for none
	}{
		{"a pure call", func(*Task) {}, ""},
		{"someone's call", func(t *Task) { t.Subject, t.Nonce = alice, "n" }, ""},
		{"someone's own command", func(t *Task) { t.Subject, t.Command = alice, "/crud/create" }, ""},
		{"the top command", func(t *Task) { t.Subject, t.Command = alice, "/" }, ""},
		{"no arguments", func(t *Task) { t.Args = ipld.Null }, "args is a null, not a map"},
		{"a list of arguments", func(t *Task) { t.Args = ipld.List() }, "args is a list, not a map"},
		{"no subject", func(t *Task) { t.Subject = "" }, "no subject"},
		{"no command", func(t *Task) { t.Command = "" }, "not a lower-case path"},
		{"a command without slash", func(t *Task) { t.Command = "wasm/run" }, "not a lower-case path"},
		{"a command in capitals", func(t *Task) { t.Command = "/Wasm/run" }, "not a lower-case path"},
		{"a command that ends in a slash", func(t *Task) { t.Command = "/wasm/" }, "not a lower-case path"},
		{"a command with an empty segment", func(t *Task) { t.Command = "/wasm//run" }, "not a lower-case path"},
		{"pure with a nonce", func(t *Task) { t.Nonce = "n" }, "only with an empty nonce"},
		{"pure with another command", func(t *Task) { t.Command = "/wasm/compile" }, "only with command /wasm/run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			task := good
			tt.change(&task)
			err := task.Check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			block, berr := task.Block()
			if (berr == nil) != (err == nil) {
				t.Fatalf("Check: %v, Block: %v", err, berr)
			}
			if err != nil {
				return
			}
			back, err := Parse(block.Data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(task.Value().String(), back.Value().String()); diff != "" || back.Pure() != task.Pure() {
				t.Errorf("round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromValueRefuses(t *testing.T) {
	t.Parallel()
	const sub, cmd, args, nonce = `"sub":"did:ipvm:pure"`, `"cmd":"/wasm/run"`, `"args":{}`, `"nonce":{"/":{"bytes":""}}`
	doc := func(fields ...string) string { return "{" + strings.Join(fields, ",") + "}" }
	if _, err := FromValue(js(t, doc(sub, cmd, args, nonce))); err != nil {
		t.Fatalf("the whole of it: %v", err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"null", `null`, "not a map"},
		{"a list", `[]`, "not a map"},
		{"empty", `{}`, "not a map of sub, cmd, args and nonce"},
		{"no sub", doc(cmd, args, nonce), "not a map of"},
		{"no cmd", doc(sub, args, nonce), "not a map of"},
		{"no args", doc(sub, cmd, nonce), "not a map of"},
		{"no nonce", doc(sub, cmd, args), "not a map of"},
		{"one more", doc(sub, cmd, args, nonce, `"meta":{}`), `unknown field "meta"`},
		{"sub is a number", doc(`"sub":1`, cmd, args, nonce), `"sub" is a integer`},
		{"cmd is bytes", doc(sub, `"cmd":{"/":{"bytes":"AA"}}`, args, nonce), `"cmd" is a bytes`},
		{"args is a list", doc(sub, cmd, `"args":[]`, nonce), `"args" is a list`},
		{"nonce is text", doc(sub, cmd, args, `"nonce":""`), `"nonce" is a string`},
		{"what Check refuses", doc(sub, `"cmd":"/other"`, args, nonce), "only with command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := FromValue(js(t, tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, cmd, args, want string }{
		{"positional", CommandRun, `{"mod":` + moduleText + `,"fun":"f","params":[1]}`, ""},
		{"named", CommandRun, `{"mod":` + moduleText + `,"fun":"","params":{"x":1}}`, ""},
		{"another command", "/crud/read", `{}`, "is not /wasm/run"},
		{"no mod", CommandRun, `{"fun":"f","params":[]}`, "exactly mod, fun and params"},
		{"no fun", CommandRun, `{"mod":1,"params":[]}`, "exactly mod, fun and params"},
		{"no params", CommandRun, `{"mod":1,"fun":"f"}`, "exactly mod, fun and params"},
		{"fun is a number", CommandRun, `{"mod":1,"fun":1,"params":[]}`, "exactly mod, fun and params"},
		{"one more", CommandRun, `{"mod":1,"fun":"f","params":[],"x":1}`, "exactly mod, fun and params"},
		{"params is text", CommandRun, `{"mod":1,"fun":"f","params":"x"}`, "params is a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			task := Task{Subject: alice, Command: tt.cmd, Args: js(t, tt.args)}
			c, err := task.Call()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err == nil && !c.Task(alice, "").Args.Equal(task.Args) {
				t.Errorf("%s became %s", task.Args, c.Task(alice, "").Args)
			}
		})
	}
}

// TestSize holds the bound of a task's arguments to the byte.
func TestSize(t *testing.T) {
	t.Parallel()
	sized := func(n int) Task { // with n bytes of encoded arguments
		task := Call{Module: js(t, moduleText), Params: ipld.List(ipld.String(""))}.Pure()
		empty, err := ipld.AppendCBOR(nil, task.Args)
		if err != nil {
			t.Fatal(err)
		}
		const head = 4 // the length of a long string takes that much more
		text := strings.Repeat("a", n-len(empty)-head)
		task = Call{Module: js(t, moduleText), Params: ipld.List(ipld.String(text))}.Pure()
		if got, err := ipld.AppendCBOR(nil, task.Args); err != nil || len(got) != n {
			t.Fatalf("made %d bytes, %v, want %d", len(got), err, n)
		}
		return task
	}
	if _, err := sized(MaxArgs).ID(); err != nil {
		t.Errorf("%d bytes: %v", MaxArgs, err)
	}
	_, err := sized(MaxArgs + 1).ID()
	if !errors.Is(err, ErrSize) || !strings.Contains(err.Error(), "arguments of 1048577 bytes") {
		t.Errorf("%d bytes: %v", MaxArgs+1, err)
	}
}

// FuzzParse: what is read is written back as the same bytes, or it is refused.
func FuzzParse(f *testing.F) {
	for _, params := range []string{`[]`, `[1,{"await/ok":` + moduleText + `}]`, `{"x":{"/data":{"await/ok":1}}}`} {
		b, err := pure(f, params).Block()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.Data)
		f.Add(b.Data[:len(b.Data)-1])
	}
	b, err := Task{Subject: alice, Command: "/crud/read", Args: ipld.Map(), Nonce: "12345678"}.Block()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Data)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		task, err := Parse(data)
		if err != nil {
			return
		}
		b, err := task.Block()
		if errors.Is(err, ErrSize) {
			return
		}
		if err != nil || string(b.Data) != string(data) {
			t.Fatalf("%x was read and written back as %x, %v", data, b.Data, err)
		}
		if c, err := task.Call(); err == nil && !c.Task(task.Subject, task.Nonce).Args.Equal(task.Args) {
			t.Fatalf("call %v is not the one of %s", c, task.Args)
		}
		if ps, err := Promises(task.Args); err == nil {
			for _, p := range ps {
				if back, ok, err := AsPromise(p.Value()); err != nil || !ok || !back.Value().Equal(p.Value()) {
					t.Fatalf("promise %s: %v, %v, %v", p.Value(), back, ok, err)
				}
			}
		}
	})
}
