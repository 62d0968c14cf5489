package request_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

var update = flag.Bool("update", false, "rewrite testdata")

var now = time.Unix(1_700_000_000, 0)

func key(t *testing.T, letter string) did.PrivateKey {
	t.Helper()
	k, err := did.ParseMultibase("M" + base64.StdEncoding.EncodeToString([]byte("\x80\x26"+strings.Repeat(letter, 32))))
	must(t, err)
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is the invocation in a header, and whether it holds for a node.
func open(t *testing.T, header string, node did.DID) (*ucan.SignedInvocation, error) {
	t.Helper()
	token, err := request.Container(header)
	must(t, err)
	c, err := ucan.ReadContainer(token, nil)
	must(t, err)
	_, err = ucan.Authorize(c.Invocations[0], ucan.Facts{Moment: ucan.Moment{Now: now}, Executor: node, Proofs: c.Proof})
	return c.Invocations[0], err
}

// A key acts for itself, and for those whose delegations it has.
func TestSign(t *testing.T) {
	t.Parallel()
	node, friend := key(t, "n"), key(t, "f")
	r := request.Of("GET", "/v1/workflows?limit=1", nil)
	grant, err := ucan.Delegate(node, ucan.Grant{Audience: friend.DID(), Command: request.ReadCommand}, now)
	must(t, err)
	for name, test := range map[string]struct {
		s       request.Signer
		subject did.DID
	}{
		"for itself":   {request.Signer{Key: friend, Node: node.DID()}, friend.DID()},
		"the owner":    {request.Signer{Key: node, Node: node.DID()}, node.DID()},
		"for the node": {request.Signer{Key: friend, Node: node.DID(), For: node.DID(), Proofs: []*ucan.SignedDelegation{grant}}, node.DID()},
	} {
		header, err := test.s.Sign(r, now)
		must(t, err)
		inv, err := open(t, header, node.DID())
		must(t, err)
		if got := inv.Invocation(); got.Subject != test.subject || got.Issuer != test.s.Key.DID() || *got.Expires > now.Add(request.Lifetime).Unix() {
			t.Errorf("%s: %+v", name, got)
		}
		read, err := request.Read(inv.Invocation(), "GET", "/v1/workflows?limit=1")
		must(t, err)
		if read != r {
			t.Errorf("%s: %+v", name, read)
		}
		if _, err := open(t, header, friend.DID()); !errors.Is(err, ucan.InvalidAudience) {
			t.Errorf("%s: for another node: %v", name, err)
		}
	}
	var denied *ucan.Denied
	s := request.Signer{Key: friend, Node: node.DID(), For: node.DID(), Proofs: []*ucan.SignedDelegation{grant}}
	if _, err := s.Sign(request.Of("DELETE", "/v1/workflows/x", nil), now); !errors.As(err, &denied) {
		t.Errorf("more than was granted: %v", err)
	}
}

// Who may have workflows run at the node shows it with every request.
func TestGuest(t *testing.T) {
	t.Parallel()
	node, friend := key(t, "n"), key(t, "f")
	lend := func(command string) *ucan.SignedDelegation {
		d, err := ucan.Delegate(node, ucan.Grant{Audience: friend.DID(), Command: command}, now)
		must(t, err)
		return d
	}
	run := lend("/ipvm/run")
	s := request.Signer{Key: friend, Node: node.DID(), Proofs: []*ucan.SignedDelegation{lend("/ipvm/read"), run}}
	header, err := s.Sign(request.Of("PUT", "/ipfs/x", nil), now)
	must(t, err)
	token, err := request.Container(header)
	must(t, err)
	c, err := ucan.ReadContainer(token, nil)
	must(t, err)
	if len(c.Delegations) != 1 || c.Delegations[0].Link() != run.Link() || c.Invocations[0].Invocation().Subject != friend.DID() {
		t.Errorf("%+v", c)
	}
}

// An invocation is of the one request that it names.
func TestRead(t *testing.T) {
	t.Parallel()
	args := func(r request.Request) ipld.Value { return r.Args() }
	good := request.Of("POST", "/v1/workflows", []byte("x"))
	for name, test := range map[string]struct {
		command string
		args    ipld.Value
		text    string
	}{
		"good":          {request.ChangeCommand, args(good), ""},
		"a read":        {request.ReadCommand, args(good), "its command is"},
		"another path":  {request.ChangeCommand, args(request.Of("POST", "/v1/workflows?wait", []byte("x"))), "it is for"},
		"another verb":  {request.ChangeCommand, args(request.Of("PUT", "/v1/workflows", []byte("x"))), "it is for"},
		"a run":         {"/ipvm/run", args(good), "its command is"},
		"nothing":       {request.ChangeCommand, ipld.Map(), "its args are not"},
		"more":          {request.ChangeCommand, ipld.Map(append(args(good).Entries(), ipld.Entry{Key: "x", Value: ipld.Null})...), "its args are not"},
		"a short hash":  {request.ChangeCommand, ipld.Map(ipld.Entry{Key: "body", Value: ipld.Bytes([]byte("x"))}, ipld.Entry{Key: "method", Value: ipld.String("POST")}, ipld.Entry{Key: "path", Value: ipld.String("/v1/workflows")}), "its args are not"},
		"a text for it": {request.ChangeCommand, ipld.Map(ipld.Entry{Key: "body", Value: ipld.String(strings.Repeat("x", 32))}, ipld.Entry{Key: "method", Value: ipld.String("POST")}, ipld.Entry{Key: "path", Value: ipld.String("/v1/workflows")}), "its args are not"},
	} {
		read, err := request.Read(ucan.Invocation{Command: test.command, Args: test.args}, "POST", "/v1/workflows")
		switch {
		case test.text == "" && (err != nil || read != good):
			t.Errorf("%s: %+v, %v", name, read, err)
		case test.text != "" && (!errors.Is(err, request.ErrMeant) || !strings.Contains(err.Error(), test.text)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "UCAN", "UCAN ", "Bearer Cabc", "UCANCabc", "UCAN @abc", "UCAN Pabc", "UCAN C" + strings.Repeat("a", 24<<10)} {
		if _, err := request.Container(bad); !errors.Is(err, request.ErrHeader) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	for _, good := range []string{"UCAN Cabc", "ucan  Babc= "} {
		if got, err := request.Container(good); err != nil || !bytes.HasSuffix(got, []byte("abc=")) && string(got) != "Cabc" {
			t.Errorf("%q: %s, %v", good, got, err)
		}
	}
}

// vector is one signed request, as docs/protocol.md has it.
type vector struct {
	Name    string `json:"name"`
	Node    string `json:"node"`
	Seed    string `json:"seed"` // a letter, 32 times
	Nonce   string `json:"nonce"`
	Expires int64  `json:"expires"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Body    string `json:"body"`
	SHA256  string `json:"sha256"` // of the body
	Args    string `json:"args"`
	Header  string `json:"header"`
}

// The vectors are what the rules make of their seeds.
func TestVectors(t *testing.T) {
	t.Parallel()
	const file = "testdata/requests.json"
	data, err := os.ReadFile(file)
	must(t, err)
	var all []vector
	must(t, json.Unmarshal(data, &all))
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	for i := range all {
		v := &all[i]
		r := request.Of(v.Method, v.Path, []byte(v.Body))
		k := key(t, v.Seed)
		inv, err := ucan.SignInvocation(k, ucan.Invocation{
			Issuer: k.DID(), Subject: k.DID(), Audience: did.DID(v.Node), Command: r.Command(), Args: r.Args(), Nonce: v.Nonce, Expires: &v.Expires,
		})
		must(t, err)
		c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
		token, err := c.Append(nil, ucan.Base64URL)
		must(t, err)
		sum := sha256.Sum256([]byte(v.Body))
		v.SHA256, v.Args, v.Header = hex.EncodeToString(sum[:]), r.Args().String(), request.Scheme+" "+string(token)
		signed, err := open(t, v.Header, did.DID(v.Node))
		if v.Expires >= now.Unix() {
			must(t, err)
		}
		if _, err := request.Read(signed.Invocation(), v.Method, v.Path); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	want, err := json.MarshalIndent(all, "", "  ")
	must(t, err)
	want = append(want, '\n')
	if *update {
		must(t, os.WriteFile(file, want, 0o644))
	} else if diff := cmp.Diff(string(want), string(data)); diff != "" {
		t.Errorf("%s (-made +kept):\n%s", file, diff)
	}
}

// What is read as the token of a header is one that can be sent.
func FuzzContainer(f *testing.F) {
	f.Add("UCAN Cabc")
	f.Add("ucan B=")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		token, err := request.Container(header)
		if err != nil {
			return
		}
		again, err := request.Container(request.Scheme + " " + string(token))
		if err != nil || !bytes.Equal(again, token) {
			t.Fatalf("%q was read as %q, and that as %q: %v", header, token, again, err)
		}
	})
}
