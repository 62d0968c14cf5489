package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// print says what was found out.
func (v *inspection) print(out io.Writer) {
	switch v.kind {
	case kindDID, kindKey:
		fmt.Fprintf(out, "%s of %s, of type %s\n", map[string]string{kindDID: "DID", kindKey: "private key"}[v.kind], v.name(v.did), keyType(v.did))
		return
	case kindWorkflow:
		v.printWorkflow(out)
	case kindContainer:
		form := "binary"
		if isText(v.framing) {
			form = "text"
		}
		fmt.Fprintf(out, "container of %d tokens, %s (%c), %s bytes\n\n", len(v.tokens), form, v.framing, count(uint64(len(v.data))))
	}
	for i, t := range v.tokens {
		if i > 0 {
			fmt.Fprintln(out)
		}
		t.print(out, v)
	}
}

func (v *inspection) printWorkflow(out io.Writer) {
	fmt.Fprintf(out, "workflow of %d jobs", len(v.workflow.Jobs))
	if v.graph != nil {
		fmt.Fprintf(out, ", %s", v.graph.Link())
	}
	fmt.Fprintln(out)
	for i := range v.workflow.Jobs {
		fmt.Fprintf(out, "  %s\n", shorten(printable(v.workflow.Jobs[i].Label), maxLabelWidth))
	}
	if len(v.tokens) > 0 {
		fmt.Fprintln(out, "signed with")
		fmt.Fprintln(out)
	}
}

// name is d, with a word about whose it is.
func (v *inspection) name(d did.DID) string {
	if d == v.node && d != "" {
		return string(d) + " (this node)"
	}
	return string(d)
}

func keyType(d did.DID) string {
	key, err := d.PublicKey()
	if err != nil {
		return "none"
	}
	return key.Type().String()
}

// field prints one line of what a token says, and more lines below it.
func field(out io.Writer, name string, lines ...string) {
	for _, l := range lines {
		fmt.Fprintf(out, "%-10s  %s\n", name, l)
		name = ""
	}
}

func (t *inspected) print(out io.Writer, v *inspection) {
	var issuer did.DID
	if t.dlg != nil {
		issuer = t.dlg.Delegation().Issuer
		t.printDelegation(out, v)
	} else {
		issuer = t.inv.Invocation().Issuer
		t.printInvocation(out, v)
	}
	signature := "holds (" + keyType(issuer) + ")"
	if t.signature != nil {
		signature = "DOES NOT HOLD: " + printable(t.signature.Error())
	}
	field(out, "signature", signature)
	if len(t.chain) > 0 {
		field(out, "proofs", t.proofLines(v)...)
	}
	field(out, "verdict", t.verdict(v))
}

func (t *inspected) printDelegation(out io.Writer, v *inspection) {
	d := t.dlg.Delegation()
	field(out, t.kind, t.dlg.Link().Base58())
	field(out, "issuer", v.name(d.Issuer))
	field(out, "audience", v.name(d.Audience))
	subject := v.name(d.Subject)
	if d.Powerline {
		subject = "whatever the issuer has authority over (a powerline)"
	}
	field(out, "subject", subject)
	field(out, "command", commandText(d.Command))
	policy := boundsWords(d)
	if len(policy) == 0 {
		policy = []string{"none"}
	}
	field(out, "policy", policy...)
	if d.NotBefore != nil {
		field(out, "not before", momentText(*d.NotBefore, v.now))
	}
	printRest(out, v, d.Expires, d.Nonce, t.dlg.Tag(), d.Meta)
}

func (t *inspected) printInvocation(out io.Writer, v *inspection) {
	inv := t.inv.Invocation()
	field(out, t.kind, t.inv.Link().Base58())
	field(out, "issuer", v.name(inv.Issuer))
	if inv.Audience != "" {
		field(out, "audience", v.name(inv.Audience))
	}
	field(out, "subject", v.name(inv.Subject))
	field(out, "command", printable(inv.Command))
	field(out, "arguments", argumentLines(inv)...)
	if inv.Cause.Defined() {
		field(out, "cause", inv.Cause.String())
	}
	if inv.IssuedAt != nil {
		field(out, "issued at", momentText(*inv.IssuedAt, v.now))
	}
	printRest(out, v, inv.Expires, inv.Nonce, t.inv.Tag(), inv.Meta)
	if d := t.denial; d != nil {
		field(out, "refused", "the invocation whose signed part has the sha2-256 "+hex.EncodeToString(d.Ran[:]), "at "+d.At.UTC().Format(time.RFC3339))
		field(out, "because", shorten(printable(d.Reason), maxPolicyText))
	}
	if r := t.receipt; r != nil {
		field(out, "task", r.Task.String())
		field(out, "outcome", shorten(receiptOutcome(r), maxPolicyText))
		field(out, "gas", count(r.Gas)+" of "+count(r.Limits.Gas))
	}
}

func printRest(out io.Writer, v *inspection, expires *int64, nonce, tag string, meta ipld.Value) {
	until := "never"
	if expires != nil {
		until = momentText(*expires, v.now)
	}
	field(out, "expires", until)
	nonceText := "none"
	if nonce != "" {
		nonceText = shorten(hex.EncodeToString([]byte(nonce)), maxPolicyText)
	}
	field(out, "nonce", nonceText)
	field(out, "tag", tag)
	if !meta.IsNull() {
		field(out, "meta", valueLine(meta))
	}
}

// argumentLines are the arguments of an invocation; those of /ipvm/run in words.
func argumentLines(inv ucan.Invocation) []string {
	d, err := authority.ParseDemand(inv.Args)
	if inv.Command != grant.RunCommand || err != nil {
		return []string{valueLine(inv.Args)}
	}
	lines := []string{
		"workflow " + d.Workflow.String(),
		"gas at most " + count(d.Gas), "memory at most " + size(d.Memory), "time at most " + d.Time.String(), "tasks at most " + count(uint64(d.Tasks)),
	}
	var all []string
	for _, f := range d.Functions {
		all = append(all, "calls "+f.String())
	}
	for _, e := range d.Effects {
		all = append(all, fmt.Sprintf("does %s on %s", e.Do, cmp.Or(e.URI, "what a job makes")))
	}
	for i, text := range all {
		if i == maxArgumentLines {
			lines = append(lines, fmt.Sprintf("and %s more, which --json shows", count(uint64(len(all)-i))))
			break
		}
		lines = append(lines, shorten(printable(text), maxPolicyText))
	}
	return lines
}

// maxArgumentLines bounds the functions and effects that are told one by one.
const maxArgumentLines = 50

// valueLine is a value in one line of bounded length.
func valueLine(v ipld.Value) string { return shorten(valueText(v), maxPolicyText) }

// commandText says what a delegation is for.
func commandText(command string) string {
	if command == "/" {
		return "/ (every command)"
	}
	return printable(command)
}

// proofLines is a tree of what t rests on, the root first.
func (t *inspected) proofLines(v *inspection) (lines []string) {
	for i, p := range t.chain {
		indent := ""
		if i > 0 {
			indent = strings.Repeat("  ", i-1) + "└ "
		}
		text := p.link.Base58() + " (not in this file)"
		if p.dlg != nil {
			d := p.dlg.Delegation()
			text = fmt.Sprintf("%s by %s for %s, %s", p.link.Base58(), v.name(d.Issuer), printable(d.Command), timesText(d, v.now))
		}
		lines = append(lines, indent+text)
	}
	return lines
}

// verdict says what t is good for, or why it would be refused.
func (t *inspected) verdict(v *inspection) string {
	at := "at " + v.now.UTC().Format(time.RFC3339)
	switch {
	case t.refusal != nil && t.inv != nil:
		return "would be refused by " + v.judgeName() + " " + at + ": " + t.refusalText()
	case t.refusal != nil:
		return "would be refused " + at + ": " + t.refusalText()
	case t.signature != nil:
		return "is worth nothing: the signature is not its issuer's"
	case !t.judged && t.dlg != nil:
		return "a powerline is judged where it is used: with the proofs before it, and not as the first"
	case !t.judged:
		return "a statement of its issuer, which needs nobody's leave"
	case t.dlg != nil:
		return fmt.Sprintf("holds %s: within all policies %s may use %s of %s", at, v.name(t.dlg.Delegation().Audience), printable(t.dlg.Delegation().Command), v.name(t.dlg.Delegation().Subject))
	case t.inv.Invocation().Command == ucan.RevokeCommand:
		return "holds " + at
	}
	return "would be accepted by " + v.judgeName() + " " + at + ", if it was not performed before"
}

// judgeName is for whom invocations are judged.
func (v *inspection) judgeName() string {
	if v.executor == "" {
		return "whom it is for (this node has no key yet)"
	}
	return v.name(v.executor)
}

// inspectJSON is what `ipvm inspect --json` prints.
type inspectJSON struct {
	Schema   int           `json:"schema"`
	Kind     string        `json:"kind"`
	Holds    bool          `json:"holds"`
	Size     int           `json:"size"`
	Framing  string        `json:"framing,omitempty"`
	At       int64         `json:"at"`
	Executor string        `json:"executor,omitempty"`
	Tokens   []tokenJSON   `json:"tokens,omitempty"`
	Workflow *documentJSON `json:"workflow,omitempty"`
	DID      string        `json:"did,omitempty"`
	KeyType  string        `json:"keyType,omitempty"`
}

// documentJSON is a workflow.
type documentJSON struct {
	CID     string   `json:"cid,omitempty"`
	Dialect string   `json:"dialect"`
	Jobs    []string `json:"jobs"`
}

// tokenJSON is a token and what was found out about it. An invocation has no
// policy, and what it says besides is here.
type tokenJSON struct {
	Kind string `json:"kind"`
	delegationJSON
	Args      json.RawMessage `json:"args,omitempty"`
	Cause     string          `json:"cause,omitempty"`
	IssuedAt  *int64          `json:"issuedAt,omitempty"`
	Tag       string          `json:"tag"`
	Receipt   *receiptJSON    `json:"receipt,omitempty"`
	Proofs    []string        `json:"proofs,omitempty"`
	Signature signatureJSON   `json:"signature"`
	Accepted  *bool           `json:"accepted,omitempty"`
	Denied    *deniedJSON     `json:"denied,omitempty"`
}

type signatureJSON struct {
	Holds bool   `json:"holds"`
	Why   string `json:"why,omitempty"`
}

type deniedJSON struct {
	Reason  string `json:"reason,omitempty"`
	Link    string `json:"link,omitempty"`
	Asked   string `json:"asked,omitempty"`
	Granted string `json:"granted,omitempty"`
	Message string `json:"message"`
}

func (v *inspection) json() inspectJSON {
	out := inspectJSON{Schema: jsonSchema, Kind: v.kind, Holds: v.holds(), Size: len(v.data), At: v.now.Unix(), Executor: string(v.executor), DID: string(v.did)}
	if v.did != "" {
		out.KeyType = keyType(v.did)
	}
	if v.framing != 0 {
		out.Framing = string(rune(v.framing))
	}
	if v.workflow != nil {
		out.Workflow = &documentJSON{Dialect: string(v.workflow.Dialect)}
		if v.graph != nil {
			out.Workflow.CID = v.graph.Link().String()
		}
		for i := range v.workflow.Jobs {
			out.Workflow.Jobs = append(out.Workflow.Jobs, v.workflow.Jobs[i].Label)
		}
	}
	for _, t := range v.tokens {
		out.Tokens = append(out.Tokens, t.json())
	}
	return out
}

func (t *inspected) json() tokenJSON {
	out := tokenJSON{Kind: t.kind, Signature: signatureJSON{Holds: t.signature == nil}}
	if t.dlg != nil {
		out.delegationJSON, out.Tag = newDelegationJSON(t.dlg), t.dlg.Tag()
	} else {
		t.invocationJSON(&out)
	}
	for _, p := range t.chain {
		out.Proofs = append(out.Proofs, p.link.Base58())
	}
	if t.signature != nil {
		out.Signature.Why = t.signature.Error()
	}
	if t.judged {
		accepted := t.refusal == nil
		out.Accepted = &accepted
	}
	if t.refusal == nil {
		return out
	}
	out.Denied = &deniedJSON{Message: t.refusalText()}
	var d *ucan.Denied
	if errors.As(t.refusal, &d) {
		out.Denied.Reason, out.Denied.Asked, out.Denied.Granted = string(d.Reason), d.Asked, d.Granted
		if d.Link.Defined() {
			out.Denied.Link = d.Link.Base58()
		}
	}
	return out
}

func (t *inspected) invocationJSON(out *tokenJSON) {
	inv := t.inv.Invocation()
	out.CID, out.Issuer, out.Audience, out.Subject, out.Command = t.inv.Link().Base58(), string(inv.Issuer), string(inv.Audience), string(inv.Subject), inv.Command
	out.Args, out.Nonce, out.Expires, out.IssuedAt, out.Tag = rawJSON(inv.Args), hex.EncodeToString([]byte(inv.Nonce)), inv.Expires, inv.IssuedAt, t.inv.Tag()
	if !inv.Meta.IsNull() {
		out.Meta = rawJSON(inv.Meta)
	}
	if inv.Cause.Defined() {
		out.Cause = inv.Cause.String()
	}
	if t.receipt != nil {
		r := newReceiptJSON(t.receipt, task.Call{})
		out.Receipt = &r
	}
}
