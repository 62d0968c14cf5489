//go:build unix

package main

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// document is a workflow in the dialect of Homestar.
type document struct {
	name  string
	text  string
	tasks int
}

// task is one task of a document; arg is JSON.
func task(m module, arg string) string {
	return fmt.Sprintf(`{"run":{"rsc":"ipfs://%s","op":"wasm/run","input":{"func":%q,"args":[%s]},"nnc":""},"meta":{"memory":4294967296,"time":100000},"prf":[],"cause":null}`, m.link, m.fun, arg)
}

// bare is a task without what may be left out, for documents of very many.
func bare(m module, arg string) string {
	return fmt.Sprintf(`{"run":{"rsc":"ipfs://%s","op":"wasm/run","input":{"func":%q,"args":[%s]},"nnc":""},"meta":{},"prf":[]}`, m.link, m.fun, arg)
}

func flow(name string, tasks []string) document {
	return document{name, fmt.Sprintf(`{"name":%q,"workflow":{"tasks":[%s]}}`, name, strings.Join(tasks, ",")), len(tasks)}
}

// fan is n tasks that do not wait for each other.
func (s *suite) fan(m module, n int) document {
	tasks, write := make([]string, n), task
	if n > 10_000 {
		write = bare
	}
	for i := range tasks {
		tasks[i] = write(m, fmt.Sprint(s.first+i))
	}
	s.first += n
	return flow(fmt.Sprintf("fan-%d-%d", n, s.first), tasks)
}

// chain is n tasks each of which takes the result of the one before.
func (s *suite) chain(m module, n int) document {
	tasks := make([]string, n)
	arg := fmt.Sprint(s.first)
	s.first += 2 * n
	for i := range tasks {
		tasks[i] = task(m, arg)
		w, err := workflow.Parse(workflow.Source{Format: workflow.JSON, Data: []byte(flow("", tasks[i:i+1]).text)})
		if err != nil { // a promise of a task that is not there is for the node to judge
			panic(err)
		}
		arg = fmt.Sprintf(`{"await/ok":{"/":%q}}`, w.Jobs[0].Instruction)
	}
	return flow(fmt.Sprintf("chain-%d-%d", n, s.first), tasks)
}
