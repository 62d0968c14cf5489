//go:build cgo

package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/internal/cputime"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// then is the moment at which the tokens of these tests are judged.
const then = 1_800_000_000

// cast is the principals of the tests and the tokens that they signed.
type cast struct {
	t                       *testing.T
	node, friend, other, k1 did.PrivateKey
}

func newCast(t *testing.T) *cast {
	t.Helper()
	key := func(codec string, seed byte) did.PrivateKey {
		k, err := did.ParseMultibase("u" + base64.RawURLEncoding.EncodeToString([]byte(codec+strings.Repeat(string(rune(seed)), 32))))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	return &cast{t, key("\x80\x26", 1), key("\x80\x26", 2), key("\x86\x26", 3), key("\x81\x26", 4)}
}

func seconds(n int64) *int64 { return &n }

// lend is a delegation of /ipvm/run on the node, with some fields changed.
func (c *cast) lend(from did.PrivateKey, to did.PrivateKey, change func(*ucan.Delegation)) *ucan.SignedDelegation {
	c.t.Helper()
	d := ucan.Delegation{Audience: to.DID(), Subject: c.node.DID(), Command: "/ipvm/run", Expires: seconds(then + 600), Nonce: "nonce"}
	if change != nil {
		change(&d)
	}
	s, err := ucan.SignDelegation(from, d)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *cast) policy(text string) ucan.Policy {
	c.t.Helper()
	v, err := ipld.DecodeJSON([]byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := ucan.ParsePolicy(v)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// wish is an invocation of /ipvm/run on the node, with some fields changed.
func (c *cast) wish(from did.PrivateKey, change func(*ucan.Invocation), proofs ...*ucan.SignedDelegation) *ucan.SignedInvocation {
	c.t.Helper()
	args, err := ipld.DecodeJSON([]byte(`{"gas": 1000, "tasks": 2}`))
	if err != nil {
		c.t.Fatal(err)
	}
	inv := ucan.Invocation{Subject: c.node.DID(), Command: "/ipvm/run", Args: args, Expires: seconds(then + 60), Nonce: "nonce"}
	for _, p := range proofs {
		inv.Proofs = append(inv.Proofs, p.Link())
	}
	if change != nil {
		change(&inv)
	}
	s, err := ucan.SignInvocation(from, inv)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *cast) forged(d *ucan.SignedDelegation) *ucan.SignedDelegation {
	c.t.Helper()
	data := bytes.Clone(d.Bytes())
	data[20] ^= 1
	s, err := ucan.ParseDelegation(data)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// pack is a container of tokens.
func (c *cast) pack(framing ucan.Framing, tokens ...any) []byte {
	c.t.Helper()
	var all ucan.Container
	for _, t := range tokens {
		switch t := t.(type) {
		case *ucan.SignedDelegation:
			all.Delegations = append(all.Delegations, t)
		case *ucan.SignedInvocation:
			all.Invocations = append(all.Invocations, t)
		}
	}
	data, err := all.Append(nil, framing)
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// TestInspect compares what is said of tokens, and their verdicts, with texts in
// testdata/inspect.
func TestInspect(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	home := t.TempDir()
	if err := did.WriteKeyFile(filepath.Join(home, "key.pem"), c.node); err != nil {
		t.Fatal(err)
	}
	bounded := func(d *ucan.Delegation) {
		d.Policy = c.policy(`[["<=", ".gas", 1000000], ["==", ".effects", null]]`)
		d.NotBefore = seconds(then - 3600)
	}
	strict := func(d *ucan.Delegation) { d.Policy = c.policy(`[["<=", ".gas", 1000], ["<=", ".tasks", 1]]`) }
	wide := func(d *ucan.Delegation) { d.Command = "/" }
	expired := func(d *ucan.Delegation) { d.Expires = seconds(then - 7200) }
	hostile := ipld.Map(ipld.Entry{Key: "\x1b[2J", Value: ipld.String("\u202e\x1b]0;x\x07" + strings.Repeat("long", 1000))})
	root := c.lend(c.node, c.friend, bounded)
	next := c.lend(c.friend, c.other, nil)
	last := c.lend(c.other, c.k1, strict)
	lateRoot := c.lend(c.node, c.friend, expired)
	revoke := func(inv *ucan.Invocation) {
		inv.Subject, inv.Command, inv.Expires = c.friend.DID(), ucan.RevokeCommand, nil
		inv.Args = ipld.Map(ipld.Entry{Key: "revoke", Value: ipld.LinkValue(next.Link())})
	}
	result, err := receipt.Issue(c.node, receipt.Receipt{
		Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("task"))}, Out: task.Outcome{Value: ipld.Int(43)}, Gas: 11, Schedule: "s",
		Limits: task.Limits{Gas: 1000, Memory: 64 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(c.wish(c.node, nil).Bytes())
	data[20] ^= 1
	forgedWish, err := ucan.ParseInvocation(data)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(signature []byte) []byte {
		return []byte(`{"ipvm/workflow": {"jobs": {"a": {"with": "bafkreihchhvu2delen2inr455uwprguurdpzauvm7birjogpcuci3abbz4", "func": "f"}}}, "signature": {"/": {"bytes": "` +
			base64.RawStdEncoding.EncodeToString(signature) + `"}}}`)
	}
	badReceipt := func(inv *ucan.Invocation) { inv.Command = receipt.Command }
	for name, tt := range map[string]struct {
		data []byte
		args string
		code int
	}{
		"chain":             {c.pack(ucan.Base64URL, root, next, last), "", exitOK},
		"accepted":          {c.pack(ucan.Gzip, root, next, c.wish(c.other, nil, root, next)), "", exitOK},
		"policy":            {c.pack(ucan.Base64URL, root, next, last, c.wish(c.k1, nil, root, next, last)), "", exitFailed},
		"later":             {c.pack(ucan.Base64URL, root, next, c.wish(c.other, nil, root, next)), "--at 1800000061", exitFailed},
		"elsewhere":         {c.pack(ucan.Base64URL, root, next, c.wish(c.other, nil, root, next)), "--for " + string(c.k1.DID()), exitFailed},
		"missing":           {c.pack(ucan.Base64URL, next, c.wish(c.other, nil, root, next)), "", exitFailed},
		"alone":             {c.lend(c.friend, c.other, nil).Bytes(), "", exitFailed},
		"wider":             {c.pack(ucan.Plain, root, c.lend(c.friend, c.other, wide)), "", exitFailed},
		"expired":           {c.pack(ucan.GzipBase64URL, lateRoot, next), "", exitFailed},
		"forged":            {c.pack(ucan.Base64, c.forged(root), next), "", exitFailed},
		"forged-wish":       {forgedWish.Bytes(), "", exitFailed},
		"circle":            {c.pack(ucan.Base64, next, c.lend(c.other, c.friend, nil)), "", exitFailed},
		"powerline":         {c.lend(c.node, c.friend, func(d *ucan.Delegation) { d.Subject, d.Powerline, d.Expires, d.Nonce = "", true, nil, "" }).Bytes(), "", exitOK},
		"revocation":        {c.wish(c.friend, revoke).Bytes(), "--for " + string(c.k1.DID()), exitOK},
		"revocation-forged": {c.wish(c.other, revoke).Bytes(), "", exitFailed},
		"receipt":           {result.Bytes(), "", exitOK},
		"receipt-malformed": {c.wish(c.node, badReceipt).Bytes(), "", exitFailed},
		"hostile": {c.pack(ucan.Base64URL, c.lend(c.node, c.friend, func(d *ucan.Delegation) {
			d.Meta, d.Command = hostile, "/\x1b[31m/\u202e"
			d.Policy = c.policy(`[["like", ".[\"\u202e\"]", "\u001b[31m*"]]`)
		}), c.wish(c.node, func(inv *ucan.Invocation) { inv.Args, inv.Meta = hostile, hostile })), "", exitOK},
		"signed-with-else": {signed(c.pack(ucan.Plain, c.wish(c.node, func(inv *ucan.Invocation) { inv.Command = "/ipvm/read" }))), "", exitFailed},
		"empty":            {c.pack(ucan.Plain), "", exitOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--dir", home, "inspect", "-"}, strings.Fields(tt.args)...)
			if !strings.Contains(tt.args, "--at") {
				args = append(args, "--at", "1800000000")
			}
			var out, errOut, asJSON bytes.Buffer
			if code := run(args, bytes.NewReader(tt.data), &out, &errOut); code != tt.code || errOut.Len() > 0 {
				t.Errorf("exit status %d, want %d: %s", code, tt.code, errOut.String())
			}
			if code := run(append(args, "--json"), bytes.NewReader(tt.data), &asJSON, &errOut); code != tt.code || errOut.Len() > 0 {
				t.Errorf("with --json exit status %d, want %d: %s", code, tt.code, errOut.String())
			}
			if i := strings.IndexFunc(strings.ReplaceAll(out.String(), "\n", ""), func(r rune) bool { return printable(string(r)) != string(r) }); i >= 0 {
				t.Errorf("unprintable at %d", i)
			}
			got := out.String() + "\n" + asJSON.String()
			file := filepath.Join("testdata", "inspect", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a test's text
					t.Fatal(err)
				}
			}
			if want := string(readFile(t, file)); got != want {
				t.Errorf("%s has\n%s\nnot\n%s", file, want, got)
			}
		})
	}
}

// FuzzInspect looks at any bytes: what it prints of them is bounded and printable.
func FuzzInspect(f *testing.F) {
	files, err := filepath.Glob("../../ucan/testdata/1.0.0/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		for _, m := range token.FindAllSubmatch(readFile(f, file), -1) {
			if data, err := base64.StdEncoding.DecodeString(string(m[1])); err == nil {
				f.Add(data)
			}
		}
	}
	for _, text := range []string{
		"did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX", `{"jobs": {"a": {"with": "bafkreihchhvu2delen2inr455uwprguurdpzauvm7birjogpcuci3abbz4"}}}`,
		"@\xa1fctn-v1\x80", "CoWZjdG4tdjGA", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := &inspection{file: "-", data: data, now: time.Unix(then, 0)}
		if v.read() != nil {
			return
		}
		v.judge()
		var out bytes.Buffer
		v.print(&out)
		if err := printJSON(io.Discard, v.json()); err != nil {
			t.Error(err)
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if printable(line) != line {
				t.Errorf("unprintable: %q", line)
			}
		}
		if out.Len() > 100_000*(1+len(v.tokens)) {
			t.Errorf("%d bytes of text about %d tokens", out.Len(), len(v.tokens))
		}
	})
}

// token is bytes in a fixture.
var token = regexp.MustCompile(`"([A-Za-z0-9+/]{80,}=*)"`)

// What is too large is not read, and the worst that fits takes little time.
func TestInspectIsBounded(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	var out, errOut bytes.Buffer
	args := []string{"--dir", t.TempDir(), "inspect", "-", "--at", "1800000000"}
	if code := run(args, bytes.NewReader(make([]byte, maxTokens+1)), &out, &errOut); code != exitMisuse || !strings.Contains(errOut.String(), "larger than 1 MiB") {
		t.Errorf("exit status %d: %s", code, errOut.String())
	}
	crowd := []did.PrivateKey{c.friend, c.other, c.k1}
	var all []any
	for i := range 85 {
		for j, from := range crowd {
			all = append(all, c.lend(from, crowd[(j+1)%3], func(d *ucan.Delegation) { d.Nonce = string(rune(i)) }))
		}
	}
	all = append(all, c.lend(c.node, c.friend, func(d *ucan.Delegation) { d.Expires = seconds(0) }))
	code, packed := 0, c.pack(ucan.Plain, all...)
	if d := cputime.Of(func() { code = run(args, bytes.NewReader(packed), &out, &errOut) }); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	if code != exitFailed {
		t.Errorf("exit status %d: %s", code, errOut.String())
	}
}
