// Package client is responsible for using a node elsewhere over HTTP, as
// docs/http.md describes it: submitting workflows, following and directing them,
// and having receipts and blocks.
//
// The client does not believe the node where it need not: blocks are held to
// their CIDs, receipts to their task and their signatures. Whose receipts count
// is for the caller to say. What only the node can know, such as how a workflow
// stands, is what it says.
//
// It needs no C compiler: nothing here runs WebAssembly.
package client
