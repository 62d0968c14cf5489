package authority_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestParseOffer(t *testing.T) {
	t.Parallel()
	usual := authority.OfferOf(1000)
	o, err := authority.ParseOffer("1000")
	must(t, err)
	if o != usual || o.Day != 100_000 {
		t.Errorf("%+v", o)
	}
	o, err = authority.ParseOffer("5, day=7,memory=64MiB,time=10s,disk=1 GiB,strangers=3")
	must(t, err)
	if diff := cmp.Diff(authority.Offer{Gas: 5, Day: 7, Memory: 64 << 20, Time: 10 * time.Second, Disk: 1 << 30, Strangers: 3}, o); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "0", "-1", "x", "1,", "1,day", "1,day=x", "1,time=0s", "1,time=5", "1,disk=x", "1,strangers=0", "1,strangers=33", "1,more=1", "1,day=1,day=2"} {
		if _, err := authority.ParseOffer(bad); err == nil {
			t.Errorf("%q is an offer", bad)
		}
	}
	if o := authority.OfferOf(1 << 60); o.Day < o.Gas {
		t.Errorf("%+v", o)
	}
}

// turnedAway checks that err is a refusal that says why.
func turnedAway(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, expected a refusal that says %q", err, text)
	}
}

// Strangers get what is offered, each for themselves, and no more.
func TestOffer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.friend.DID(), r.Key.DID()
	turnedAway(t, r.guard.JudgeVisit(a, r.job(t, 1), 0), "nothing is offered")
	turnedAway(t, r.guard.Keep(a, 0, 1), "nothing is offered")
	offer := authority.Offer{Gas: 1000, Day: 1500, Memory: 64 << 20, Time: 30 * time.Second, Disk: 100, Strangers: 2}
	r.guard.Offer(offer)
	must(t, r.guard.JudgeVisit(a, r.job(t, 1000), 0))
	turnedAway(t, r.guard.JudgeVisit(a, r.job(t, 1001), 0), "asked: 1001 gas; offered to strangers: 1000")
	turnedAway(t, r.guard.JudgeVisit(a, r.document(t, "job: {with: GUEST, func: next, args: [1], gas: 1, memory: 128MiB}\n"), 0), "bytes of memory; offered to strangers: 67108864")
	turnedAway(t, r.guard.JudgeVisit(a, r.document(t, "job: {with: GUEST, func: next, args: [1], gas: 1, time: 31s}\n"), 0), "asked: 31s of computing; offered to strangers: 30s")

	first, err := r.guard.Welcome(a, r.job(t, 1000), 0)
	must(t, err)
	turnedAway(t, r.guard.JudgeVisit(a, r.job(t, 501), 0), "asked: 501 gas; used or set aside today: 1000; offered to a stranger within a day: 1500")
	must(t, r.guard.JudgeVisit(b, r.job(t, 1000), 0))
	first.Allow(ipld.Link{}, "next")
	must(t, first.End(&engine.Report{Status: engine.StatusOK, Gas: 100}))
	must(t, r.guard.JudgeVisit(a, r.job(t, 1000), 0))

	// It is known when the node is started anew, where what broke off counts in full.
	_, err = r.guard.Welcome(a, r.job(t, 1000), 0)
	must(t, err)
	r.open(t)
	r.guard.Offer(offer)
	turnedAway(t, r.guard.JudgeVisit(a, r.job(t, 401), 0), "used or set aside today: 1100")
	must(t, r.guard.JudgeVisit(a, r.job(t, 400), 0))
	r.now = r.now.Add(24 * time.Hour)
	must(t, r.guard.JudgeVisit(a, r.job(t, 1000), 0))
}

// What is kept for a stranger is counted, whatever day it is.
func TestOfferDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	offer := authority.Offer{Gas: 1000, Day: 1000, Memory: 64 << 20, Time: time.Minute, Disk: 100, Strangers: 2}
	r.guard.Offer(offer)
	a := r.friend.DID()
	must(t, r.guard.Keep(a, 0, 60))
	turnedAway(t, r.guard.Keep(a, 0, 41), "60 bytes are kept for this stranger, and 41 more are asked for; offered: 100")
	turnedAway(t, r.guard.Keep(a, 30, 11), "90 bytes are kept")
	must(t, r.guard.JudgeVisit(a, r.job(t, 1), 39))
	turnedAway(t, r.guard.JudgeVisit(a, r.job(t, 1), 40), "100 bytes are kept")
	r.open(t)
	r.guard.Offer(offer)
	r.now = r.now.Add(24 * time.Hour)
	turnedAway(t, r.guard.Keep(a, 0, 41), "60 bytes are kept")
	must(t, r.guard.Keep(a, 0, 40))
}

// There are no more strangers than the node takes; who has not come for long makes
// room.
func TestOfferStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.guard.Offer(authority.Offer{Gas: 1000, Day: 1000, Memory: 64 << 20, Time: time.Minute, Disk: 100, Strangers: 2})
	who := func(i int) did.DID { return did.DID(fmt.Sprintf("did:key:stranger%d", i)) }
	must(t, r.guard.Keep(who(1), 0, 1))
	r.now = r.now.Add(10 * 24 * time.Hour)
	must(t, r.guard.Keep(who(2), 0, 1))
	turnedAway(t, r.guard.Keep(who(3), 0, 1), "as many strangers as it takes: 2")
	must(t, r.guard.Keep(who(1), 0, 1))
	r.now = r.now.Add(25 * 24 * time.Hour)
	turnedAway(t, r.guard.Keep(who(3), 0, 1), "as many strangers")
	r.now = r.now.Add(6 * 24 * time.Hour)
	must(t, r.guard.Keep(who(3), 0, 1))
	for _, odd := range []string{"x", "\x01", "\x83\x01\x01\x20", "\x82\x01\x01"} {
		must(t, r.Store.PutNote("stranger", "k", []byte(odd)))
		if _, err := authority.New(authority.Config{Node: r.Key.DID(), Store: r.Store}); err == nil {
			t.Errorf("%x is a stranger", odd)
		}
	}
}
