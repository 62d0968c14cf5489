package wasm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Numbers of the host functions; guest.h has the same list.
const (
	hostLog   = 0
	hostPrint = 1
	hostTime  = 2
)

// offer is one host function that guests may import.
type offer struct {
	iface, name string
	host        int
	fits        func(wit.Func) bool
}

var offers = [...]offer{
	{"wasi:logging/logging", "log", hostLog, isLog},
	{"homestar:host/helpers", "print", hostPrint, isPrint},
	{"homestar:host/helpers", "get-current-time", hostTime, isClock},
}

// What is offered, for messages.
const (
	offeredModelled = "wasi:logging/logging (log), homestar:host/helpers (print, get-current-time)"
	offeredWASI     = "the functions of wasi_snapshot_preview1, and of WASI 0.2 cli, clocks, random, io and filesystem"
)

// logLevels are the levels of wasi:logging, in its order.
var logLevels = []string{"trace", "debug", "info", "warn", "error", "critical"}

func isLog(f wit.Func) bool {
	return f.Result == nil && len(f.Params) == 3 &&
		f.Params[0].Type.Kind == wit.Enum && slices.Equal(f.Params[0].Type.Names, logLevels) &&
		f.Params[1].Type.Kind == wit.StringKind && f.Params[2].Type.Kind == wit.StringKind
}

func isPrint(f wit.Func) bool {
	return f.Result == nil && len(f.Params) == 1 && f.Params[0].Type.Kind == wit.StringKind
}

// isClock takes any record of unsigned integers: the time since the guest's
// start, which stands still at zero.
func isClock(f wit.Func) bool {
	if len(f.Params) != 0 || f.Result == nil || f.Result.Kind != wit.Record {
		return false
	}
	for _, field := range f.Result.Fields {
		switch field.Type.Kind {
		case wit.U8, wit.U16, wit.U32, wit.U64:
		default:
			return false
		}
	}
	return true
}

// binding is what one imported interface is linked to.
type binding struct {
	iface string // as imported, version included
	names []string
	hosts []int
}

// bind matches what a component imports with what is offered to components
// that the engine runs by its own model, for the reason in why. The failure
// names everything that is not.
func (c described) bind(why string) ([]binding, *task.Failure) {
	var out []binding
	var m misses
	for _, it := range c.imports {
		if it.kind == itemType {
			continue
		}
		if it.kind != itemInstance {
			m.missing("", it.name)
			continue
		}
		b := binding{iface: it.name}
		for _, f := range it.items {
			if f.kind == itemType {
				continue
			}
			o, ok := find(it.name, f.name)
			switch {
			case !ok || f.kind != itemFunc || f.async:
				m.missing(it.name, f.name)
			case !o.fits(f.fn):
				m.differs(it.name, f.name, signatureOf(f.fn), "")
			default:
				b.names = append(b.names, f.name)
				b.hosts = append(b.hosts, o.host)
			}
		}
		out = append(out, b)
	}
	return out, m.failure(why)
}

func find(iface, name string) (offer, bool) {
	bare := unversioned(iface)
	for _, o := range offers {
		if o.iface == bare && o.name == name {
			return o, true
		}
	}
	return offer{}, false
}

// unversioned is the name of an interface without its version.
func unversioned(iface string) string {
	bare, _, _ := strings.Cut(iface, "@")
	return bare
}

// misses are the imports of a module that are not offered, or not as it wants
// them.
type misses struct {
	none, other []string
	absent      string // why one of them is not offered to anyone
}

func (m *misses) missing(iface, name string) {
	if reason, ok := wasi.Absent(unversioned(iface), name); ok && m.absent == "" {
		m.absent = reason
	}
	m.none = appendNew(m.none, imported(iface, name))
}

// signatureOf is the type of f without its name.
func signatureOf(f wit.Func) string {
	f.Name = ""
	return f.Signature()
}

// differs notes an import of the type got, where another one is offered, told in want
// if there is one to be told.
func (m *misses) differs(iface, name, got, want string) {
	text := imported(iface, name) + " as " + cut(got, 200)
	if want != "" {
		text += ", offered as " + cut(want, 200)
	}
	m.other = appendNew(m.other, text)
}

func appendNew(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

func imported(iface, name string) string {
	if iface == "" {
		return name
	}
	return iface + "#" + name
}

// failure is what the misses come to, nil if there are none. A component that
// runs by the engine's model for the reason in why is offered less.
func (m *misses) failure(why string) *task.Failure {
	switch {
	case m.absent != "":
		return task.Failf(task.KindUnsupported, "the module imports %s; %s", listing(m.none), m.absent)
	case len(m.none) > 0 && why != "":
		return task.Failf(task.KindUnsupported, "the module imports %s; offered to a component of this shape (%s) are %s", listing(m.none), why, offeredModelled)
	case len(m.none) > 0:
		return task.Failf(task.KindUnsupported, "the module imports %s; offered are %s, %s", listing(m.none), offeredModelled, offeredWASI)
	case len(m.other) > 0:
		return task.Failf(task.KindUnsupported, "the module imports with another type than the one offered: %s", strings.Join(m.other[:min(len(m.other), 3)], "; "))
	}
	return nil
}

// listing is a few of names.
func listing(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
