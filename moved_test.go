package ipvm

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// moves are roots of exported runs.
func moves() []moved {
	link := ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xa0})
	raw := ipld.LinkOf(ipld.CodecRaw, []byte("input"))
	run := runs.Run{ID: runs.ID{Workflow: link}, State: runs.Suspended, Attempt: 3, Jobs: 7, Accepted: time.Unix(1_700_000_000, 5).UTC()}
	guest := run
	guest.For, guest.KeepGoing = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", true
	node := guest.For
	return []moved{
		{Submission: runs.Submission{Run: run}, node: node},
		{Submission: runs.Submission{Run: guest, Authority: []byte("container"), Instructions: map[string]ipld.Link{"a": raw}, Brings: []ipld.Link{raw}}, node: node, handedOver: true},
		{Submission: runs.Submission{Run: run}, node: node, results: []result{{job: "a", receipt: link}, {job: "b", receipt: link}}, absent: []ipld.Link{raw}},
	}
}

// FuzzMoved: the root of an exported run is refused, or it is written again as the
// same bytes.
func FuzzMoved(f *testing.F) {
	for _, m := range moves() {
		b, err := m.block()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.Data)
		f.Add(b.Data[:len(b.Data)-1])
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMoved(data)
		if err != nil {
			if !errors.Is(err, ErrNotMoved) {
				t.Error(err)
			}
			return
		}
		if b, err := m.block(); err != nil || !bytes.Equal(b.Data, data) {
			t.Errorf("%x became %x, %v", data, b.Data, err)
		}
	})
}

// TestMoved: a root is read as it was written, and what else there may be is refused.
func TestMoved(t *testing.T) {
	t.Parallel()
	with := func(b ipld.Block, key string, v ipld.Value) []byte {
		t.Helper()
		root, err := ipld.DecodeCBOR(b.Data)
		if err != nil {
			t.Fatal(err)
		}
		var fields []ipld.Entry
		for _, e := range root.Entries() {
			if e.Key != key {
				fields = append(fields, e)
			}
		}
		data, err := ipld.AppendCBOR(nil, ipld.Map(append(fields, ipld.Entry{Key: key, Value: v})...))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for i, want := range moves() {
		b, err := want.block()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseMoved(b.Data)
		if err != nil || got.For != want.For || got.Workflow != want.Workflow || got.Accepted != want.Accepted || got.handedOver != want.handedOver ||
			len(got.results) != len(want.results) || len(got.absent) != len(want.absent) || string(got.Authority) != string(want.Authority) {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
		for _, bad := range []struct {
			key  string
			v    ipld.Value
			want string
		}{
			{"version", ipld.Int(2), "of version 2, and this program reads version 1"},
			{"kind", ipld.String("other"), "its root is something else"},
			{"node", ipld.String("me"), "node: "},
			{"run", ipld.Map(), "run: "},
			{"receipts", ipld.Null, "receipts: not a list"},
			{"receipts", ipld.List(ipld.Int(1)), "receipts: not all"},
			{"more", ipld.Null, "fields that are not known"},
			{"handedOver", ipld.Bool(false), "fields that are not known"},
			{"absent", ipld.List(ipld.Int(1)), "absent: not all are links"},
		} {
			if _, err := parseMoved(with(b, bad.key, bad.v)); !errors.Is(err, ErrNotMoved) || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%d: %s %s: %v", i, bad.key, bad.v, err)
			}
		}
	}
}
