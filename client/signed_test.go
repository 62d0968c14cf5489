package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// lending is a node, its owner's key, and a friend who may have workflows run there.
type lending struct {
	url         string
	key, friend did.PrivateKey
	grant       *ucan.SignedDelegation
}

func lend(t *testing.T) lending {
	t.Helper()
	dir := t.TempDir()
	node, service := start(t, dir)
	t.Cleanup(func() {
		must(t, service.Close())
		must(t, node.Close())
	})
	key, err := did.ReadKeyFile(filepath.Join(dir, ipvm.KeyFile))
	must(t, err)
	friend, err := did.Generate(did.P256)
	must(t, err)
	l := lending{url: "http://" + service.Addr(), key: key, friend: friend}
	l.grant = l.delegate(t, "/ipvm/run")
	return l
}

// delegate lets the friend use a command on the node.
func (l lending) delegate(t *testing.T, command string) *ucan.SignedDelegation {
	t.Helper()
	d, err := ucan.Delegate(l.key, ucan.Grant{Audience: l.friend.DID(), Command: command}, time.Now())
	must(t, err)
	return d
}

// as opens the node as somebody who signs.
func (l lending) as(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.Patience = soon
	c, err := client.Open(t.Context(), l.url, o)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// submit submits a workflow that the friend has signed.
func (l lending) submit(t *testing.T, c *client.Client, module ipld.Link) client.Run {
	t.Helper()
	w, err := workflow.Parse(workflow.Source{Data: sum(module, 1).Data})
	must(t, err)
	g, err := graph.Build(w, graph.Options{Owner: l.key.DID()})
	must(t, err)
	signature, err := authority.Request{Node: l.key.DID(), Proofs: []*ucan.SignedDelegation{l.grant}}.Sign(l.friend, g, time.Now())
	must(t, err)
	document, err := authority.Document(g, signature)
	must(t, err)
	run, err := c.Submit(t.Context(), client.Document{Data: document}, client.Submission{})
	must(t, err)
	run, err = c.Wait(t.Context(), run.Workflow)
	must(t, err)
	return run
}

// Who may have workflows run brings what they need, and sees what came of them; to
// all others they do not exist, but for the owner.
func TestSigned(t *testing.T) {
	t.Parallel()
	l := lend(t)
	friend := l.as(t, client.Options{Key: l.friend, Proofs: []*ucan.SignedDelegation{l.grant}})
	module := upload(t, friend, "add-one/add-one.wasm")
	run := l.submit(t, friend, module)
	if run.State != client.OK || run.For != l.friend.DID() {
		t.Errorf("%+v", run)
	}
	jobs, err := friend.Jobs(t.Context(), run.Workflow)
	must(t, err)
	out, _, err := friend.Outcome(t.Context(), &jobs[1])
	must(t, err)
	expect(t, "b", out.Value.String(), "3")
	key, err := did.Generate(did.Ed25519)
	must(t, err)
	owner := l.as(t, client.Options{Key: l.key})
	for name, test := range map[string]struct {
		c     *client.Client
		found bool
	}{
		"nobody":                      {l.as(t, client.Options{}), false},
		"a stranger":                  {l.as(t, client.Options{Key: key}), false},
		"the owner, of its own":       {owner, false},
		"the owner":                   {owner.Of(l.friend.DID()), true},
		"who reads in its name":       {l.as(t, client.Options{Key: l.friend, For: l.key.DID(), Proofs: []*ucan.SignedDelegation{l.delegate(t, request.ReadCommand)}}).Of(l.friend.DID()), true},
		"the friend, without a proof": {l.as(t, client.Options{Key: l.friend}), true},
	} {
		_, err := test.c.Run(t.Context(), run.Workflow)
		if test.found != (err == nil) || err != nil && !errors.Is(err, client.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
		all, err := test.c.Receipts(t.Context(), jobs[1].Task)
		if test.found != (len(all) == 1) || err != nil {
			t.Errorf("%s: %d receipts, %v", name, len(all), err)
		}
		found := test.found || test.c == owner // whose store the blocks are in
		if _, err := test.c.Block(t.Context(), module); found != (err == nil) || err != nil && !errors.Is(err, client.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	for run, err := range owner.Runs(t.Context(), false) {
		must(t, err)
		expect(t, "for", run.For, l.friend.DID())
		n++
	}
	expect(t, "runs that the owner sees", n, 1)
}

// What the signer may not do is denied, under the node's signature.
func TestSignedDenied(t *testing.T) {
	t.Parallel()
	l := lend(t)
	code, err := os.ReadFile("../examples/add-one/add-one.wasm")
	must(t, err)
	stranger, err := did.Generate(did.Ed25519)
	must(t, err)
	for name, do := range map[string]func(context.Context) error{
		"files of a stranger": func(ctx context.Context) error {
			_, err := l.as(t, client.Options{Key: stranger}).Upload(ctx, code)
			return err
		},
		"a workflow that is not signed": func(ctx context.Context) error {
			_, err := l.as(t, client.Options{Key: stranger}).Submit(ctx, sum(ipld.FileLink(code), 1), client.Submission{})
			return err
		},
		"what was only read": func(ctx context.Context) error {
			c := l.as(t, client.Options{Key: l.friend, For: l.key.DID(), Proofs: []*ucan.SignedDelegation{l.delegate(t, request.ReadCommand)}})
			_, err := c.Cancel(ctx, ipld.FileLink(code))
			var denied *ucan.Denied
			if !errors.As(err, &denied) {
				t.Errorf("it was signed all the same: %v", err)
			}
			return client.Denied
		},
	} {
		if err := do(t.Context()); !errors.Is(err, client.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var header string
	replayed := open(t, proxy(t, l.url, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/v1" {
			r.Header.Set("Authorization", header)
		}
		next.ServeHTTP(w, r)
	}))
	sign := func(key did.PrivateKey, method, target string) {
		header, err = request.Signer{Key: key, Node: l.key.DID()}.Sign(request.Of(method, target, nil), time.Now())
		must(t, err)
	}
	link := ipld.FileLink(code)
	const path = "/v1/workflows/"
	sign(l.key, "DELETE", path+link.String())
	_, err = replayed.Cancel(t.Context(), link)
	if !errors.Is(err, client.NotFound) {
		t.Errorf("the first time: %v", err)
	}
	_, err = replayed.Cancel(t.Context(), link)
	var p *client.Problem
	if !errors.As(err, &p) || p.Kind != client.Denied {
		t.Fatalf("again: %v", err)
	}
	denial, err := authority.ParseDenial([]byte(p.Denial))
	must(t, err)
	container, err := request.Container(header)
	must(t, err)
	if !denial.Answers(container) || denial.Node != l.key.DID() {
		t.Errorf("%+v", denial)
	}
}

// A node that offers pure work to strangers lets any key have it, as far as the offer
// goes, and the work of one is not there for another.
func TestOffered(t *testing.T) {
	t.Parallel()
	offer := authority.OfferOf(1000)
	offer.Day, offer.Disk = 2000, 1<<20
	node, service := offering(t, t.TempDir(), &offer)
	t.Cleanup(func() {
		must(t, service.Close())
		must(t, node.Close())
	})
	l := lending{url: "http://" + service.Addr()}
	stranger := func() *client.Client {
		key, err := did.Generate(did.Ed25519)
		must(t, err)
		return l.as(t, client.Options{Key: key})
	}
	one, two := stranger(), stranger()
	module := upload(t, one, "add-one/add-one.wasm")
	job := func(more string) client.Document {
		return client.Document{Data: fmt.Appendf(nil, "a: {with: %s, args: [1], %s}\n", module, more)}
	}
	run, err := one.Submit(t.Context(), job("gas: 900"), client.Submission{})
	must(t, err)
	run, err = one.Wait(t.Context(), run.Workflow)
	must(t, err)
	if run.State != client.OK || run.For == "" {
		t.Errorf("%+v", run)
	}
	for name, test := range map[string]struct {
		do   func() error
		want error
		text string
	}{
		"too much gas": {func() error { _, err := one.Submit(t.Context(), job("gas: 1001"), client.Submission{}); return err }, client.Denied, "asked: 1001 gas; offered to strangers: 1000"},
		"a secret": {func() error {
			_, err := one.Submit(t.Context(), job("gas: 1, secret: true"), client.Submission{})
			return err
		}, client.Denied, "is a secret"},
		"too large a file":  {func() error { _, err := one.Upload(t.Context(), make([]byte, 2<<20)); return err }, client.Denied, "offered: 1048576"},
		"that of another":   {func() error { _, err := two.Run(t.Context(), run.Workflow); return err }, client.NotFound, ""},
		"files of another":  {func() error { _, err := two.Submit(t.Context(), job("gas: 900"), client.Submission{}); return err }, client.Faults, "the module"},
		"resumed when done": {func() error { _, err := one.Resume(t.Context(), run.Workflow); return err }, client.Conflict, ""},
	} {
		if err := test.do(); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
