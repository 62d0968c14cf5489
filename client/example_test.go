package client_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/client"
)

// Send a function to a node, run a workflow of it there, and have the result with
// the receipt that says so.
func Example() {
	ctx := context.Background()
	url, stop := exampleNode() // as `ipvm node --listen 127.0.0.1:1337` would be
	defer stop()

	node, err := client.Open(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	code, err := os.ReadFile("../examples/add-one/add-one.wasm")
	if err != nil {
		log.Fatal(err)
	}
	module, err := node.Upload(ctx, code)
	if err != nil {
		log.Fatal(err)
	}
	document := fmt.Appendf(nil, "a: {with: %[1]s, args: [40]}\nb: {with: %[1]s, args: [{from: a}]}\n", module)
	run, err := node.Submit(ctx, client.Document{Data: document}, client.Submission{})
	if err != nil {
		log.Fatal(err)
	}
	// From here on the node has it, whatever becomes of this program.
	if run, err = node.Wait(ctx, run.Workflow); err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.State, run.Settled, "of", run.Jobs)
	jobs, err := node.Jobs(ctx, run.Workflow)
	if err != nil {
		log.Fatal(err)
	}
	for _, job := range jobs {
		out, signed, err := node.Outcome(ctx, &job)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(job.Label, job.How, out.Value, signed.Executor == node.Node().DID)
	}
	// Output:
	// ok 2 of 2
	// a ran 41 true
	// b ran 42 true
}

// Follow a workflow as it runs. Where the connection breaks off, it is taken up
// again where it was.
func ExampleClient_Watch() {
	ctx := context.Background()
	url, stop := exampleNode()
	defer stop()
	node, err := client.Open(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	code, err := os.ReadFile("../examples/add-one/add-one.wasm")
	if err != nil {
		log.Fatal(err)
	}
	module, err := node.Upload(ctx, code)
	if err != nil {
		log.Fatal(err)
	}
	run, err := node.Submit(ctx, client.Document{Data: fmt.Appendf(nil, "a: {with: %s, args: [1]}\n", module)}, client.Submission{})
	if err != nil {
		log.Fatal(err)
	}
	err = node.Watch(ctx, run.Workflow, client.Position{}, func(ev client.Event) bool {
		switch ev.Kind {
		case client.JobSettled:
			fmt.Println(ev.Label, ev.Job.Status, ev.Job.Value)
		case client.WorkflowEnded:
			fmt.Println(ev.Run.State)
		}
		return true
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// a ok 2
	// ok
}

// exampleNode is a node that answers HTTP until it is stopped.
func exampleNode() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "ipvm")
	if err != nil {
		log.Fatal(err)
	}
	node, err := ipvm.Open(dir, ipvm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	service, err := node.Serve(context.Background(), ipvm.ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	return "http://" + service.Addr(), func() {
		_ = service.Close()
		_ = node.Close()
		_ = os.RemoveAll(dir)
	}
}
