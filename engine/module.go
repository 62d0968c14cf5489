package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// maxFile bounds the file behind one link, in bytes: a module or an argument.
const maxFile = 256 << 20

// ModuleInfo is what resolving and recalling need to know of a module. It is
// kept under the module's CID, so that neither loads code.
type ModuleInfo struct {
	Interface wit.Interface
	// MaxMemory is the module's own bound on its memory in bytes: 0 if it has
	// none, 1 for a module without memory.
	MaxMemory uint64
}

// Value is m as the store keeps it.
func (m ModuleInfo) Value() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "interface", Value: m.Interface.Value()},
		ipld.Entry{Key: "maxMemory", Value: ipld.Uint(m.MaxMemory)},
		ipld.Entry{Key: "reader", Value: ipld.Uint(wasm.Reader)},
	)
}

// ErrReader reports what another version of [wasm.Reader] saw in a module.
var ErrReader = errors.New("seen by another reader of modules")

// ParseModuleInfo reads what [ModuleInfo.Value] gave.
func ParseModuleInfo(v ipld.Value) (m ModuleInfo, err error) {
	iface, _ := v.Lookup("interface")
	limit, _ := v.Lookup("maxMemory")
	reader, _ := v.Lookup("reader")
	var ok bool
	if m.MaxMemory, ok = limit.AsUint64(); !ok {
		return m, errors.New("not a map of interface, maxMemory and reader")
	}
	if n, ok := reader.AsUint64(); !ok || n != wasm.Reader || v.Len() != 3 {
		return m, ErrReader
	}
	m.Interface, err = wit.ParseInterface(iface)
	return m, err
}

// knownModule is what the store knows of a module. What another version of this
// program saw in it counts as not known.
func knownModule(m Memory, module ipld.Link) (ModuleInfo, bool, error) {
	v, ok, err := m.Module(module)
	if err != nil || !ok {
		return ModuleInfo{}, false, err
	}
	about, err := ParseModuleInfo(v)
	if errors.Is(err, ErrReader) {
		return ModuleInfo{}, false, nil
	}
	if err != nil {
		return ModuleInfo{}, false, fmt.Errorf("what is kept of module %s: %w", module, err)
	}
	return about, true, nil
}

// modules keeps what an engine knows of modules in memory.
type modules struct {
	mu    sync.Mutex
	known map[ipld.Link]ModuleInfo
}

// maxKnown bounds the modules whose interfaces are kept in memory.
const maxKnown = 1024

// Module returns what is known of the module behind link, loading it if this
// node has not seen it before. A module that can not be had or used is a
// failure.
func (e *Engine) Module(ctx context.Context, link ipld.Link) (ModuleInfo, *task.Failure, error) {
	return e.module(ctx, e.public(), link)
}

// module is [Engine.Module] for a step: a guest has the modules that were shared,
// and those that its own jobs made.
func (e *Engine) module(ctx context.Context, sp space, link ipld.Link) (ModuleInfo, *task.Failure, error) {
	if sp.alone { // what others have loaded does not count
		if ok, err := sp.Has(link); err != nil {
			return ModuleInfo{}, nil, err
		} else if !ok {
			return ModuleInfo{}, task.Failf(task.KindNotFound, "the module can not be had: %v", notShown(link)), nil
		}
	}
	e.modules.mu.Lock()
	about, ok := e.modules.known[link]
	e.modules.mu.Unlock()
	if ok {
		return about, nil, nil
	}
	about, ok, err := knownModule(sp, link)
	if err != nil {
		return ModuleInfo{}, nil, err
	}
	if !ok {
		module, failure, err := e.load(ctx, sp, link)
		if failure != nil || err != nil {
			return ModuleInfo{}, failure, err
		}
		defer module.Close()
		about.Interface = module.Interface()
		if err := about.Interface.Check(); err != nil {
			return ModuleInfo{}, task.Failf(task.KindUnsupported, "the module: %v", err), nil
		}
		if limit, ok := module.MaxMemory(); ok {
			about.MaxMemory = max(limit, 1)
		}
		put := e.Store.Put
		if sp.alone {
			put = sp.put
		}
		if err := put(store.Batch{Modules: []store.Module{{Link: link, Interface: about.Value()}}}); err != nil {
			return ModuleInfo{}, nil, err
		}
	}
	e.modules.mu.Lock()
	defer e.modules.mu.Unlock()
	if e.modules.known == nil || len(e.modules.known) >= maxKnown {
		e.modules.known = make(map[ipld.Link]ModuleInfo)
	}
	e.modules.known[link] = about
	return about, nil, nil
}

// load compiles the module behind link, or finds it compiled.
func (e *Engine) load(ctx context.Context, m Memory, link ipld.Link) (*wasm.Module, *task.Failure, error) {
	if module, ok := e.Wasm.Loaded(link); ok {
		return module, nil, nil
	}
	code, err := content{m}.File(link)
	if err != nil {
		if failure := contentFailure(err); failure != nil {
			failure.Message = "the module can not be had: " + failure.Message
			return nil, failure, nil
		}
		return nil, nil, fmt.Errorf("load %s: %w", link, err)
	}
	module, err := e.Wasm.Load(ctx, link, code)
	var refused *wasm.Refused
	switch {
	case errors.As(err, &refused):
		return nil, refused.Failure, nil
	case err != nil:
		return nil, nil, fmt.Errorf("load %s: %w", link, err)
	}
	return module, nil, nil
}

// content is where the content of links comes from: the store.
type content struct{ memory Memory }

// File returns the bytes of the raw block or UnixFS file behind link.
func (c content) File(link ipld.Link) ([]byte, error) {
	return ipld.ReadFile(link, maxFile, c.memory.Block)
}

// Value returns the decoded value of the block behind link.
func (c content) Value(link ipld.Link) (ipld.Value, error) {
	data, err := c.memory.Block(link)
	if err != nil {
		return ipld.Null, err
	}
	switch link.Codec() {
	case ipld.CodecDagCBOR:
		return ipld.DecodeCBOR(data)
	case ipld.CodecDagJSON:
		return ipld.DecodeJSON(data)
	case ipld.CodecRaw:
		return ipld.Bytes(data), nil
	}
	return ipld.Null, fmt.Errorf("block %s has codec 0x%x, which is not a value: %w", link, link.Codec(), errCodec)
}

var errCodec = errors.New("unsupported codec")

// innermost is what stands closest around cause in the chain of err: layers
// that each name the same block say it once.
func innermost(err, cause error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil || next == cause {
			return err
		}
		err = next
	}
}

// contentFailure is the failure of a task whose arguments or module could not
// be loaded; nil when err is this node's own trouble.
func contentFailure(err error) *task.Failure {
	var fault *wit.Fault
	var syntax *ipld.SyntaxError
	var corrupt *store.CorruptError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return task.Failf(task.KindNotFound, "%v", innermost(err, store.ErrNotFound))
	case errors.As(err, &corrupt):
		return task.Failf(task.KindLost, "%v", err)
	case errors.As(err, &syntax), errors.Is(err, errCodec), errors.Is(err, ipld.ErrMismatch), errors.Is(err, ipld.ErrNotFile), errors.Is(err, ipld.ErrBadFile):
		return task.Failf(task.KindMalformed, "%v", err)
	case errors.As(err, &fault):
		return task.Failf(task.KindType, "%v", err)
	}
	return nil
}
