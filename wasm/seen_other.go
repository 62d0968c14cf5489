//go:build !linux

package wasm

import (
	"os"
	"time"
)

// identity is of no file: what else would tell of every write is not known here.
func identity(*os.File, os.FileInfo) (is []byte, changed time.Time, ok bool) {
	return nil, changed, false
}

func bootID() []byte { return nil }
