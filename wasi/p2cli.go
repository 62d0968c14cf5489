package wasi

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// environmentFuncs are the functions of wasi:cli/environment.
var environmentFuncs = []Func2{
	function("get-environment", nil, listOf(tupleOf(stringType, stringType)), getEnvironment),
	function("get-arguments", nil, listOf(stringType), getArguments),
	function("initial-cwd", nil, optionOf(stringType), none),
}

// getEnvironment gives the variables in the order of the [Config].
func getEnvironment(c call2) (ipld.Value, error) {
	env := make([]ipld.Value, len(c.host.env))
	for i, v := range c.host.env {
		name, value, _ := strings.Cut(v, "=")
		env[i] = ipld.List(utf8Text(name), utf8Text(value))
	}
	return ipld.List(env...), nil
}

func getArguments(c call2) (ipld.Value, error) {
	args := make([]ipld.Value, len(c.host.args))
	for i, a := range c.host.args {
		args[i] = utf8Text(a)
	}
	return ipld.List(args...), nil
}

// utf8Text is s as a string of a component, which is always UTF-8.
func utf8Text(s string) ipld.Value { return ipld.String(strings.ToValidUTF8(s, "\uFFFD")) }

// exitFuncs are the functions of wasi:cli/exit. They end the guest.
var exitFuncs = []Func2{
	function("exit", []wit.Field{field("status", resultOf(nil, nil))}, nil, func(c call2) (ipld.Value, error) {
		if _, failed := c.args[0].Lookup("error"); failed {
			return ipld.Null, &Exit{Code: 1}
		}
		return ipld.Null, &Exit{Code: 0}
	}),
	function("exit-with-code", []wit.Field{field("status-code", u8Type)}, nil, func(c call2) (ipld.Value, error) {
		return ipld.Null, &Exit{Code: uint32(c.u64(0))}
	}),
}

// The standard streams. Each call gives a new handle of the same stream, and
// dropping it does not close the stream for others.
var (
	stdinFunc = function("get-stdin", nil, ownOf("input-stream"), func(c call2) (ipld.Value, error) {
		return c.host.handles.insert(&inputStream{take: c.host.stdin.take}, 0)
	})
	stdoutFunc = function("get-stdout", nil, ownOf("output-stream"), func(c call2) (ipld.Value, error) {
		return c.host.handles.insert(&outputStream{write: c.host.stdout.write}, 0)
	})
	stderrFunc = function("get-stderr", nil, ownOf("output-stream"), func(c call2) (ipld.Value, error) {
		return c.host.handles.insert(&outputStream{write: c.host.stderr.write}, 0)
	})
)

// take is like read, without a copy.
func (in *input) take(most uint64) []byte {
	n := min(most, uint64(len(in.rest)))
	data := in.rest[:n]
	in.rest = in.rest[n:]
	return data
}

// noTerminal is a function that gives the terminal behind a standard stream:
// there is none.
func noTerminal(name, resource string) Func2 {
	return function(name, nil, optionOf(ownOf(resource)), none)
}

func none(call2) (ipld.Value, error) { return ipld.Null, nil }
