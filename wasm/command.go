//go:build cgo

package wasm

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

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
	c, fault := worldOf(p.call.Params)
	if fault != nil {
		return task.Failf(task.KindType, "%v", fault)
	}
	c.Seed = p.world.config.Seed
	p.world.config = c
	var err error
	if p.world.host, err = wasi.New(c); err != nil {
		return task.Failf(task.KindType, "%s", cut(err.Error(), 300))
	}
	return nil
}

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
