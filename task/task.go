package task

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// CommandRun is the command that runs a WebAssembly function.
const CommandRun = "/wasm/run"

// MaxArgs bounds the encoded arguments of one Task, and an encoded value that
// is not bytes, to 1 MiB (docs/protocol.md, "Sizes").
const MaxArgs = 1 << 20

// ID is a Task ID: the CIDv1 (dag-cbor, sha2-256) of a task's canonical form.
type ID struct{ ipld.Link }

// Seed is where the random numbers that a task's function sees come from, so
// that they are the same wherever it runs (docs/protocol.md, "Random numbers").
// Everyone who knows the task knows them: they must never become keys.
func (id ID) Seed() [32]byte { return sha256.Sum256(append([]byte("ipvm random\x00"), id.Bytes()...)) }

// Task is one unit of work (UCAN Invocation 1.0, "Task").
type Task struct {
	// Subject is whose authority the task is under. It is [did.Pure] for a
	// pure function call, which needs nobody's.
	Subject did.DID
	// Command is what is to be done, such as "/wasm/run".
	Command string
	// Args is the map of arguments.
	Args ipld.Value
	// Nonce holds raw bytes. It is empty where the same task asked twice is
	// one task, always so for a pure one.
	Nonce string
}

// ErrSize reports arguments whose encoding is longer than [MaxArgs].
var ErrSize = errors.New("too large")

// Check tells whether t is a legal task: a map of arguments of at most
// [MaxArgs] bytes, a command, and the reserved pure subject only where it may
// stand.
func (t Task) Check() error {
	switch {
	case t.Args.Kind() != ipld.KindMap:
		return fmt.Errorf("args is a %s, not a map", t.Args.Kind())
	case !validCommand(t.Command):
		return fmt.Errorf("command %q is not a lower-case path such as %s", t.Command, CommandRun)
	case t.Subject == "":
		return errors.New("no subject")
	case t.Subject == did.Pure && t.Command != CommandRun:
		return fmt.Errorf("subject %s goes only with command %s", did.Pure, CommandRun)
	case t.Subject == did.Pure && t.Nonce != "":
		return fmt.Errorf("subject %s goes only with an empty nonce", did.Pure)
	}
	return nil
}

func validCommand(s string) bool {
	return strings.HasPrefix(s, "/") && s == strings.ToLower(s) && (s == "/" || !strings.HasSuffix(s, "/")) && !strings.Contains(s, "//")
}

// Pure tells whether t is a pure function call: its result depends on nothing
// but its arguments and is the same for everyone.
func (t Task) Pure() bool { return t.Subject == did.Pure }

// Value is the canonical map {sub, cmd, args, nonce}.
func (t Task) Value() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "cmd", Value: ipld.String(t.Command)},
		ipld.Entry{Key: "sub", Value: ipld.String(string(t.Subject))},
		ipld.Entry{Key: "args", Value: t.Args},
		ipld.Entry{Key: "nonce", Value: ipld.BytesString(t.Nonce)},
	)
}

// Block encodes t. It refuses a task that [Task.Check] refuses, and arguments
// above [MaxArgs] with an error that wraps [ErrSize].
func (t Task) Block() (ipld.Block, error) {
	v := t.Value()
	data, err := t.encode(make([]byte, 0, ipld.CBORLen(v)), v)
	if err != nil {
		return ipld.Block{}, err
	}
	return ipld.Block{Link: ipld.LinkOf(ipld.CodecDagCBOR, data), Data: data}, nil
}

// ID is the address of t. It fails as [Task.Block] does.
func (t Task) ID() (ID, error) {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	data, err := t.encode((*buf)[:0], t.Value())
	if err != nil {
		return ID{}, err
	}
	if cap(data) <= maxScratch {
		*buf = data
	}
	return ID{ipld.LinkOf(ipld.CodecDagCBOR, data)}, nil
}

// scratch holds the buffers in which tasks are encoded for their ID alone.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// maxScratch is the longest buffer, in bytes, that is kept for the next task.
const maxScratch = 16 << 10

// encode appends v, the value of t, to dst.
func (t Task) encode(dst []byte, v ipld.Value) ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	data, err := ipld.AppendCBOR(dst, v)
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	if len(data) > MaxArgs {
		if args := ipld.CBORLen(t.Args); args > MaxArgs {
			return nil, fmt.Errorf("arguments of %d bytes: %w (at most %d; pass large data as bytes or links)", args, ErrSize, MaxArgs)
		}
	}
	return data, nil
}

// Parse reads the canonical form of a task, exactly.
func Parse(block []byte) (Task, error) {
	v, err := ipld.DecodeCBOR(block)
	if err != nil {
		return Task{}, fmt.Errorf("task: %w", err)
	}
	return FromValue(v)
}

// FromValue reads the map {sub, cmd, args, nonce}.
func FromValue(v ipld.Value) (Task, error) {
	var t Task
	for _, e := range v.Entries() {
		ok := false
		switch e.Key {
		case "sub":
			var s string
			s, ok = e.Value.AsString()
			t.Subject = did.DID(s)
		case "cmd":
			t.Command, ok = e.Value.AsString()
		case "args":
			t.Args, ok = e.Value, e.Value.Kind() == ipld.KindMap
		case "nonce":
			t.Nonce, ok = e.Value.AsBytes()
		default:
			return Task{}, fmt.Errorf("task: unknown field %q", e.Key)
		}
		if !ok {
			return Task{}, fmt.Errorf("task: field %q is a %s", e.Key, e.Value.Kind())
		}
	}
	if v.Kind() != ipld.KindMap || v.Len() != 4 {
		return Task{}, errors.New("task: not a map of sub, cmd, args and nonce")
	}
	if err := t.Check(); err != nil {
		return Task{}, fmt.Errorf("task: %w", err)
	}
	return t, nil
}

// Call is the content of a [CommandRun] task: which function is called, and
// with what.
type Call struct {
	// Module is the link of the WebAssembly module, or a promise of one.
	Module ipld.Value
	// Func is the function's name: as the document has it (empty where it was
	// left out) in a task as written, the exact export name in a resolved one.
	Func string
	// Params are the arguments: a list of positional ones or a map of named
	// ones. In a resolved call it is a list.
	Params ipld.Value
}

// Pure is the pure task that makes call c.
func (c Call) Pure() Task { return c.Task(did.Pure, "") }

// Task is the task that makes call c under the given subject and nonce.
func (c Call) Task(sub did.DID, nonce string) Task {
	return Task{Subject: sub, Command: CommandRun, Nonce: nonce, Args: ipld.Map(
		ipld.Entry{Key: "fun", Value: ipld.String(c.Func)},
		ipld.Entry{Key: "mod", Value: c.Module},
		ipld.Entry{Key: "params", Value: c.Params},
	)}
}

// Call returns the call that a [CommandRun] task makes.
func (t Task) Call() (Call, error) {
	if t.Command != CommandRun {
		return Call{}, fmt.Errorf("command %s is not %s", t.Command, CommandRun)
	}
	var c Call
	var ok [3]bool
	c.Module, ok[0] = t.Args.Lookup("mod")
	fun, _ := t.Args.Lookup("fun")
	c.Func, ok[1] = fun.AsString()
	c.Params, ok[2] = t.Args.Lookup("params")
	if !ok[0] || !ok[1] || !ok[2] || t.Args.Len() != 3 {
		return Call{}, fmt.Errorf("%s takes exactly mod, fun and params", CommandRun)
	}
	if k := c.Params.Kind(); k != ipld.KindList && k != ipld.KindMap {
		return Call{}, fmt.Errorf("params is a %s, not a list or map", k)
	}
	return c, nil
}
