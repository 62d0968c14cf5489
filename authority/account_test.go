package authority_test

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// lend is a grant of at most gas to all workflows together.
func (r *rig) lend(t *testing.T, gas uint64) *ucan.SignedDelegation {
	t.Helper()
	d, err := ucan.Delegate(r.Key, ucan.Grant{Audience: r.friend.DID(), Command: grant.RunCommand, Meta: grant.Bounds{Gas: gas}.Meta(), Expires: r.now.Add(10 * time.Minute)}, r.now)
	must(t, err)
	return d
}

// job is a workflow that asks for so much gas.
func (r *rig) job(t *testing.T, gas uint64) *graph.Graph {
	t.Helper()
	return r.document(t, fmt.Sprintf("job: {with: GUEST, func: next, args: [1], gas: %d}\n", gas))
}

// asks tells how a workflow for so much gas fares under the proofs.
func (r *rig) asks(t *testing.T, gas uint64, proofs ...*ucan.SignedDelegation) (*authority.Permit, error) {
	t.Helper()
	g := r.job(t, gas)
	return r.guard.Accept(r.sign(t, g, proofs...), g)
}

// refused checks that err says how much was asked, used and granted.
func refused(t *testing.T, err error, asked, used, granted int) {
	t.Helper()
	want := fmt.Sprintf("asked: %d gas; used or set aside: %d; granted: %d to all workflows together", asked, used, granted)
	if !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want one that says %q", err, want)
	}
}

// All workflows together get what was granted, whatever each asks for; what one
// may use is set aside while it runs, and what it did not use is free again.
func TestTotal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lent := r.lend(t, 1000)
	_, err := r.asks(t, 1001, lent)
	refused(t, err, 1001, 0, 1000)
	first, err := r.asks(t, 400, lent)
	must(t, err)
	_, err = r.asks(t, 600, lent)
	must(t, err)
	_, err = r.asks(t, 1, lent)
	refused(t, err, 1, 1000, 1000)
	if _, err := r.asks(t, 1000, r.lend(t, 1000)); err != nil {
		t.Errorf("by another delegation: %v", err)
	}
	first.Allow(ipld.LinkOf(ipld.CodecRaw, nil), "next")
	must(t, first.End(&engine.Report{Status: engine.StatusFailed, Gas: 100}))
	r.open(t) // the second one broke off: all that it could use counts
	_, err = r.asks(t, 400, lent)
	refused(t, err, 400, 700, 1000)
}

// A workflow that was refused for want of gas may be presented again when some is
// free.
func TestTotalAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lent := r.lend(t, 1000)
	first, err := r.asks(t, 600, lent)
	must(t, err)
	g := r.job(t, 500)
	signed := r.sign(t, g, lent)
	_, err = r.guard.Accept(signed, g)
	refused(t, err, 500, 600, 1000)
	must(t, first.End(nil)) // no task had begun
	_, err = r.guard.Accept(signed, g)
	must(t, err)
}

// What a run truly used counts, that of handlers too, and what is remembered costs
// nothing.
func TestTotalOfARun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wat, err := os.ReadFile("../engine/testdata/handler.wat")
	must(t, err)
	handler := fmt.Sprintf(`{"/": %q}`, r.ImportShared(t, wasmtest.Compile(t, string(wat))))
	run := func(text string, lent *ucan.SignedDelegation) *engine.Report {
		g := r.document(t, text)
		permit, err := r.guard.Accept(r.sign(t, g, lent), g)
		must(t, err)
		report, err := r.Run(t.Context(), g, engine.Options{Permit: permit})
		must(t, err)
		must(t, permit.End(report))
		return report
	}
	for name, test := range map[string]struct {
		text string
		used func(own uint64) bool
	}{
		"well":    {"job: {with: GUEST, func: next, args: [1], gas: 1000}\n", func(own uint64) bool { return own == 4 }},
		"out":     {"job: {with: GUEST, func: spin, args: [1000000], gas: 1000}\n", func(own uint64) bool { return own == 1000 }},
		"handled": {"job: {with: GUEST, func: fail, args: [1], gas: 1000, catch: {with: " + handler + ", func: ok}}\n", func(own uint64) bool { return own > 8 }},
		"again":   {"job: {with: GUEST, func: next, args: [1], gas: 1000}\n", func(own uint64) bool { return own == 0 }},
	} {
		if name == "again" {
			run(test.text, r.lend(t, 5000))
		} else {
			r.friend, err = did.Generate(did.Ed25519) // who has run nothing here
			must(t, err)
		}
		lent := r.lend(t, 5000)
		report := run(test.text, lent)
		used := report.Gas
		if !test.used(used) {
			t.Errorf("%s: the workflow used %d: %+v", name, used, report.Jobs[0])
		}
		r.open(t)
		_, err = r.asks(t, 5000-used+1, lent)
		refused(t, err, int(5000-used+1), int(used), 5000)
		_, err = r.asks(t, 5000-used, lent)
		must(t, err)
	}
}

// Who passes a part on bounds that part, and no part goes beyond the whole.
func TestTotalOfAPart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	middle, err := did.Generate(did.P256)
	must(t, err)
	whole := grant.Bounds{Gas: 1000}
	root, err := ucan.Delegate(r.Key, ucan.Grant{Audience: middle.DID(), Command: grant.RunCommand, Meta: whole.Meta()}, r.now)
	must(t, err)
	part := func(gas uint64) *ucan.SignedDelegation {
		d, err := ucan.Delegate(middle, ucan.Grant{Subject: r.Key.DID(), Audience: r.friend.DID(), Command: grant.RunCommand, Meta: grant.Bounds{Gas: gas}.Meta()}, r.now)
		must(t, err)
		return d
	}
	small := part(300)
	_, err = r.asks(t, 300, root, small)
	must(t, err)
	_, err = r.asks(t, 1, root, small)
	refused(t, err, 1, 300, 300)
	_, err = r.asks(t, 1, root, twin(t, small)) // the same with another CID
	refused(t, err, 1, 300, 300)
	_, err = r.asks(t, 800, root, part(900))
	refused(t, err, 800, 300, 1000)
	_, err = r.asks(t, 700, root, part(900))
	must(t, err)
}

// twin is d with the other form of its signature, which anybody can make.
func twin(t *testing.T, d *ucan.SignedDelegation) *ucan.SignedDelegation {
	t.Helper()
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	data := append([]byte(nil), d.Bytes()...)
	half := data[3+32 : 3+64]
	n := new(big.Int).SetBytes(half)
	n.Sub(order, n).FillBytes(half)
	other, err := ucan.ParseDelegation(data)
	must(t, err)
	if other.Link() == d.Link() {
		t.Fatal("it has the same CID")
	}
	return other
}

// However many come at once, no more is given than there is.
func TestTotalAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lent := r.lend(t, 1000)
	g := r.job(t, 100)
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		signed := r.sign(t, g, lent)
		all.Go(func() {
			if _, err := r.guard.Accept(signed, g); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 10 {
		t.Errorf("%d times 100 of 1000 gas were given", n)
	}
}

// A total that is not understood may be less than anything.
func TestTotalUnknown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, total := range []ipld.Value{
		ipld.Null, ipld.Uint(1000), ipld.Map(), ipld.Map(ipld.Entry{Key: "gas", Value: ipld.Float(1)}),
		ipld.Map(ipld.Entry{Key: "gas", Value: ipld.Uint(1000)}, ipld.Entry{Key: "tasks", Value: ipld.Uint(1)}),
	} {
		d, err := ucan.Delegate(r.Key, ucan.Grant{Audience: r.friend.DID(), Command: grant.RunCommand, Meta: ipld.Map(ipld.Entry{Key: grant.TotalKey, Value: total})}, r.now)
		must(t, err)
		if _, err := r.asks(t, 1, d); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "ipvm/total is not {gas: number}") {
			t.Errorf("%s: %v", total, err)
		}
	}
}

// Accounts of delegations that have expired are forgotten, and what is kept in
// another form stops the node: it would grant what was used already.
func TestAccountsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.asks(t, 1, r.lend(t, 1000))
	must(t, err)
	kept := func() (n int) {
		must(t, r.Store.Notes("account", func(store.Note) bool { n++; return true }))
		return n
	}
	r.now = r.now.Add(10*time.Minute + authority.MaxSkew)
	r.open(t)
	if n := kept(); n != 1 {
		t.Errorf("%d accounts of a delegation that some node may still take", n)
	}
	r.now = r.now.Add(time.Second)
	r.open(t)
	if n := kept(); n != 0 {
		t.Errorf("%d accounts of a delegation that is past", n)
	}
	for _, odd := range []string{"", "x", "\xa1dused\x01", "\xa2dused\x20euntil\x01", "\xa2dused\x01euntil\x61x"} {
		must(t, r.Store.PutNote("account", strings.Repeat("k", 32), []byte(odd)))
		if _, err := authority.New(authority.Config{Node: r.Key.DID(), Store: r.Store}); err == nil {
			t.Errorf("%x is an account", odd)
		}
	}
}

// Judging says what accepting would, and takes nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lent := r.lend(t, 1000)
	g := r.job(t, 600)
	signed := r.sign(t, g, lent)
	for range 2 {
		permit, err := r.guard.Judge(signed, g)
		if err != nil || permit.Issuer() != r.friend.DID() {
			t.Fatalf("%+v, %v", permit, err)
		}
	}
	_, err := r.guard.Accept(signed, g)
	must(t, err)
	var performed *authority.Performed
	if _, err := r.guard.Judge(signed, g); !errors.As(err, &performed) || performed.Running == nil {
		t.Errorf("while it runs: %v", err)
	}
	_, err = r.guard.Judge(r.sign(t, g, lent), g)
	refused(t, err, 600, 600, 1000)
}
