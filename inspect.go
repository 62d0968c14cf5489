package ipvm

import (
	"context"
	"errors"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Inspection is what [Node.Inspect] finds out about a module.
type Inspection struct {
	wasm.About
	Size int // of the code, in bytes
	// Compiled tells whether its machine code is in the cache.
	Compiled bool
}

// Inspect describes the module behind link. The failure says why it can not be
// had, or can not run here; what is known of it is told all the same. Only a
// module of [wasm.PathModel] is compiled for that.
func (n *Node) Inspect(ctx context.Context, link ipld.Link) (i Inspection, failure *task.Failure, err error) {
	code, failure, err := n.code(ctx, link)
	if failure != nil || err != nil {
		return i, failure, err
	}
	i.Size = len(code)
	i.About, failure = wasm.Inspect(code)
	if i.Form == "" {
		return i, failure, nil
	}
	e, done, err := n.engine()
	if errors.Is(err, wasm.ErrNoEngine) { // and there is no more to be found out
		return i, failure, nil
	}
	if err != nil {
		return i, nil, err
	}
	defer done()
	if i.Compiled, err = e.Cached(link, code); err != nil {
		return i, nil, err
	}
	if !i.Compiled { // of what the engine does not take it says more than we do
		if invalid, err := e.Validate(code); invalid != nil || err != nil {
			return i, invalid, err
		}
	}
	if failure != nil || i.Path == wasm.PathDirect {
		return i, failure, nil
	}
	m, err := e.Load(ctx, link, code)
	var refused *wasm.Refused
	if errors.As(err, &refused) {
		return i, refused.Failure, nil
	}
	if err != nil {
		return i, nil, err
	}
	defer m.Close()
	i.Interface, i.Imports = m.Interface(), m.Imports()
	return i, nil, nil
}

// Compilation is what [Node.Compile] came to.
type Compilation struct {
	Size    int   // of the code, in bytes
	Machine int64 // size of the machine code
	Cached  bool  // it was there already
	Time    time.Duration
}

// Compile makes the machine code of the module behind link, unless it is in the
// cache, so that the first call does not wait for it. The failure says why it
// can not be had or compiled.
func (n *Node) Compile(ctx context.Context, link ipld.Link) (c Compilation, failure *task.Failure, err error) {
	code, failure, err := n.code(ctx, link)
	if failure != nil || err != nil {
		return c, failure, err
	}
	e, done, err := n.engine()
	if err != nil {
		return c, nil, err
	}
	defer done()
	start := time.Now()
	cached, err := e.Cached(link, code)
	if err != nil {
		return c, nil, err
	}
	m, err := e.Load(ctx, link, code)
	var refused *wasm.Refused
	if errors.As(err, &refused) {
		return c, refused.Failure, nil
	}
	if err != nil {
		return c, nil, err
	}
	defer m.Close()
	return Compilation{Size: len(code), Machine: m.CodeBytes(), Cached: cached, Time: time.Since(start)}, nil, nil
}

// engine is the engine of this node, or for the guest of another process one of
// its own over the same cache. The caller ends its use with done.
func (n *Node) engine() (e *wasm.Engine, done func(), err error) {
	if own, ok := n.current().(*owner); ok {
		return own.wasm, func() {}, nil
	}
	if e, err = wasm.New(n.options.wasm(n.dir)); err != nil {
		return nil, nil, err
	}
	return e, func() { _ = e.Close() }, nil
}

// code is the file behind link, or why it can not be had.
func (n *Node) code(ctx context.Context, link ipld.Link) ([]byte, *task.Failure, error) {
	code, err := n.FetchFile(ctx, link)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, task.Failf(task.KindNotFound, "the module can not be had: %v", err), nil
	case errors.Is(err, ipld.ErrNotFile), errors.Is(err, ipld.ErrBadFile):
		return nil, task.Failf(task.KindMalformed, "the module can not be had: %v", err), nil
	}
	return code, nil, err
}
