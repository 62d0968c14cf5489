package ipvm_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// TestUCANTaskID checks the Task ID vectors of UCAN Invocation 1.0.
func TestUCANTaskID(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/protocol/ucan-task-id.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var v struct{ Name, CBORHex, CID, CID58 string }
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		block, err := hex.DecodeString(v.CBORHex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := task.Parse(block)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		id, err := got.ID()
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if id.String() != v.CID || id.Base58() != v.CID58 {
			t.Errorf("%s: Task ID %s, want %s", v.Name, id, v.CID)
		}
	}
	if n != 3 {
		t.Errorf("%d vectors, want 3", n)
	}
}

// authorityVector: an invocation with its proofs and what was revoked, at a
// time and an executor → authorised; or which of them is malformed; or denied,
// why and by which proof, counted from 0 (−1 is the invocation).
// judgedVector: a policy and what agents said of a task, asked for under 1,000
// gas and 64 MiB → what that comes to. Agent "a" has the Ed25519 key whose seed is
// 32 times the letter a, and so on.
func judgedVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Strategy, Agents string
		Threshold        int
		Said             []struct {
			By          string
			Value       int64
			Gas, Memory uint64
		}
	}
	read(t, in, &v)
	names := map[did.DID]string{}
	key := func(name string) did.PrivateKey {
		k, err := did.ParseMultibase("M" + base64.StdEncoding.EncodeToString([]byte("\x80\x26"+strings.Repeat(name, 32))))
		if err != nil {
			t.Fatal(err)
		}
		names[k.DID()] = name
		return k
	}
	p := receipt.Policy{Strategy: v.Strategy, Threshold: v.Threshold}
	for _, name := range v.Agents {
		p.Agents = append(p.Agents, key(string(name)).DID())
	}
	id := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xf6})}
	var e receipt.Evidence
	for _, said := range v.Said {
		signed, err := receipt.Issue(key(said.By), receipt.Receipt{
			Task: id, Out: task.Outcome{Value: ipld.Int(said.Value)}, Gas: said.Gas,
			Limits: task.Limits{Gas: 1 << 40, Memory: receipt.RoundMemory(said.Memory)}, Schedule: "s",
		})
		if err != nil {
			t.Fatal(err)
		}
		e = append(e, signed)
	}
	called := func(all []did.DID) string {
		var out []string
		for _, d := range all {
			out = append(out, names[d])
		}
		slices.Sort(out)
		return strings.Join(out, "")
	}
	j := receipt.Judge(p, receipt.Question{Task: id, Limits: task.Limits{Gas: 1000, Memory: 64 << 20}, Schedule: "s"}, e)
	out := map[string]any{"verdict": j.Verdict.String()}
	switch j.Verdict {
	case receipt.Accepted:
		out["value"], out["by"] = raw(j.Claims[0].Receipts[0].Out.Value), called(j.Claims[0].By)
	case receipt.Pending:
		out["need"], out["from"] = j.Need, called(j.From)
	}
	var liars []did.DID
	for _, c := range j.Equivocations {
		liars = append(liars, c.A.Executor)
	}
	if liars != nil {
		out["equivocating"] = called(liars)
	}
	return out
}

func authorityVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Executor    did.DID  `json:"executor"`
		Time        int64    `json:"time"`
		Invocation  []byte   `json:"invocation"`
		Proofs      [][]byte `json:"proofs"`
		Revocations [][]byte `json:"revocations"`
	}
	read(t, in, &v)
	inv, err := ucan.ParseInvocation(v.Invocation)
	if err != nil {
		return malformedVector(t, err, "invocation")
	}
	var proofs ucan.Container
	for i, data := range v.Proofs {
		proof, err := ucan.ParseDelegation(data)
		if err != nil {
			return malformedVector(t, err, fmt.Sprintf("proof %d", i))
		}
		proofs.Delegations = append(proofs.Delegations, proof)
	}
	var revoked ucan.Revocations
	moment := ucan.Moment{Now: time.Unix(v.Time, 0), Revoked: revoked.Revoked}
	for _, data := range v.Revocations {
		token, err := ucan.ParseInvocation(data)
		if err != nil {
			t.Fatal(err)
		}
		revocation, err := ucan.ReadRevocation(token, ucan.Facts{Moment: moment})
		if err != nil {
			t.Fatal(err)
		}
		if err := revoked.Add(revocation); err != nil {
			t.Fatal(err)
		}
	}
	_, err = ucan.Authorize(inv, ucan.Facts{Moment: moment, Executor: v.Executor, Proofs: proofs.Proof})
	var denied *ucan.Denied
	switch {
	case err == nil:
		return map[string]bool{"authorised": true}
	case !errors.As(err, &denied):
		t.Fatal(err)
	}
	return struct {
		Denied ucan.Reason `json:"denied"`
		Proof  int         `json:"proof"`
	}{denied.Reason, denied.Proof}
}

func malformedVector(t testing.TB, err error, what string) any {
	t.Helper()
	if !errors.Is(err, ucan.ErrMalformed) {
		t.Fatal(err)
	}
	return map[string]string{"malformed": what}
}

// containerVector: a container → the links of its tokens; or malformed.
func containerVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Container []byte `json:"container"`
	}
	read(t, in, &v)
	c, err := ucan.ReadContainer(v.Container, nil)
	if err != nil {
		return malformedVector(t, err, "container")
	}
	links := []string{}
	for _, token := range c.Invocations {
		links = append(links, token.Link().String())
	}
	for _, token := range c.Delegations {
		links = append(links, token.Link().String())
	}
	slices.Sort(links)
	return map[string][]string{"tokens": links}
}
