package wasm

import (
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// IsProgram tells whether f is the main function of a program, which takes
// arguments, variables, input and files and leaves a [task.Output].
func IsProgram(f wit.Func) bool { return f.String() == component.Command(f.Name).String() }
