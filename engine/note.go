package engine

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// noteKind is the store's namespace of notes about tasks.
const noteKind = "task"

// Note is what this node knows of a task's run beside its receipt: text for
// people and what the function logged. It is private to the node.
type Note struct {
	Message string
	Log     []LogLine
}

func (n Note) empty() bool { return n.Message == "" && len(n.Log) == 0 }

// Value is n as the store keeps it: {log: [[level, context, message]…],
// message}.
func (n Note) Value() ipld.Value {
	lines := make([]ipld.Value, len(n.Log))
	for i, l := range n.Log {
		lines[i] = ipld.List(ipld.String(l.Level), ipld.String(l.Context), ipld.String(l.Message))
	}
	return ipld.Map(ipld.Entry{Key: "log", Value: ipld.List(lines...)}, ipld.Entry{Key: "message", Value: ipld.String(n.Message)})
}

// ParseNote reads what [Note.Value] gave.
func ParseNote(v ipld.Value) (Note, error) {
	var n Note
	message, _ := v.Lookup("message")
	log, _ := v.Lookup("log")
	var ok bool
	if n.Message, ok = message.AsString(); !ok || v.Len() != 2 || log.Kind() != ipld.KindList {
		return n, fmt.Errorf("note about a task: not {log, message}")
	}
	for _, line := range log.Elems() {
		var text [3]string
		ok := line.Len() == len(text)
		for i, part := range line.Elems() {
			var isText bool
			if ok = ok && i < len(text); ok {
				text[i], isText = part.AsString()
				ok = isText
			}
		}
		if !ok {
			return n, fmt.Errorf("note about a task: a line is not [level, context, message]")
		}
		n.Log = append(n.Log, LogLine{text[0], text[1], text[2]})
	}
	return n, nil
}

// note is n about task id for a batch; none when there is nothing to say.
func (n Note) about(id task.ID) ([]store.Note, error) {
	if n.empty() {
		return nil, nil
	}
	data, err := ipld.AppendCBOR(nil, n.Value())
	if err != nil {
		return nil, fmt.Errorf("note about %s: %w", id, err)
	}
	return []store.Note{{Kind: noteKind, Key: id.Key(), Value: data}}, nil
}

// Note returns what this node noted about the run of task id; the zero Note
// when nothing is.
func (e *Engine) Note(id task.ID) (Note, error) {
	data, ok, err := e.Store.Note(noteKind, id.Key())
	if err != nil || !ok {
		return Note{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return Note{}, fmt.Errorf("note about %s: %w", id, err)
	}
	return ParseNote(v)
}
