package component

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Program is how an instance of a module comes to be, and what of it can be
// called.
type Program struct {
	Modules []*Module
	// Steps make the core instances, in order.
	Steps []Step
	// Hosts are the functions that instances are given from outside.
	Hosts []Host
	// Initialize is called once after the last step, if it is there.
	Initialize *Item
	// Funcs are the functions, in the module's order.
	Funcs []Func
	// Left are the functions of a core module without types that its exports name and
	// nobody can call: see [abi.ErrPlain].
	Left []string
	// Imports names the interfaces that the module imports, and Wants has what
	// is in them, called or not.
	Imports []string
	Wants   []Want
}

// Want is one function or type that a component imports.
type Want struct {
	Interface string // with its version; "" for what is imported by itself
	Name      string
	Func      *wit.Func // nil for a type of handles
}

// Step makes one instance of a core module.
type Step struct {
	Module int
	// Imports has what the module is given, one for each of its imports.
	Imports []Item
}

// Item is where an import, or a function to call, comes from: a host function
// or an export of an earlier step.
type Item struct {
	Host int // number of a host function; -1 for an export
	Step int
	Name string
	Sort Sort
	Type abi.Signature // of a function
}

// HostKind says what a host function does.
type HostKind int

// The kinds of host functions.
const (
	// HostFunc is an imported function with types of the component model.
	HostFunc HostKind = iota
	// HostDrop gives a handle back.
	HostDrop
	// HostRaw is an import of a core module, in core types.
	HostRaw
)

// Host is one function that comes from outside.
type Host struct {
	Kind HostKind
	// Interface is the imported interface with its version, "" for a function
	// that is imported by itself; of a HostRaw, the core module's name for it.
	Interface string
	Name      string
	// Type is the core type.
	Type abi.Signature
	// Func is the way of values, of a HostFunc.
	Func *abi.Func
	// Memory and Realloc are the caller's, where Func needs them.
	Memory, Realloc *Item
}

// FuncKind says how a function is called.
type FuncKind int

// The kinds of functions.
const (
	// FuncLifted has types of the component model.
	FuncLifted FuncKind = iota
	// FuncCommand is the main function of a program that has streams, files
	// and an exit status.
	FuncCommand
)

// Func is one function of a program.
type Func struct {
	wit.Func
	Kind FuncKind
	Core Item
	// Encoding is that of the guest's text.
	Encoding abi.Encoding
	// ABI is the way of values; nil for the command of a core module.
	ABI *abi.Func
	// Memory, Realloc and PostReturn are those of the guest, or nil.
	Memory, Realloc, PostReturn *Item
}

// Unrecognised reports a component that is not a [Program] in the eyes of
// this package; the engine may run it all the same, or refuse it.
type Unrecognised struct{ Reason string }

func (u *Unrecognised) Error() string { return u.Reason }

func unrecognisedf(format string, args ...any) *Unrecognised {
	return &Unrecognised{fmt.Sprintf(format, args...)}
}

// MaxSteps bounds the instances that one program makes.
const MaxSteps = 128

// Interface is what p exports.
func (p *Program) Interface() wit.Interface {
	out := wit.Interface{Funcs: make([]wit.Func, len(p.Funcs))}
	for i, f := range p.Funcs {
		out.Funcs[i] = f.Func
	}
	return out
}

// Footprint is what an instance of p takes of an engine's pool.
func (p *Program) Footprint() (instances, memories, tables int) {
	for _, s := range p.Steps {
		m := p.Modules[s.Module]
		memories += len(m.Memories)
		tables += m.Tables
	}
	return len(p.Steps), memories, tables
}

// allocator is the type of cabi_realloc.
var allocator = abi.Signature{Params: "iiii", Results: "i"}

// check tells whether f can be called as its type says.
func (f *Func) check() error {
	switch {
	case f.Core.Type != f.ABI.Core:
		return unrecognisedf("function %s is implemented as %s instead of %s", f.Name, f.Core.Type, f.ABI.Core)
	case f.ABI.NeedsMemory && f.Memory == nil:
		return unrecognisedf("function %s has no memory", f.Name)
	case f.ABI.NeedsRealloc && f.Realloc == nil:
		return unrecognisedf("function %s has no allocator", f.Name)
	case f.PostReturn != nil && f.PostReturn.Type != abi.Signature{Params: f.ABI.Core.Results}:
		return unrecognisedf("what follows a call of %s is of type %s", f.Name, f.PostReturn.Type)
	}
	return checkOptions(f.Name, f.Memory, f.Realloc)
}

// check tells whether h can be called as its type says.
func (h *Host) check() error {
	switch {
	case h.Func.NeedsMemory && h.Memory == nil:
		return unrecognisedf("import %s has no memory", h.Name)
	case h.Func.NeedsRealloc && h.Realloc == nil:
		return unrecognisedf("import %s has no allocator", h.Name)
	}
	return checkOptions(h.Name, h.Memory, h.Realloc)
}

func checkOptions(name string, memory, realloc *Item) error {
	if memory != nil && memory.Host >= 0 || realloc != nil && (realloc.Host >= 0 || realloc.Type != allocator) {
		return unrecognisedf("%s has a memory or an allocator that is none", name)
	}
	return nil
}
