//go:build cgo && !unix

package wasm

import (
	"os/exec"
	"time"
)

// setApart leaves cmd as it is: its process is killed with its context.
func setApart(*exec.Cmd) {}

// detach does nothing.
func detach() {}

// boundCompiler does nothing: the one who started this process bounds its time.
func boundCompiler(uint64, time.Duration) error { return nil }
