package wasm

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// programName is what a program sees as its own name.
const programName = "program"

// IsProgram tells whether f is the main function of a program, which takes
// arguments, variables, input and files and leaves a [task.Output].
func IsProgram(f wit.Func) bool { return f.String() == component.Command(f.Name).String() }

// CheckProgram says what no program can be given of params, the canonical arguments
// of one: a [*wit.Fault], such as for a file whose path leads out of the root. Links
// stand for what is not known yet.
func CheckProgram(params []ipld.Value) error {
	c, fault := worldOf(params)
	if fault != nil {
		return fault
	}
	for _, part := range []struct {
		param string
		world wasi.Config
	}{{"args", wasi.Config{Args: c.Args}}, {"env", wasi.Config{Env: c.Env}}, {"files", wasi.Config{Files: c.Files}}} {
		if _, err := wasi.New(part.world); err != nil {
			return &wit.Fault{Param: part.param, Msg: cut(err.Error(), 300)}
		}
	}
	return nil
}

// worldOf is the world that the canonical arguments of a program describe, as far as
// they are known.
func worldOf(params []ipld.Value) (c wasi.Config, fault *wit.Fault) {
	args, env, stdin, files := params[0], params[1], params[2], params[3]
	c.Args = []string{programName}
	for _, a := range args.Elems() {
		if s, ok := a.AsString(); ok {
			c.Args = append(c.Args, s)
		}
	}
	for _, pair := range env.Elems() {
		name, value, ok := entryOf(pair)
		if !ok {
			continue
		}
		if name == "" || strings.Contains(name, "=") {
			return c, &wit.Fault{Param: "env", Msg: fmt.Sprintf("%q is no name of a variable", cut(name, 64))}
		}
		text, _ := value.AsString()
		c.Env = append(c.Env, name+"="+text)
	}
	in, _ := stdin.AsBytes()
	c.Stdin = bytesOf(in)
	for _, pair := range files.Elems() {
		path, content, ok := entryOf(pair)
		if !ok {
			continue
		}
		data, _ := content.AsBytes()
		c.Files = append(c.Files, wasi.File{Path: path, Data: bytesOf(data)})
	}
	return c, nil
}

// entryOf is a pair of a name and what it stands for, if the name is known.
func entryOf(pair ipld.Value) (name string, value ipld.Value, ok bool) {
	both := pair.Elems()
	if len(both) != 2 {
		return "", ipld.Null, false
	}
	name, ok = both[0].AsString()
	return name, both[1], ok
}

// bytesOf is s without a copy, for one who does not write to it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
