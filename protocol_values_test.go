package ipvm_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// encodingVector: a value in DAG-JSON → its bytes and link; or hostile bytes →
// refused.
func encodingVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Value json.RawMessage `json:"value"`
		CBOR  string          `json:"cbor"`
	}
	read(t, in, &v)
	if v.CBOR != "" {
		data, err := hex.DecodeString(v.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ipld.DecodeCBOR(data)
		return map[string]bool{"refused": err != nil}
	}
	data, link, err := ipld.Encode(value(t, v.Value))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"cbor": hex.EncodeToString(data), "link": link.String()}
}

// pattern is n bytes: byte i is the low byte of i*167 + (i>>8)*13 + (i>>16)*7.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*167 + (i>>8)*13 + (i>>16)*7)
	}
	return b
}

// linkVector: bytes, text or integers → what stands for them in a task.
func linkVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Pattern int             `json:"pattern"`
		File    string          `json:"file"`
		Ints    int             `json:"integers"` // given to list<u8>
		Text    int             `json:"text"`
		List    bool            `json:"inList"`
		Value   json.RawMessage `json:"value"`
	}
	read(t, in, &v)
	var arg ipld.Value
	switch {
	case v.File != "":
		data, err := os.ReadFile(v.File)
		if err != nil {
			t.Fatal(err)
		}
		arg = ipld.Bytes(data)
	case v.Ints > 0:
		elems := make([]ipld.Value, v.Ints)
		for i, b := range pattern(v.Ints) {
			elems[i] = ipld.Uint(uint64(b))
		}
		canonical, err := (&wit.Type{Kind: wit.List, Elem: &wit.Type{Kind: wit.U8}}).Canonical(ipld.List(elems...))
		if err != nil {
			t.Fatal(err)
		}
		arg = canonical
	case v.Text > 0:
		arg = ipld.String(strings.Repeat("x", v.Text))
	case v.Value != nil:
		arg = value(t, v.Value)
	default:
		arg = ipld.Bytes(pattern(v.Pattern))
	}
	if v.List {
		arg = ipld.List(arg, arg)
	}
	blocks := 0
	got, err := task.Compact(arg, func(ipld.Block) error { blocks++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"blocks": blocks, "same": got.Equal(arg)}
	if !got.Equal(arg) {
		out["value"] = raw(got)
	}
	return out
}

// sizeVector: a value of so many text bytes → whether it stands in a receipt,
// is boxed, or is refused; and arguments likewise.
func sizeVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Encoded int  `json:"encoded"` // size of the value's encoding
		Args    bool `json:"args"`
	}
	read(t, in, &v)
	text := func(n int) ipld.Value { // a string whose encoding is n bytes, for n ≥ 65,541
		return ipld.String(strings.Repeat("x", n-5))
	}
	if v.Args {
		call := task.Call{Module: ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil)), Params: ipld.List()}
		empty, err := ipld.AppendCBOR(nil, call.Pure().Args)
		if err != nil {
			t.Fatal(err)
		}
		call.Params = ipld.List(text(v.Encoded - len(empty)))
		_, err = call.Pure().ID()
		return map[string]bool{"refused": errors.Is(err, task.ErrSize)}
	}
	var val ipld.Value
	if v.Encoded > 65540 {
		val = text(v.Encoded)
	} else {
		val = ipld.String(strings.Repeat("x", v.Encoded-3)) // two-byte length
	}
	out, block, err := receipt.Box(val)
	if err != nil {
		return map[string]bool{"refused": errors.Is(err, task.ErrSize)}
	}
	got := map[string]any{"boxed": block != nil}
	if block != nil {
		got["link"] = out.String()
	}
	return got
}

// receiptVector: what a receipt says, and the key that signs → its bytes.
func randomVector(t testing.TB, in json.RawMessage) any {
	var v struct{ Task string }
	read(t, in, &v)
	link, err := ipld.ParseLink(v.Task)
	if err != nil {
		t.Fatal(err)
	}
	seed := task.ID{Link: link}.Seed()
	host, err := wasi.New(wasi.Config{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	get, _ := wasi.Preview1("wasi_snapshot_preview1", "random_get")
	mem := make([]byte, 48)
	if errno, err := get.Call(host, mem, []uint64{0, uint64(len(mem))}); errno != 0 || err != nil {
		t.Fatal(errno, err)
	}
	return map[string]string{"seed": hex.EncodeToString(seed[:]), "first": hex.EncodeToString(mem)}
}
