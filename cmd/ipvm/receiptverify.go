package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// verdict is what is known of one file that should be a receipt.
type verdict struct {
	file      string
	receipt   *receipt.Signed
	call      task.Call // zero if the task is not known here
	signature error     // nil if it holds
	who       string    // "this node", "trusted", "trusted in part" or "not trusted"
	name      string    // of who is trusted
	grant     ipld.Link // by which that is
	why       string    // or is not, in spite of a grant
	known     bool      // this node has it
	conflicts []receipt.Conflict
}

// good tells whether nothing speaks against the receipt.
func (v *verdict) good() bool { return v.signature == nil && len(v.conflicts) == 0 }

// knowledge is what receipts are held against.
type knowledge struct {
	node    *ipvm.Node
	own     did.DID
	trusted []ipvm.Signer // those who are, or have grants
}

func know(cmd *cobra.Command, node *ipvm.Node) (k knowledge, err error) {
	k.node = node
	if k.own, err = node.DID(cmd.Context()); err != nil {
		return k, err
	}
	k.trusted, err = node.Backend().Trusted(cmd.Context())
	return k, err
}

// whose is who signed a receipt about a task, for this node.
func (k *knowledge) whose(cmd *cobra.Command, signer did.DID, id task.ID) (who string, w ipvm.Word, err error) {
	if signer == k.own {
		return "this node", w, nil
	}
	if len(k.trusted) == 0 { // so that many need not be asked about
		return "not trusted", w, nil
	}
	w, err = k.node.Backend().Word(cmd.Context(), signer, id)
	switch {
	case w.Counts:
		return "trusted", w, err
	case w.Partly:
		return "trusted in part", w, err
	}
	return "not trusted", w, err
}

// judge reads a receipt and holds it against what the node knows.
func (k *knowledge) judge(cmd *cobra.Command, file string) (*verdict, error) {
	data, err := readBounded(cmd, file)
	if err != nil {
		return nil, err
	}
	v := &verdict{file: file}
	if v.receipt, err = receipt.Parse(data); err != nil {
		return nil, misusef("`ipvm receipt export TASK` writes one; `ipvm inspect` tells what a file is", "%s: %v", printable(file), err)
	}
	v.signature = v.receipt.Verify()
	who, word, err := k.whose(cmd, v.receipt.Executor, v.receipt.Task)
	if err != nil {
		return nil, err
	}
	v.who, v.name, v.why = who, word.Signer.Name, word.Why
	if n := len(word.Signer.Proofs); n > 0 {
		v.grant = word.Signer.Proofs[n-1].Link()
	}
	if v.call, _, err = k.node.Call(cmd.Context(), v.receipt.Task); err != nil {
		return nil, err
	}
	var e receipt.Evidence
	if e, err = k.node.Backend().Receipts(cmd.Context(), v.receipt.Task); err != nil {
		return nil, err
	}
	v.known = slices.ContainsFunc(e, func(r *receipt.Signed) bool { return r.Link() == v.receipt.Link() })
	if v.signature != nil { // it is nobody's word
		return v, nil
	}
	for _, other := range e {
		if pair := (receipt.Evidence{other, v.receipt}).Conflicts(); len(pair) > 0 {
			v.conflicts = append(v.conflicts, pair...)
		}
	}
	return v, nil
}

func (a *app) verifyReceipts(cmd *cobra.Command, files []string, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	k, err := know(cmd, node)
	if err != nil {
		return err
	}
	var failed error
	for i, file := range files {
		v, err := k.judge(cmd, file)
		var misuse *misuseError
		switch {
		case errors.As(err, &misuse):
			fmt.Fprintln(cmd.ErrOrStderr(), printableLines("ipvm: "+err.Error()))
			failed = errFaults
			continue
		case err != nil:
			return err
		case failed == nil && !v.good():
			failed = errFailed
		}
		if asJSON {
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(v.json()); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		v.print(cmd.OutOrStdout())
	}
	return failed
}

func (v *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "%s is a receipt\ntask      %s\n", printable(v.file), v.receipt.Task)
	if v.call.Func != "" {
		fmt.Fprintf(out, "module    %s\nfunction  %s\narguments %s\n", printable(v.call.Module.String()), printable(v.call.Func), printable(v.call.Params.String()))
	}
	printReceipt(out, v.receipt)
	who := v.who
	if v.name != "" {
		who += ", as " + printable(v.name)
	}
	if v.grant.Defined() {
		who += ", as far as " + v.grant.Base58() + " goes, which covers this task"
	}
	if v.why != "" {
		who += ": " + printable(v.why)
	}
	fmt.Fprintf(out, "signer    %s\n", who)
	if v.known {
		fmt.Fprintln(out, "known     this node has it")
	}
	for _, c := range v.conflicts {
		printConflict(out, c)
	}
}

// verdictJSON is what `ipvm receipt verify --json` prints.
type verdictJSON struct {
	receiptJSON
	File        string         `json:"file"`
	Schedule    string         `json:"schedule"`
	GasLimit    uint64         `json:"gasLimit"`
	MemoryLimit uint64         `json:"memoryLimit"`
	Signature   string         `json:"signature"` // "holds", or why not
	Signer      string         `json:"signer"`
	Name        string         `json:"name,omitempty"`
	Grant       string         `json:"grant,omitempty"`
	Why         string         `json:"why,omitempty"`
	Known       bool           `json:"known"`
	Conflicts   []conflictJSON `json:"conflicts"`
}

// conflictJSON is a receipt that can not be true beside another one.
type conflictJSON struct {
	Receipt      string `json:"receipt"`
	Executor     string `json:"executor"`
	Equivocation bool   `json:"equivocation,omitempty"`
}

func (v *verdict) json() verdictJSON {
	r := v.receipt
	out := verdictJSON{
		receiptJSON: newReceiptJSON(r, v.call), File: v.file, Schedule: r.Schedule, GasLimit: r.Limits.Gas, MemoryLimit: r.Limits.Memory,
		Signature: "holds", Signer: v.who, Name: v.name, Why: v.why, Known: v.known, Conflicts: []conflictJSON{},
	}
	if v.signature != nil {
		out.Signature = v.signature.Error()
	}
	if v.grant.Defined() {
		out.Grant = v.grant.Base58()
	}
	for _, c := range v.conflicts {
		out.Conflicts = append(out.Conflicts, conflictJSON{c.A.Link().String(), string(c.A.Executor), c.Equivocation()})
	}
	return out
}

func (a *app) importReceipts(cmd *cobra.Command, files []string) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	k, err := know(cmd, node)
	if err != nil {
		return err
	}
	for _, file := range files {
		v, err := k.judge(cmd, file)
		if err != nil {
			return err
		}
		err = node.ImportReceipt(cmd.Context(), v.receipt)
		switch {
		case errors.Is(err, ucan.ErrSignature):
			return misusef("", "%s: %v", printable(file), err)
		case errors.Is(err, ipvm.ErrIncomplete):
			return misusef("`ipvm block put FILE` imports a file; then import the receipt", "%s: %v", printable(file), err)
		case err != nil:
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", v.receipt.Task, printable(file))
		switch v.who {
		case "trusted in part":
			fmt.Fprintf(cmd.ErrOrStderr(), "note: it is kept as evidence; %s\n", v.why)
		case "not trusted":
			why := " (`ipvm trust add`)"
			if v.why != "" {
				why = ": " + printable(v.why)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "note: it is kept as evidence, and answers nothing: %s is not trusted here%s\n", v.receipt.Executor, why)
		}
		for _, c := range v.conflicts {
			printConflict(cmd.ErrOrStderr(), c)
		}
	}
	return nil
}
