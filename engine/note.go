package engine

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// NoteKind is the store's namespace of notes about tasks, by Task ID.
const NoteKind = "task"

// Note is what this node knows of a task's latest run beside its receipt: text
// for people and what the function logged. It is private to the node.
type Note struct {
	// Receipt is what that run came to; one task can have several.
	Receipt ipld.Link
	Message string
	Log     []LogLine
}

func (n Note) empty() bool { return n.Message == "" && len(n.Log) == 0 }

// Value is n as the store keeps it: {log: [[level, context, message]…],
// message, receipt}, without a receipt that is not known.
func (n Note) Value() ipld.Value {
	lines := make([]ipld.Value, len(n.Log))
	for i, l := range n.Log {
		lines[i] = ipld.List(ipld.String(l.Level), ipld.String(l.Context), ipld.String(l.Message))
	}
	fields := []ipld.Entry{{Key: "log", Value: ipld.List(lines...)}, {Key: "message", Value: ipld.String(n.Message)}}
	if n.Receipt.Defined() {
		fields = append(fields, ipld.Entry{Key: "receipt", Value: ipld.LinkValue(n.Receipt)})
	}
	return ipld.Map(fields...)
}

// ParseNote reads what [Note.Value] gave.
func ParseNote(v ipld.Value) (Note, error) {
	var n Note
	message, _ := v.Lookup("message")
	log, _ := v.Lookup("log")
	signed, known := v.Lookup("receipt")
	fields, isLink := 2, true
	if known {
		fields = 3
		n.Receipt, isLink = signed.AsLink()
	}
	var ok bool
	if n.Message, ok = message.AsString(); !ok || !isLink || v.Len() != fields || log.Kind() != ipld.KindList {
		return n, fmt.Errorf("note about a task: not {log, message, receipt}")
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
	return []store.Note{{Kind: NoteKind, Key: id.Key(), Value: data}}, nil
}

// Note returns what this node noted about the run of task id; the zero Note
// when nothing is.
func (e *Engine) Note(id task.ID) (Note, error) { return noteIn(e.Store, id) }

func noteIn(m Memory, id task.ID) (Note, error) {
	data, ok, err := m.Note(NoteKind, id.Key())
	if err != nil || !ok {
		return Note{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return Note{}, fmt.Errorf("note about %s: %w", id, err)
	}
	return ParseNote(v)
}

// message is the text for people about the failure that signed tells of: the
// one of the run that it is about, if that is still noted.
func message(m Memory, signed *receipt.Signed) (string, error) {
	note, err := noteIn(m, signed.Task)
	if err != nil || note.Receipt == signed.Link() {
		return note.Message, err
	}
	switch f := signed.Out.Failure; f.Kind {
	case task.KindGuest:
		return "the function returned an error", nil
	case task.KindTrap:
		return "the function trapped: " + strings.ReplaceAll(f.Trap, "-", " "), nil
	case task.KindOutOfGas:
		return fmt.Sprintf("the gas limit of %d was reached", signed.Limits.Gas), nil
	case task.KindOutOfMemory:
		return fmt.Sprintf("the memory limit of %d bytes was reached", signed.Limits.Memory), nil
	}
	return "", nil
}
