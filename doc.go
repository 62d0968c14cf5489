// Package ipvm is responsible for assembling a node and for the few calls that
// a program needs to run workflows: open a state directory, load a document,
// run it, read what came out.
//
//	node, err := ipvm.Open("", ipvm.Options{})
//	…
//	defer node.Close()
//	flow, err := node.Load(ctx, "workflow.yaml")
//	…
//	report, err := node.Run(ctx, flow, ipvm.RunOptions{})
//
// The API of this package follows semantic versioning from v1 on; until then
// it may change in any minor version, and CHANGELOG.md says so. Packages below
// it are public to be read and built upon, with no such promise yet.
package ipvm
