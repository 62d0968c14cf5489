// Package request is responsible for requests over HTTP that are signed: an
// invocation in the Authorization header says who asks one node for what, and is
// good for that one request (docs/protocol.md, "Requests over HTTP").
package request
