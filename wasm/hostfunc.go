package wasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// hostFunc is what a guest's import is bound to. One of its fields is set.
type hostFunc struct {
	// values takes and returns values of the component model.
	values func(w *world, args []ipld.Value) (ipld.Value, error)
	// raw is a function of WASI preview 1.
	raw *wasi.Func1
	// drop gives a handle back.
	drop bool
}

// nodeError is trouble of this node in a host function. Every other error of
// one is the guest's own doing.
type nodeError struct{ error }

// want notes if w is not offered, or not as w wants it.
func (m *misses) want(w component.Want) {
	if w.Func == nil {
		if !wasi.Preview2Resource(unversioned(w.Interface), w.Name) {
			m.missing(w.Interface, w.Name)
		}
		return
	}
	m.offered(w.Interface, w.Name, *w.Func)
}

// host is the function behind h. For one of the component model [misses.want]
// has said whether it is there; core modules declare nothing beforehand.
func (m *misses) host(h component.Host) hostFunc {
	switch h.Kind {
	case component.HostDrop:
		return hostFunc{drop: true}
	case component.HostFunc:
		return m.offered(h.Interface, h.Name, h.Func.Func)
	}
	f, ok := wasi.Preview1(h.Interface, h.Name)
	want := abi.Signature{Params: f.Params, Results: f.Results}
	switch {
	case !ok:
		m.missing(h.Interface, h.Name)
	case h.Type != want:
		m.differs(h.Interface, h.Name, coreType(h.Type), coreType(want))
	}
	return hostFunc{raw: &f}
}

// offered is the host function for an import of the type f, and notes if there is none.
func (m *misses) offered(iface, name string, f wit.Func) hostFunc {
	h, want, ok := offeredFunc(iface, f)
	switch {
	case !ok:
		m.missing(iface, name)
	case want != nil:
		m.differs(iface, name, signatureOf(f), *want)
	}
	return h
}

// coreType is a core type in words, such as "(i32, i64) -> i32".
func coreType(s abi.Signature) string {
	names := map[byte]string{'i': "i32", 'I': "i64", 'f': "f32", 'F': "f64", 'v': "v128", 'r': "a reference"}
	words := func(letters string) string {
		var out []string
		for i := range len(letters) {
			out = append(out, names[letters[i]])
		}
		return strings.Join(out, ", ")
	}
	text := "(" + words(s.Params) + ")"
	if s.Results != "" {
		text += " -> " + words(s.Results)
	}
	return text
}

// offeredFunc is the host function for an import of the type f, and whether there is
// one; want is the type that it has, if f is another.
func offeredFunc(iface string, f wit.Func) (h hostFunc, want *string, ok bool) {
	if o, ok := find(iface, f.Name); ok {
		if !o.fits(f) {
			want = new(string) // more than one type would do
		}
		return hostFunc{values: o.call(f)}, want, true
	}
	w, ok := wasi.Preview2(unversioned(iface), f.Name)
	if !ok {
		return hostFunc{}, nil, false
	}
	if f.String() != w.Type.String() {
		text := signatureOf(w.Type)
		want = &text
	}
	call := func(world *world, args []ipld.Value) (ipld.Value, error) { return w.Call(world.wasi(), args) }
	return hostFunc{values: call}, want, true
}

// call is the implementation of o for a guest that declares it as f.
func (o offer) call(f wit.Func) func(*world, []ipld.Value) (ipld.Value, error) {
	switch o.host {
	case hostLog:
		return func(w *world, args []ipld.Value) (ipld.Value, error) {
			return ipld.Null, w.log.say(textOf(args[0]), textOf(args[1]), textOf(args[2]))
		}
	case hostPrint:
		return func(w *world, args []ipld.Value) (ipld.Value, error) {
			return ipld.Null, w.log.say("info", "print", textOf(args[0]))
		}
	}
	return func(*world, []ipld.Value) (ipld.Value, error) {
		entries := make([]ipld.Entry, len(f.Result.Fields))
		for i, field := range f.Result.Fields {
			entries[i] = ipld.Entry{Key: field.Name, Value: ipld.Int(0)}
		}
		return ipld.Map(entries...), nil
	}
}

// textOf is a text that a guest gave, as far as a log keeps it.
func textOf(v ipld.Value) string {
	s, _ := v.AsString()
	return cut(s, MaxLogMessage)
}

// say logs one line.
func (g *guestLog) say(level, context, msg string) error {
	if g.to == nil || g.line(level, context, msg) {
		return nil
	}
	return nodeError{g.err}
}

// world is what one call can reach outside the guest: made when first needed.
type world struct {
	log     *guestLog
	config  wasi.Config
	host    *wasi.Host
	streams [2]lines
}

// wasi is the world in the eyes of WASI. What a function, not a program, writes
// to its streams goes to the log.
func (w *world) wasi() *wasi.Host {
	if w.host == nil {
		w.streams = [2]lines{{log: w.log, level: "info", context: "stdout"}, {log: w.log, level: "warn", context: "stderr"}}
		w.config.Stdout, w.config.Stderr = w.streams[0].write, w.streams[1].write
		var err error
		if w.host, err = wasi.New(w.config); err != nil { // a config without arguments or files
			panic(err)
		}
	}
	return w.host
}

// end logs what was written without an end of line.
func (w *world) end() {
	for i := range w.streams {
		w.streams[i].flush()
	}
}

// lines makes lines of a log from a stream.
type lines struct {
	log            *guestLog
	level, context string
	rest           []byte
}

func (l *lines) write(p []byte) {
	for _, b := range p {
		if l.log.to == nil || l.log.over {
			return
		}
		if b == '\n' || len(l.rest) >= MaxLogMessage {
			l.flush()
		}
		if b != '\n' {
			l.rest = append(l.rest, b)
		}
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		_ = l.log.say(l.level, l.context, cut(string(l.rest), MaxLogMessage)) // what failed is kept in the log
		l.rest = l.rest[:0]
	}
}

// errEnded reports that the guest ended while a host function had it do
// something; the engine knows how.
var errEnded = errors.New("the guest ended")

// run calls the function of h for a guest, whose arguments are in values, and
// puts the result there.
func (h hostFunc) run(w *world, g abi.Guest, about *component.Host, values []uint64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = nodeError{fmt.Errorf("host function %s panicked: %v", about.Name, p)}
		}
	}()
	switch {
	case h.drop:
		return w.wasi().DropHandle(uint32(values[0]))
	case h.raw != nil:
		errno, err := h.raw.Call(w.wasi(), g.Memory(), values[:len(h.raw.Params)])
		if err == nil && h.raw.Results != "" {
			values[0] = uint64(errno)
		}
		return err
	}
	args, out, err := about.Func.LiftParams(g, values[:len(about.Type.Params)])
	if err != nil {
		return err
	}
	v, err := h.values(w, args)
	if err != nil {
		return err
	}
	results, err := about.Func.LowerResult(g, v, out, nil)
	copy(values, results)
	var fault *wit.Fault
	if errors.As(err, &fault) {
		err = nodeError{fmt.Errorf("host function %s: %w", about.Name, fault)}
	}
	return err
}
