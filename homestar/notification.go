package homestar

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// MaxInline bounds the bytes that are put in the place of links in one result.
const MaxInline = 4 << 20

// hashSHA3 is the multihash code of sha3-256, by which clients of Homestar identify
// everything.
const hashSHA3 = 0x16

// kindSkipped stands for a kind of failure where a task was not called for, which
// is none.
const kindSkipped = "skipped"

// notification is the DAG-JSON that tells what a task came to. What its receipt says
// is read unless it is given.
func (s *subscription) notification(of *called, j *runs.Job, says *task.Outcome, from Store) ([]byte, error) {
	data, err := s.render(of, j, outOf(j, says, from))
	if err != nil { // the task is told all the same
		data, err = s.render(of, j, errorOut(string(task.KindType), fmt.Sprintf("the task has ended (%s); what it came to can not be shown: %v", j.Status, err), ipld.Null))
	}
	return data, err
}

func (s *subscription) render(of *called, j *runs.Job, out ipld.Value) ([]byte, error) {
	shown, link, err := project(of, out)
	if err != nil {
		return nil, err
	}
	// What was run for who asked before is there already, too.
	replayed := j.How == engine.Remembered || j.How == engine.Trusted || !j.Ended.IsZero() && j.Ended.Before(s.asked)
	return ipld.AppendJSON(nil, ipld.Map(
		ipld.Entry{Key: "metadata", Value: ipld.Map(
			ipld.Entry{Key: "name", Value: ipld.String(s.name)},
			ipld.Entry{Key: "replayed", Value: ipld.Bool(replayed)},
			ipld.Entry{Key: "workflow", Value: ipld.LinkValue(s.origin)},
		)},
		ipld.Entry{Key: "receipt", Value: shown},
		ipld.Entry{Key: "receipt_cid", Value: ipld.LinkValue(link)},
	))
}

// project is the receipt of the dialect for a task, and its identifier: that of
// the block which has what is sent.
func project(of *called, out ipld.Value) (ipld.Value, ipld.Link, error) {
	shown := ipld.Map(
		ipld.Entry{Key: "iss", Value: ipld.Null},
		ipld.Entry{Key: "meta", Value: ipld.Map(ipld.Entry{Key: "op", Value: ipld.String(of.function)})},
		ipld.Entry{Key: "out", Value: out},
		ipld.Entry{Key: "prf", Value: ipld.List()},
		ipld.Entry{Key: "ran", Value: ipld.LinkValue(of.ran)},
	)
	block, err := ipld.AppendCBOR(nil, shown)
	if err != nil {
		return ipld.Value{}, ipld.Link{}, fmt.Errorf("the receipt of task %s: %w", of.label, err)
	}
	link, err := ipld.LinkWithHash(ipld.CodecDagCBOR, hashSHA3, block)
	return shown, link, err
}

// outOf is ["ok", value] or ["error", {kind, message, value?}] for what a job
// came to.
func outOf(j *runs.Job, says *task.Outcome, from Store) ipld.Value {
	switch {
	case j.Status == engine.JobSkipped:
		return errorOut(kindSkipped, "the task was not called for", ipld.Null)
	case j.Status == engine.JobOK, j.Receipt.Defined():
		return settledOut(j, says, from)
	}
	return errorOut(string(j.Kind), words(j, &task.Failure{Kind: j.Kind}), ipld.Null)
}

// settledOut is the outcome that the receipt of j has.
func settledOut(j *runs.Job, says *task.Outcome, from Store) ipld.Value {
	if says == nil {
		out, err := outcome(j, from)
		if err != nil {
			return errorOut(string(task.KindLost), fmt.Sprintf("the task has ended (%s); what it came to can not be read: %v", j.Status, err), ipld.Null)
		}
		says = &out
	}
	in := inliner{get: from.Block, left: MaxInline}
	switch {
	case !says.OK():
		return errorOut(string(says.Failure.Kind), words(j, says.Failure), in.value(says.Failure.Value))
	case j.Status != engine.JobOK: // it came to more than it may
		return errorOut(string(j.Kind), words(j, &task.Failure{Kind: j.Kind}), ipld.Null)
	}
	return ipld.List(ipld.String("ok"), in.value(says.Value))
}

// outcome reads the receipt of j.
func outcome(j *runs.Job, from Store) (task.Outcome, error) {
	all, err := from.Receipts(j.Task)
	if err != nil {
		return task.Outcome{}, err
	}
	for _, signed := range all {
		if signed.Link() == j.Receipt {
			return signed.Unbox(from.Block)
		}
	}
	return task.Outcome{}, fmt.Errorf("receipt %s: not in the store", j.Receipt)
}

// words are what people are told of a failure.
func words(j *runs.Job, f *task.Failure) string {
	if j.Message != "" {
		return j.Message
	}
	if j.Upstream != "" {
		return fmt.Sprintf("task %s did not end as it should", j.Upstream)
	}
	return f.String()
}

// errorOut is ["error", …]. A value of null is left out.
func errorOut(kind, message string, value ipld.Value) ipld.Value {
	entries := []ipld.Entry{{Key: "kind", Value: ipld.String(kind)}, {Key: "message", Value: ipld.String(message)}}
	if !value.IsNull() {
		entries = append(entries, ipld.Entry{Key: "value", Value: value})
	}
	return ipld.List(ipld.String("error"), ipld.Map(entries...))
}

// inliner puts the bytes in the place of links that stand for large bytes
// (docs/protocol.md, "Links for large bytes"). All links in the result of a
// function are such links, because no type of functions has others.
type inliner struct {
	get  func(ipld.Link) ([]byte, error)
	left int64 // bytes that may still be put in
}

func (in *inliner) value(v ipld.Value) ipld.Value {
	switch v.Kind() {
	case ipld.KindLink:
		link, _ := v.AsLink()
		return in.link(v, link)
	case ipld.KindList:
		elems := make([]ipld.Value, v.Len())
		for i, e := range v.Elems() {
			elems[i] = in.value(e)
		}
		return ipld.List(elems...)
	case ipld.KindMap:
		entries := make([]ipld.Entry, v.Len())
		for i, e := range v.Entries() {
			entries[i] = ipld.Entry{Key: e.Key, Value: in.value(e.Value)}
		}
		return ipld.Map(entries...)
	}
	return v
}

// link is the bytes behind a link, or the link where they are too many or not to
// be had.
func (in *inliner) link(v ipld.Value, link ipld.Link) ipld.Value {
	if codec := link.Codec(); codec != ipld.CodecRaw && codec != ipld.CodecDagPB {
		return v
	}
	data, err := ipld.ReadFile(link, in.left, in.get)
	if err != nil {
		return v
	}
	in.left -= int64(len(data))
	return ipld.BytesString(string(data))
}

// lastWord is a job of which nothing was said when its run ended, and why.
func lastWord(label string, r *runs.Run) *runs.Job {
	j := &runs.Job{Label: label, Status: engine.JobCancelled, Kind: task.KindCancelled, Message: "not started"}
	if r.Reason != "" {
		j.Message = "not started: " + r.Reason
	}
	return j
}
