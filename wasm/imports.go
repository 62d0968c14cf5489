package wasm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/task"
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

// offered is the list of [offers] for messages.
const offered = "wasi:logging/logging (log) and homestar:host/helpers (print, get-current-time)"

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

// bind matches what a component imports with what is offered. The failure
// names everything that is not.
func (c component) bind() ([]binding, *task.Failure) {
	var out []binding
	var missing, differ []string
	for _, it := range c.imports {
		switch it.kind {
		case itemType:
			continue
		case itemInstance:
		default:
			missing = append(missing, it.name)
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
				missing = append(missing, it.name+"#"+f.name)
			case !o.fits(f.fn):
				differ = append(differ, it.name+"#"+f.name)
			default:
				b.names = append(b.names, f.name)
				b.hosts = append(b.hosts, o.host)
			}
		}
		out = append(out, b)
	}
	switch {
	case len(missing) > 0:
		return nil, task.Failf(task.KindUnsupported, "the module imports %s; offered are %s", listing(missing), offered)
	case len(differ) > 0:
		return nil, task.Failf(task.KindUnsupported, "the module imports %s with another type than the one offered", listing(differ))
	}
	return out, nil
}

func find(iface, name string) (offer, bool) {
	bare, _, _ := strings.Cut(iface, "@")
	for _, o := range offers {
		if o.iface == bare && o.name == name {
			return o, true
		}
	}
	return offer{}, false
}

// listing is a few of names.
func listing(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
