package wasm

import (
	"errors"
	"strings"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Form is what sort of module there is.
type Form string

// The forms of modules.
const (
	FormComponent Form = "component"
	// FormTyped is a core module with the type of a component in it.
	FormTyped Form = "typed-core"
	FormCore  Form = "core"
	// FormCommand is a program of WASI preview 1.
	FormCommand Form = "command"
)

// About is what the bytes of a module tell without an engine. They are not
// validated: what is fit to be described may still be malformed.
type About struct {
	Form Form
	// Path is how its functions are called, "" where it could not be read; Why is the
	// reason for [PathModel].
	Path Path
	Why  string
	// Interface is what it exports. For PathModel only the engine knows it.
	Interface wit.Interface
	// Left are the exported functions of a core module without types that can not be
	// called, for more than 16 parameters or results, or others than numbers.
	Left []string
	// Imports is what it imports, with the interface and the type, as in
	// "wasi:random/random@0.2.0#get-random-u64: func() -> u64". For PathModel
	// only the engine knows more than that there are some.
	Imports []string
	// MinMemory is what the memories of an instance come to at its start, and
	// MaxMemory the sum of their declared maxima, if they all HasMax.
	MinMemory, MaxMemory uint64
	HasMax               bool
	// Random tells that it imports random numbers. They are derived from the
	// task, so that anyone can compute them: no key must ever be made of them.
	Random bool
}

// Inspect describes the module in code. The failure says why it can not run.
func Inspect(code []byte) (About, *task.Failure) {
	if f := headerFailure(code); f != nil {
		return About{}, f
	}
	about := About{Form: FormComponent}
	core := component.HeaderOf(code) == component.CoreModule
	if core {
		about.Form = formOf(code)
	}
	p, err := readProgram(code)
	switch {
	case err != nil && core:
		return about, task.Failf(task.KindUnsupported, "a core module that does not run here: %v", err)
	case err != nil:
		memories, unread := component.MemoriesOf(code)
		if unread != nil {
			return about, unreadable(unread)
		}
		about.Path, about.Why = PathModel, err.Error()
		about.MaxMemory, about.HasMax = memories.Max, memories.HasMax
		return about, nil
	}
	about.Path, about.Interface, about.Left = PathDirect, p.Interface(), p.Left
	memories := p.Memories()
	about.MaxMemory, about.HasMax = memories.Max, memories.HasMax
	for _, s := range p.Steps {
		for _, m := range p.Modules[s.Module].Memories {
			about.MinMemory += m.Min * component.PageSize
		}
	}
	about.imports(p)
	_, failure := bindProgram(p)
	return about, failure
}

// formOf is the form of a core module.
func formOf(code []byte) Form {
	m, err := component.ReadModule(code)
	if err != nil {
		return FormCore
	}
	for _, c := range m.Customs {
		if name, _, _ := strings.Cut(c.Name, ":"); name == "component-type" {
			return FormTyped
		}
	}
	if t, ok := m.Func("_start"); ok && t.Params == "" && t.Results == "" {
		return FormCommand
	}
	return FormCore
}

// imports lists what p imports.
func (a *About) imports(p *component.Program) {
	for _, w := range p.Wants {
		a.imported(w.Interface, w.Name, w.Func)
	}
	for _, h := range p.Hosts {
		switch h.Kind {
		case component.HostFunc:
			a.imported(h.Interface, h.Name, &h.Func.Func)
		case component.HostRaw:
			a.imported(h.Interface, h.Name, nil)
		}
	}
}

func (a *About) imported(iface, name string, f *wit.Func) {
	text := imported(iface, name)
	if f != nil {
		named := *f
		named.Name = text
		text = named.String()
	}
	a.Imports = appendNew(a.Imports, text)
	if strings.HasPrefix(iface, "wasi:random/") || name == "random_get" {
		a.Random = true
	}
}

// headerFailure is what is wrong with the beginning of code.
func headerFailure(code []byte) *task.Failure {
	switch component.HeaderOf(code) {
	case component.NotWasm:
		return task.Failf(task.KindMalformed, "not WebAssembly: it does not start with the magic number \\0asm")
	case component.OtherVersion:
		return task.Failf(task.KindUnsupported, "WebAssembly of version %x; modules of version 01000000 and components of version 0d000100 run here", code[4:8])
	}
	return nil
}

// readProgram reads code as a program; the error says why it is none.
func readProgram(code []byte) (*component.Program, error) {
	if component.HeaderOf(code) == component.CoreModule {
		return component.ReadCore(code)
	}
	return component.Read(code)
}

// unreadable is the failure of a component that is not well formed, or uses
// what is off.
func unreadable(err error) *task.Failure {
	kind := task.KindMalformed
	if errors.Is(err, component.ErrFeature) {
		kind = task.KindUnsupported
	}
	return task.Failf(kind, "not a module that runs here: %v", err)
}

// bindProgram finds the host function behind each of p's imports. The failure
// names everything that is not offered.
func bindProgram(p *component.Program) ([]hostFunc, *task.Failure) {
	var m misses
	for _, w := range p.Wants {
		m.want(w)
	}
	hosts := make([]hostFunc, len(p.Hosts))
	for i, h := range p.Hosts {
		hosts[i] = m.host(h)
	}
	return hosts, m.failure("")
}
