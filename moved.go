package ipvm

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// movedVersion is the version of what follows.
const movedVersion = 1

// movedKind tells the root of an exported run from other blocks.
const movedKind = "ipvm/run"

// ErrNotMoved reports a file that is no exported workflow, or none of this version.
var ErrNotMoved = errors.New("not an exported workflow")

// moved is the root of a CAR file that holds a run: {kind, version, node, run,
// receipts: [{job, receipt}…], handedOver?, absent?: [link…]}.
type moved struct {
	runs.Submission
	// node is whose run it was.
	node did.DID
	// handedOver tells that it does not go on there.
	handedOver bool
	// results are the jobs that have ended by a receipt.
	results []result
	// absent are links of the document of which the node had no block either.
	absent []ipld.Link
}

// result is a job and its receipt.
type result struct {
	job     string
	receipt ipld.Link
	task    task.ID // known once the receipt was read
}

func (m *moved) block() (ipld.Block, error) {
	receipts := make([]ipld.Value, len(m.results))
	for i, r := range m.results {
		receipts[i] = ipld.Map(ipld.Entry{Key: "job", Value: ipld.String(r.job)}, ipld.Entry{Key: "receipt", Value: ipld.LinkValue(r.receipt)})
	}
	fields := []ipld.Entry{
		{Key: "kind", Value: ipld.String(movedKind)},
		{Key: "version", Value: ipld.Int(movedVersion)},
		{Key: "node", Value: ipld.String(string(m.node))},
		{Key: "run", Value: m.Submission.Value()},
		{Key: "receipts", Value: ipld.List(receipts...)},
	}
	if m.handedOver {
		fields = append(fields, ipld.Entry{Key: "handedOver", Value: ipld.Bool(true)})
	}
	if len(m.absent) > 0 {
		absent := make([]ipld.Value, len(m.absent))
		for i, l := range m.absent {
			absent[i] = ipld.LinkValue(l)
		}
		fields = append(fields, ipld.Entry{Key: "absent", Value: ipld.List(absent...)})
	}
	data, link, err := ipld.Encode(ipld.Map(fields...))
	return ipld.Block{Link: link, Data: data}, err
}

// parseMoved reads what block gave.
func parseMoved(data []byte) (*moved, error) {
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxCarried})
	if err != nil {
		return nil, fmt.Errorf("%w: its root: %w", ErrNotMoved, err)
	}
	bad := func(what string) (*moved, error) { return nil, fmt.Errorf("%w: %s", ErrNotMoved, what) }
	kind, _ := v.Lookup("kind")
	version, _ := v.Lookup("version")
	if s, _ := kind.AsString(); s != movedKind {
		return bad("its root is something else")
	}
	if n, _ := version.AsInt64(); n != movedVersion {
		return bad(fmt.Sprintf("of version %s, and this program reads version %d", version, movedVersion))
	}
	m := &moved{}
	node, _ := v.Lookup("node")
	text, _ := node.AsString()
	if m.node, err = did.Parse(text); err != nil {
		return bad("node: " + err.Error())
	}
	run, _ := v.Lookup("run")
	if m.Submission, err = runs.ParseSubmission(run); err != nil {
		return bad("run: " + err.Error())
	}
	receipts, ok := v.Lookup("receipts")
	if !ok || receipts.Kind() != ipld.KindList {
		return bad("receipts: not a list")
	}
	for _, e := range receipts.Elems() {
		job, _ := e.Lookup("job")
		link, _ := e.Lookup("receipt")
		var r result
		var named, linked bool
		r.job, named = job.AsString()
		if r.receipt, linked = link.AsLink(); !named || !linked || e.Len() != 2 {
			return bad("receipts: not all are {job, receipt}")
		}
		m.results = append(m.results, r)
	}
	handed, _ := v.Lookup("handedOver")
	m.handedOver, _ = handed.AsBool()
	absent, _ := v.Lookup("absent")
	for _, e := range absent.Elems() {
		l, ok := e.AsLink()
		if !ok {
			return bad("absent: not all are links")
		}
		m.absent = append(m.absent, l)
	}
	if again, err := m.block(); err != nil || !bytes.Equal(again.Data, data) {
		return bad("its root has fields that are not known here")
	}
	return m, nil
}
