package quarantine

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Subject is a call of a function as one that may end the process.
type Subject struct {
	// Task is the resolved task, of a secret the task as written.
	Task   task.ID
	Module ipld.Link
	Func   string
	// For is on whose behalf it runs; empty is the node's owner. Nobody hears of
	// what was run for another.
	For did.DID
}

// Record is what is known of a task whose calls have ended the process.
type Record struct {
	Subject
	// Strikes is how often.
	Strikes int
	// How says by what, the last time: the name of a signal, or "panic".
	How string
	// First and Last are when the node found out, the first time and the last.
	First, Last time.Time
	// Refused tells that the task is not run any more.
	Refused bool

	session session // in which the last strike was
}

// Most is how often a task may end the process before it is refused.
const Most = 2

// MostOfModule is how often all tasks of one module together may do so before the
// module is refused: there may be a task for every argument.
const MostOfModule = 4

// howOf is the word for a mark.
func howOf(mark uint32) string {
	if mark >= panicked {
		return "panic"
	}
	for _, s := range []struct {
		signal syscall.Signal
		name   string
	}{{syscall.SIGABRT, "SIGABRT"}, {syscall.SIGSEGV, "SIGSEGV"}, {syscall.SIGBUS, "SIGBUS"}, {syscall.SIGILL, "SIGILL"}, {syscall.SIGFPE, "SIGFPE"}} {
		if uint32(s.signal) == mark {
			return s.name
		}
	}
	return fmt.Sprintf("signal %d", mark)
}

// Value is r as a map, without what is not known.
func (r *Record) Value() ipld.Value {
	entries := []ipld.Entry{
		{Key: "task", Value: ipld.LinkValue(r.Task.Link)},
		{Key: "func", Value: ipld.String(r.Func)},
		{Key: "strikes", Value: ipld.Int(int64(r.Strikes))},
		{Key: "how", Value: ipld.String(r.How)},
		{Key: "first", Value: ipld.Int(r.First.UnixNano())},
		{Key: "last", Value: ipld.Int(r.Last.UnixNano())},
		{Key: "refused", Value: ipld.Bool(r.Refused)},
		{Key: "session", Value: ipld.Bytes(r.session[:])},
	}
	if r.Module.Defined() {
		entries = append(entries, ipld.Entry{Key: "module", Value: ipld.LinkValue(r.Module)})
	}
	if r.For != "" {
		entries = append(entries, ipld.Entry{Key: "for", Value: ipld.String(string(r.For))})
	}
	return ipld.Map(entries...)
}

var errRecord = errors.New("not a record of a task in quarantine")

// ParseRecord reads what [Record.Value] gave.
func ParseRecord(v ipld.Value) (r Record, err error) {
	bad := v.Kind() != ipld.KindMap
	for _, e := range v.Entries() {
		var ok bool
		switch e.Key {
		case "task":
			r.Task.Link, ok = e.Value.AsLink()
		case "module":
			r.Module, ok = e.Value.AsLink()
		case "func":
			r.Func, ok = e.Value.AsString()
		case "for":
			var who string
			who, ok = e.Value.AsString()
			r.For = did.DID(who)
		case "strikes":
			var n int64
			n, ok = e.Value.AsInt64()
			r.Strikes = int(n)
		case "how":
			r.How, ok = e.Value.AsString()
		case "first":
			r.First, ok = asTime(e.Value)
		case "last":
			r.Last, ok = asTime(e.Value)
		case "refused":
			r.Refused, ok = e.Value.AsBool()
		case "session":
			var data string
			data, ok = e.Value.AsBytes()
			ok = ok && copy(r.session[:], data) == len(r.session) && len(data) == len(r.session)
		}
		bad = bad || !ok
	}
	if bad || !r.Task.Defined() || r.Strikes < 1 {
		return Record{}, fmt.Errorf("%w: %.200s", errRecord, v)
	}
	return r, nil
}

func asTime(v ipld.Value) (time.Time, bool) {
	n, ok := v.AsInt64()
	return time.Unix(0, n).UTC(), ok
}
