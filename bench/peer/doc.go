//go:build unix

// Command peer is responsible for measuring ipvm beside Homestar 0.3.0, each as a
// process of its own, over the JSON-RPC that both speak: the same documents, the same
// client, one after the other.
//
//	npm install homestar-runtime@0.3.0 homestar-linux-x64@0.3.0
//	go build -o ipvm ./cmd/ipvm
//	go run ./bench/peer -ipvm ./ipvm -homestar node_modules/homestar-linux-x64/bin/homestar
//
// It prints a table. Homestar gets its modules from a stub of kubo in this process.
package main
