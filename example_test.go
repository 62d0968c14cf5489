package ipvm_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Open a node, load a document, run it, and read a result. Run twice, and the
// second time everything is remembered.
func Example() {
	dir, err := os.MkdirTemp("", "ipvm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	node, err := ipvm.Open(dir, ipvm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	ctx := context.Background()
	flow, err := node.Load(ctx, "examples/names/spec-3.2.3.json")
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		report, err := node.Run(ctx, flow, ipvm.RunOptions{})
		if err != nil {
			log.Fatal(err)
		}
		for _, job := range report.Jobs {
			fmt.Println(job.Label, job.How, job.Outcome.Value)
		}
	}
	// Output:
	// fullName ran "Boris Mann"
	// count ran 10
	// fullName remembered "Boris Mann"
	// count remembered 10
}

// A listener sees jobs as they end; what it is told is durable.
func ExampleNode_Run_events() {
	dir, err := os.MkdirTemp("", "ipvm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	node, err := ipvm.Open(dir, ipvm.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	ctx := context.Background()
	flow, err := node.Load(ctx, "examples/add-one/workflow.json")
	if err != nil {
		log.Fatal(err)
	}
	_, err = node.Run(ctx, flow, ipvm.RunOptions{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobSettled {
			fmt.Println(ev.Seq, ev.Label, ev.Job.Status, ev.Job.Gas)
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 3 one ok 4
	// 5 two ok 4
}

// Call one function of a module, without a document.
func ExampleNode_Single() {
	dir, err := os.MkdirTemp("", "ipvm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	node, err := ipvm.Open(dir, ipvm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	ctx := context.Background()
	module, err := node.Import(ctx, "examples/names/count.wasm")
	if err != nil {
		log.Fatal(err)
	}
	flow, err := node.Single(ctx, module, "count", []ipvm.Value{ipld.String("Zoë")})
	if err != nil {
		log.Fatal(err)
	}
	report, err := node.Run(ctx, flow, ipvm.RunOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Jobs[0].Outcome.Value)
	// Output: 3
}
