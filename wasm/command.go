//go:build cgo

package wasm

import (
	"strings"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// programName is what a program sees as its own name.
const programName = "program"

// command makes the world that the arguments of a program describe.
func (p *programCall) command() *task.Failure {
	if len(p.call.Params) != len(p.fn.Params) {
		return task.Failf(task.KindType, "a program takes %d arguments, %d given", len(p.fn.Params), len(p.call.Params))
	}
	for i, v := range p.call.Params {
		canonical, err := p.fn.Params[i].Type.Canonical(v)
		if err != nil || !canonical.Equal(v) {
			return task.Failf(task.KindType, "%v", &wit.Fault{Param: p.fn.Params[i].Name, Want: p.fn.Params[i].Type.String(), Got: v.Kind().String()})
		}
	}
	args, env, stdin, files := p.call.Params[0], p.call.Params[1], p.call.Params[2], p.call.Params[3]
	c := &p.world.config
	c.Args = []string{programName}
	for _, a := range args.Elems() {
		s, _ := a.AsString()
		c.Args = append(c.Args, s)
	}
	for _, pair := range env.Elems() {
		name, _ := pair.Elems()[0].AsString()
		value, _ := pair.Elems()[1].AsString()
		if name == "" || strings.Contains(name, "=") {
			return task.Failf(task.KindType, "parameter env: %q is no name of a variable", cut(name, 64))
		}
		c.Env = append(c.Env, name+"="+value)
	}
	in, _ := stdin.AsBytes()
	c.Stdin = bytesOf(in)
	for _, pair := range files.Elems() {
		path, _ := pair.Elems()[0].AsString()
		data, _ := pair.Elems()[1].AsBytes()
		c.Files = append(c.Files, wasi.File{Path: path, Data: bytesOf(data)})
	}
	var err error
	if p.world.host, err = wasi.New(*c); err != nil {
		return task.Failf(task.KindType, "%s", cut(err.Error(), 300))
	}
	return nil
}

// bytesOf is s without a copy, for one who does not write to it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// maxLastWords and maxLastLines bound what is told of the standard error of a
// program that did not end by itself: its last bytes, in so many lines.
const (
	maxLastWords = 32 << 10
	maxLastLines = 100
)

// lastWords logs the end of what a program wrote to its standard error before
// it was stopped: there is no result that it could be part of.
func (p *programCall) lastWords() {
	if p.log.to == nil {
		return
	}
	all := p.world.host.Result().Stderr
	text := strings.TrimSuffix(strings.ToValidUTF8(string(all[max(0, len(all)-maxLastWords):]), "�"), "\n")
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	for _, line := range lines[max(0, len(lines)-maxLastLines):] {
		p.log.line("error", "stderr", line)
	}
}

// output is res with what a program left behind. It ended by returning v, or
// with an exit status.
func (p *programCall) output(res Result, v ipld.Value, exit *wasi.Exit) (Result, error) {
	var status uint32
	if exit != nil {
		status = exit.Code
	} else if e, ok := v.Sole(); ok && e.Key == "error" {
		status = 1
	}
	left := p.world.host.Result()
	files := make([]ipld.Value, len(left.Files))
	for i, f := range left.Files {
		files[i] = ipld.List(ipld.String(f.Path), ipld.Bytes(f.Data))
	}
	out := task.Output{Stdout: ipld.Bytes(left.Stdout), Stderr: ipld.Bytes(left.Stderr), Exit: uint64(status), Files: files}.Value()
	if status == 0 {
		res.Outcome = task.Outcome{Value: out}
		return res, nil
	}
	res.Outcome = task.Outcome{Failure: guestError(out)}
	return res, nil
}
