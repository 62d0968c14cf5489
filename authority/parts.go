package authority

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// partsKey is where the meta of an invocation has the parts of the workflow.
const partsKey = "ipvm/parts"

// maxParts bounds the jobs of a workflow whose parts are told one by one.
const maxParts = 1000

// partHash is how many bytes tell a part. They prove nothing, as the CID of the
// workflow does; they only help to say what was changed.
const partHash = 8

// parts are the parts of a workflow, each by a short hash: its jobs by label, and
// under "" the rest. There are none of a workflow with very many jobs.
func parts(g *graph.Graph) (map[string]string, error) {
	if g.Len() > maxParts {
		return nil, nil
	}
	v, err := ipld.DecodeCBOR(g.Normal().Data)
	if err != nil {
		return nil, err
	}
	header, _ := v.Lookup("ipvm/workflow")
	all := make(map[string]string, g.Len()+1)
	var rest []ipld.Entry
	for _, e := range header.Entries() {
		if e.Key != "jobs" {
			rest = append(rest, e)
			continue
		}
		for _, job := range e.Value.Entries() {
			if all[job.Key], err = shortHash(job.Value); err != nil {
				return nil, err
			}
		}
	}
	all[""], err = shortHash(ipld.Map(rest...))
	return all, err
}

func shortHash(v ipld.Value) (string, error) {
	data, err := ipld.AppendCBOR(nil, v)
	hash := sha256.Sum256(data)
	return string(hash[:partHash]), err
}

// partsMeta is parts as the meta of an invocation.
func partsMeta(g *graph.Graph) (ipld.Value, error) {
	all, err := parts(g)
	if all == nil || err != nil {
		return ipld.Null, err
	}
	entries := make([]ipld.Entry, 0, len(all))
	for label, hash := range all {
		entries = append(entries, ipld.Entry{Key: label, Value: ipld.Bytes([]byte(hash))})
	}
	return ipld.Map(ipld.Entry{Key: partsKey, Value: ipld.Map(entries...)}), nil
}

// Changed says which parts of g are not those that the meta of the invocation tells of
// with which a workflow was signed; empty where it does not show.
func Changed(meta ipld.Value, g *graph.Graph) string {
	signed, ok := meta.Lookup(partsKey)
	now, err := parts(g)
	if !ok || now == nil || err != nil || signed.Kind() != ipld.KindMap {
		return ""
	}
	var said []string
	say := func(format string, label string) {
		if len(said) < 10 {
			said = append(said, fmt.Sprintf(format, label))
		}
	}
	for i := range g.Len() {
		label := g.Label(i)
		was, ok := signed.Lookup(label)
		switch hash, _ := was.AsBytes(); {
		case !ok:
			say("the job %q was added", label)
		case hash != now[label]:
			say("the job %q was changed", label)
		}
	}
	for _, e := range signed.Entries() {
		if _, ok := now[e.Key]; !ok {
			say("the job %.100q was taken out", e.Key)
		}
	}
	if rest, _ := signed.Lookup(""); len(said) < 10 {
		if hash, _ := rest.AsBytes(); hash != now[""] {
			said = append(said, "what stands beside the jobs was changed")
		}
	}
	return strings.Join(said, ", ")
}
