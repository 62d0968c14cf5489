package rpc

import (
	"slices"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/task"
)

// TestQuarantine lists and releases what ended the process of a node.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	first, last := time.Unix(1, 2).UTC(), time.Unix(3, 4).UTC()
	for i, who := range []did.DID{"", "did:key:somebody"} {
		s := quarantine.Subject{Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{byte(i)})}, Module: ipld.LinkOf(ipld.CodecRaw, []byte("module")), Func: "f", For: who}
		data, err := ipld.AppendCBOR(nil, (&quarantine.Record{Subject: s, Strikes: 2, How: "SIGABRT", First: first, Last: last}).Value())
		if err != nil {
			t.Fatal(err)
		}
		if err := n.store.PutNote("quarantine", string(data[:4])+string(who), data); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if n.quarantine, err = quarantine.Open(ctx, quarantine.Config{Store: n.store}); err != nil {
		t.Fatal(err)
	}
	all, err := c.Quarantined(ctx)
	if err != nil || !slices.Equal(all, n.quarantine.All()) || len(all) != 2 || !all[0].Refused || all[0].Last != last {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, want := range []int{2, 0} {
		if got, err := c.Release(ctx, all[0].Module); got != want || err != nil {
			t.Errorf("released %d, want %d: %v", got, want, err)
		}
	}
}
