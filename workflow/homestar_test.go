package workflow

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// known are identifiers that the peers of the dialect gave these documents.
var known = map[string]struct {
	workflow     string
	instructions []string
}{
	"head/test-workflow-add-one.json": {
		"bafyrmialnbzgwscjrq7sa3kdnw2roqdrdzp7xh2tvmo37qmgvarwrhcgre",
		[]string{"bafyrmihmxmsbt4n3g6dzmj7rho34mzfbaoqqbsfcq7etsogslqftbyj7du", "bafyrmigtptkfraoegchxtzn74hskd5vojaxhlqmqldlx5blvpngefa4kai"},
	},
	"head/test-workflow-add-one-nonced.json":   {"bafyrmibajjtwrcqrntnvp5fgkim6mbbsh6ykkdy3eijq2ycdjhlisxxx3i", nil},
	"head/test-workflow-image-pipeline.json":   {"bafyrmiatb7idqtty56hy3hrfa6ur6qkspyrhaf6n6ynmqsntjvym47mbrq", nil},
	"v0.3.0/test-workflow-add-one.json":        {"bafyrmidbhanzivykbzxfichwvpvywhkthd6wycmwlaha46z3lk5v3ilo5q", nil},
	"v0.3.0/test-workflow-add-one-nonced.json": {"", []string{"bafyrmig5x46c6nzk74adlo6ffwo4bi7fr42jkv54zqa5kzazfirb47ninm", "bafyrmiaa2pbgwydezutitiqq6j6qd73o3gqpeycp4g6dxnx466xdxjfnvq"}},
}

func TestHomestarIdentifiers(t *testing.T) {
	t.Parallel()
	for name, want := range known {
		w, err := Parse(source(t, filepath.Join("testdata/homestar", name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := w.Origin.Workflow.String(); want.workflow != "" && got != want.workflow {
			t.Errorf("%s: workflow %s, want %s", name, got, want.workflow)
		}
		for i, id := range want.instructions {
			if got := w.Jobs[i].Instruction.String(); got != id {
				t.Errorf("%s: instruction %d is %s, want %s", name, i, got, id)
			}
		}
	}
}

// The receipts of the peers name the task as ran: their known CIDs prove
// Job.Ran.
func TestHomestarRan(t *testing.T) {
	t.Parallel()
	w, err := Parse(source(t, "testdata/homestar/v0.3.0/test-workflow-add-one.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bafyrmifcyuxc2zdf5kw3b7ad3jju76je4q3zw5rem3ag4z5he2z7ipzjje", "bafyrmiaus6dzibeo3evqq75r4ty5qim5iteqplxmvp6t7sac7jcikkibaa"}
	for i, j := range w.Jobs {
		receipt := ipld.Map(
			ipld.Entry{Key: "ran", Value: ipld.LinkValue(j.Ran)},
			ipld.Entry{Key: "out", Value: ipld.List(ipld.String("ok"), ipld.Int(int64(i)+2))},
			ipld.Entry{Key: "meta", Value: ipld.Map(ipld.Entry{Key: "op", Value: ipld.String(j.Call.Func)})},
			ipld.Entry{Key: "iss", Value: ipld.Null},
			ipld.Entry{Key: "prf", Value: ipld.List()},
		)
		block, err := ipld.AppendCBOR(nil, receipt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ipld.LinkWithHash(ipld.CodecDagCBOR, hashSHA3, block)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want[i] {
			t.Errorf("receipt %d is %s, want %s", i, got, want[i])
		}
	}
}

// A promise of an instruction that the document does not have is one of a task of
// another workflow.
func TestHomestarOutsidePromises(t *testing.T) {
	t.Parallel()
	for name, cid := range map[string]string{
		"head/test-workflow-add-one-part-two.json":   "bafyrmigpfy6vvnfmv2wpsnpjmrn6iurejcjhz2doqdl6cfext27etqvi54",
		"v0.3.0/test-workflow-add-one-part-two.json": "bafyrmigpfy6vvnfmv2wpsnpjmrn6iurejcjhz2doqdl6cfext27etqvi54",
		"head/test-workflow-jco.json":                "bafyrmigltroc4nrdaskjselusvfcuooc52k2rl7nmrf72edbauyptmx5bq",
		"v0.3.0/test-workflow-jco.json":              "bafyrmigltroc4nrdaskjselusvfcuooc52k2rl7nmrf72edbauyptmx5bq",
	} {
		w, err := Parse(source(t, filepath.Join("testdata/homestar", name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var outside []string
		for _, j := range w.Jobs {
			for _, e := range j.Outside {
				outside = append(outside, e.Promise.Task.String())
			}
		}
		if !slices.Equal(outside, []string{cid}) {
			t.Errorf("%s: awaits %v of other workflows, want %s", name, outside, cid)
		}
	}
}

// The same document in DAG-CBOR has the same identifiers.
func TestHomestarCBOR(t *testing.T) {
	t.Parallel()
	for _, path := range corpus(t, "homestar/*/*") {
		src := source(t, path)
		fromJSON, errJSON := Parse(src)
		src.Data, src.Format = asCBOR(t, path), CBOR
		fromCBOR, errCBOR := Parse(src)
		if (errJSON == nil) != (errCBOR == nil) {
			t.Errorf("%s: JSON %v, CBOR %v", path, errJSON, errCBOR)
			continue
		}
		if errJSON != nil {
			continue
		}
		if fromJSON.Origin != fromCBOR.Origin {
			t.Errorf("%s: JSON %v, CBOR %v", path, fromJSON.Origin, fromCBOR.Origin)
		}
		for i := range fromJSON.Jobs {
			a, b := fromJSON.Jobs[i], fromCBOR.Jobs[i]
			if a.Instruction != b.Instruction || a.Ran != b.Ran || a.Limits != b.Limits || !a.Call.Params.Equal(b.Call.Params) {
				t.Errorf("%s: job %d: JSON %v, CBOR %v", path, i, a, b)
			}
		}
	}
}

// asCBOR is a document as DAG-CBOR. Text that is no document, or has no
// encoding, is empty.
func asCBOR(t testing.TB, path string) []byte {
	t.Helper()
	r := reader{src: source(t, path)}
	r.src.MaxBytes = MaxBytes
	root := r.tree()
	if root == nil {
		return nil
	}
	r.settle(root)
	data, err := ipld.AppendCBOR(nil, r.legacyData(root))
	if err != nil {
		return nil
	}
	return data
}
