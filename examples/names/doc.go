// Package names is responsible for handing the modules of this example to
// `ipvm init`, whose first workflow calls them.
package names

import _ "embed"

// FullName is a module with the function
// full-name: func(first-name: string, last-name: string) -> string.
//
//go:embed full-name.wasm
var FullName []byte

// Count is a module with the function count: func(name: string) -> u32.
//
//go:embed count.wasm
var Count []byte
