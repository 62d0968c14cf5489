package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// links are some of those of which something is known.
type links struct {
	mu  sync.Mutex
	all map[ipld.Link]struct{}
}

func (l *links) has(link ipld.Link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.all[link]
	return ok
}

func (l *links) add(link ipld.Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || len(l.all) >= maxKnown {
		l.all = make(map[ipld.Link]struct{})
	}
	l.all[link] = struct{}{}
}

// Module returns what is known of the module behind link, loading it if this
// node has not seen it before, and fetching it if it is not here. A module that
// can not be had or used is a failure.
func (e *Engine) Module(ctx context.Context, link ipld.Link) (ModuleInfo, *task.Failure, error) {
	return e.module(ctx, e.content(ctx, e.public(), link), link)
}

// module is [Engine.Module] for a step: a guest has the modules that were shared,
// those that its own jobs made, and those that are fetched for it.
func (e *Engine) module(ctx context.Context, from *content, link ipld.Link) (ModuleInfo, *task.Failure, error) {
	sp := from.space
	if sp.alone && !sp.circle.modules.has(link) { // what others have loaded does not count
		if ok, err := sp.Has(link); err != nil {
			return ModuleInfo{}, nil, err
		} else if !ok {
			if _, failure, err := from.module(link); failure != nil || err != nil {
				return ModuleInfo{}, failure, err
			}
		}
		sp.circle.modules.add(link)
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
		module, failure, err := e.load(ctx, from, link)
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
func (e *Engine) load(ctx context.Context, from *content, link ipld.Link) (*wasm.Module, *task.Failure, error) {
	if module, ok := e.Wasm.Loaded(link); ok {
		return module, nil, nil
	}
	code, failure, err := from.module(link)
	if failure != nil || err != nil {
		return nil, failure, err
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

// content is where the content of links comes from: a space, and for what a
// document names also from elsewhere.
type content struct {
	space  space
	finder Finder
	// named may be fetched.
	named map[ipld.Link]bool
}

// content is what is in sp, and what named leads to.
func (e *Engine) content(ctx context.Context, sp space, named ...ipld.Link) *content {
	if e.Fetcher == nil || len(named) == 0 {
		return &content{space: sp}
	}
	c := &content{space: sp, named: make(map[ipld.Link]bool, len(named))}
	for _, l := range named {
		c.named[l] = true
	}
	c.finder = Finder{
		Context: ctx, lease: leaseOf(ctx), Block: sp.Block, Has: sp.Has, Fetcher: e.Fetcher,
		Keep: func(blocks []ipld.Block) error { return sp.put(store.Batch{Blocks: blocks}) },
	}
	return c
}

// File returns the bytes of the raw block or UnixFS file behind link.
func (c *content) File(link ipld.Link) ([]byte, error) {
	if !c.named[link] {
		return ipld.ReadFile(link, maxFile, c.space.Block)
	}
	return c.finder.File(link)
}

// module is File for a module, with the failure where it can not be had.
func (c *content) module(link ipld.Link) ([]byte, *task.Failure, error) {
	code, err := c.File(link)
	if err == nil {
		return code, nil, nil
	}
	if failure := contentFailure(err); failure != nil {
		failure.Message = "the module can not be had: " + failure.Message
		return nil, failure, nil
	}
	return nil, nil, fmt.Errorf("load %s: %w", link, err)
}

// Value returns the decoded value of the block behind link.
func (c *content) Value(link ipld.Link) (ipld.Value, error) {
	decode := decoders[link.Codec()]
	if decode == nil {
		return ipld.Null, fmt.Errorf("block %s has codec 0x%x, which is not a value: %w", link, link.Codec(), errCodec)
	}
	if !c.named[link] {
		data, err := c.space.Block(link)
		if err != nil {
			return ipld.Null, err
		}
		return decode(data)
	}
	data, err := c.finder.One(link)
	if err != nil {
		return ipld.Null, err
	}
	v, err := decode(data)
	for l := range ipld.Links(v) { // what is named leads on
		if len(c.named) >= wit.MaxContentLinks { // no more are opened
			break
		}
		c.named[l] = true
	}
	return v, err
}

// decoders read the value of a block, by its codec.
var decoders = map[uint64]func([]byte) (ipld.Value, error){
	ipld.CodecDagCBOR: ipld.DecodeCBOR,
	ipld.CodecDagJSON: ipld.DecodeJSON,
	ipld.CodecRaw:     func(data []byte) (ipld.Value, error) { return ipld.Bytes(data), nil },
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

// lostFailure says what is lost, but not where that was: who submits a workflow need not
// be told of this machine.
func lostFailure(c *store.CorruptError) *task.Failure {
	what, why := "a record of the store", c.Err
	if c.Link.Defined() {
		what = fmt.Sprintf("block %s", c.Link)
	}
	var file *fs.PathError
	switch {
	case errors.Is(c.Err, fs.ErrNotExist):
		why = errors.New("its file is gone")
	case errors.As(c.Err, &file):
		why = file.Err
	}
	return task.Failf(task.KindLost, "%s was stored and can not be read any more: %v", what, why)
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
		return lostFailure(corrupt)
	case errors.As(err, &syntax), errors.Is(err, errCodec), errors.Is(err, ipld.ErrMismatch), errors.Is(err, ipld.ErrHash), errors.Is(err, ipld.ErrNotFile), errors.Is(err, ipld.ErrBadFile):
		return task.Failf(task.KindMalformed, "%v", err)
	case errors.Is(err, ipld.ErrFileSize), errors.Is(err, errFetchBounds):
		return task.Failf(task.KindUnsupported, "%v", err)
	case errors.As(err, &fault) && fault.Err == nil:
		return task.Failf(task.KindType, "%v", err)
	}
	return nil
}
