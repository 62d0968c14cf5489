package wasi

import (
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Func2 is one function of WASI 0.2 that a component may import.
type Func2 struct {
	// Type is the function's type. Its name is the one under which the
	// function is imported from its interface. A component that declares
	// another type for it is refused when it is loaded.
	Type wit.Func

	// Call calls the function with one value per parameter, each in the
	// canonical form of its type, and returns the result in that form, or null
	// where the type has no result. A handle is its index as an integer.
	//
	// An error ends the guest: [*Exit] where it asked for that, else a trap.
	// Arguments of other shapes are such an error. Call never panics.
	Call func(h *Host, args []ipld.Value) (ipld.Value, error)
}

// Preview2 returns the function name of the interface iface, and whether it is
// offered. The interface is named without its version, "wasi:io/streams": the
// functions offered have the same types in all versions 0.2. The function is
// named as components import it: "[method]output-stream.write".
func Preview2(iface, name string) (Func2, bool) {
	f, ok := preview2[iface].funcs[name]
	return f, ok
}

// Preview2Resource tells whether the interface iface, named without its
// version, defines a resource of that name, such as "output-stream". A
// component imports a resource as a type; its handles come from functions and
// end with [Host.DropHandle].
func Preview2Resource(iface, resource string) bool {
	for _, r := range preview2[iface].resources {
		if r == resource {
			return true
		}
	}
	return false
}

// interface2 is one interface of WASI 0.2.
type interface2 struct {
	resources []string
	funcs     map[string]Func2
}

// preview2 holds all interfaces that are offered, by name.
var preview2 = map[string]interface2{
	"wasi:cli/environment":        functions(environmentFuncs...),
	"wasi:cli/exit":               functions(exitFuncs...),
	"wasi:cli/stdin":              functions(stdinFunc),
	"wasi:cli/stdout":             functions(stdoutFunc),
	"wasi:cli/stderr":             functions(stderrFunc),
	"wasi:cli/terminal-input":     functions().with("terminal-input"),
	"wasi:cli/terminal-output":    functions().with("terminal-output"),
	"wasi:cli/terminal-stdin":     functions(noTerminal("get-terminal-stdin", "terminal-input")),
	"wasi:cli/terminal-stdout":    functions(noTerminal("get-terminal-stdout", "terminal-output")),
	"wasi:cli/terminal-stderr":    functions(noTerminal("get-terminal-stderr", "terminal-output")),
	"wasi:clocks/monotonic-clock": functions(monotonicFuncs...),
	"wasi:clocks/wall-clock":      functions(wallFuncs...),
	"wasi:clocks/timezone":        functions(timezoneFuncs...),
	"wasi:random/random":          functions(randomBytes("get-random-bytes"), randomU64("get-random-u64")),
	"wasi:random/insecure":        functions(randomBytes("get-insecure-random-bytes"), randomU64("get-insecure-random-u64")),
	"wasi:random/insecure-seed":   functions(randomSeed),
	"wasi:io/error":               functions(errorFuncs...).with("error"),
	"wasi:io/poll":                functions(pollFuncs...).with("pollable"),
	"wasi:io/streams":             functions(streamFuncs...).with("input-stream", "output-stream"),
	"wasi:filesystem/types":       functions(filesystemFuncs...).with("descriptor", "directory-entry-stream"),
	"wasi:filesystem/preopens":    functions(preopensFunc),
}

func functions(funcs ...Func2) interface2 {
	i := interface2{funcs: make(map[string]Func2, len(funcs))}
	for _, f := range funcs {
		i.funcs[f.Type.Name] = f
	}
	return i
}

func (i interface2) with(resources ...string) interface2 {
	i.resources = resources
	return i
}

// function is a function with params and result that do implements: it is
// given arguments that fit.
func function(name string, params []wit.Field, result *wit.Type, do func(call2) (ipld.Value, error)) Func2 {
	t := wit.Func{Name: name, Params: params, Result: result}
	return Func2{Type: t, Call: func(h *Host, args []ipld.Value) (ipld.Value, error) {
		if err := checkArgs(t, args); err != nil {
			return ipld.Null, err
		}
		v, err := do(call2{host: h, args: args})
		if err == nil {
			return v, nil
		}
		if exit := (*Exit)(nil); errors.As(err, &exit) {
			return ipld.Null, exit
		}
		return ipld.Null, fmt.Errorf("%s: %w", name, err)
	}}
}

// method is a method of a resource whose handles stand for an R. The params
// are those after self, and so are the arguments that do is given.
func method[R any](resource, name string, params []wit.Field, result *wit.Type, do func(call2, R) (ipld.Value, error)) Func2 {
	params = append([]wit.Field{field("self", borrowOf(resource))}, params...)
	return function("[method]"+resource+"."+name, params, result, func(c call2) (ipld.Value, error) {
		self, err := resourceOf[R](c.host, c.args[0])
		if err != nil {
			return ipld.Null, err
		}
		index, _ := c.args[0].AsUint64()
		return do(call2{c.host, c.args[1:], uint32(index)}, self)
	})
}

// checkArgs tells what is wrong with args, if they do not fit the parameters.
func checkArgs(f wit.Func, args []ipld.Value) error {
	if len(args) != len(f.Params) {
		return fmt.Errorf("%s: %d arguments for %d parameters", f.Name, len(args), len(f.Params))
	}
	for i, p := range f.Params {
		if !fits(p.Type, args[i]) {
			return fmt.Errorf("%s: argument %s is no %s", f.Name, p.Name, p.Type)
		}
	}
	return nil
}

// call2 is one call of a function: the host, and arguments that fit the types
// of the parameters. The readers below rely on that.
type call2 struct {
	host *Host
	args []ipld.Value
	self uint32 // of a method: the handle it was called on
}

func (c call2) u64(i int) uint64 {
	u, _ := c.args[i].AsUint64()
	return u
}

func (c call2) bytes(i int) string {
	b, _ := c.args[i].AsBytes()
	return b
}

func (c call2) text(i int) string {
	s, _ := c.args[i].AsString()
	return s
}

// flag tells whether the flags given as argument i contain name.
func (c call2) flag(i int, name string) bool {
	for _, v := range c.args[i].Elems() {
		if s, _ := v.AsString(); s == name {
			return true
		}
	}
	return false
}

// ok2 and fail2 are the branches of a result.
func ok2(v ipld.Value) ipld.Value   { return ipld.Map(ipld.Entry{Key: "ok", Value: v}) }
func fail2(v ipld.Value) ipld.Value { return ipld.Map(ipld.Entry{Key: "error", Value: v}) }
