//go:build !cgo

package wasm

import (
	"context"
	"fmt"
	"io"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Engine compiles modules and runs their functions. This build has none.
type Engine struct{}

// Module is a component made ready. This build makes none.
type Module struct{}

// New returns [ErrNoEngine].
func New(Config) (*Engine, error) { return nil, ErrNoEngine }

// Load returns [ErrNoEngine].
func (e *Engine) Load(context.Context, ipld.Link, []byte) (*Module, error) { return nil, ErrNoEngine }

// Start returns [ErrNoEngine].
func (e *Engine) Start() error { return ErrNoEngine }

// Compiler tells that there is no engine.
func Compiler(_ io.Reader, _, errOut io.Writer) int {
	fmt.Fprintln(errOut, ErrNoEngine)
	return 1
}

// Cached returns [ErrNoEngine].
func (e *Engine) Cached(ipld.Link, []byte) (bool, error) { return false, ErrNoEngine }

// Validate returns [ErrNoEngine].
func (e *Engine) Validate([]byte) (*task.Failure, error) { return nil, ErrNoEngine }

// Doctor tells that there is no engine.
func (e *Engine) Doctor() Info { return Info{Schedule: Schedule, Why: ErrNoEngine.Error()} }

// Close does nothing.
func (e *Engine) Close() error { return nil }

// Interface is empty.
func (m *Module) Interface() wit.Interface { return wit.Interface{} }

// Imports is empty.
func (m *Module) Imports() []string { return nil }

// MaxMemory is unknown.
func (m *Module) MaxMemory() (uint64, bool) { return 0, false }

// CodeBytes is 0.
func (m *Module) CodeBytes() int64 { return 0 }

// Run returns [ErrNoEngine].
func (m *Module) Run(context.Context, Call) (Result, error) { return Result{}, ErrNoEngine }

// Close does nothing.
func (m *Module) Close() error { return nil }

// Loaded returns nothing.
func (e *Engine) Loaded(ipld.Link) (*Module, bool) { return nil, false }
