//go:build !cgo

package wasmtest

import "testing"

// Compile skips the test: a build without cgo has no compiler.
func Compile(tb testing.TB, _ string) []byte {
	tb.Helper()
	tb.Skip("built without cgo")
	return nil
}
