package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// inspectFlags are the flags of `ipvm inspect`.
type inspectFlags struct {
	at, executor string
	json         bool
}

func newInspect(a *app) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Tell what a token is, whether it holds, and why it would be refused",
		Long: `Tell what a delegation, an invocation, a container of them, a receipt, a signed
workflow, a block of one or a key is; FILE - is standard input. Of tokens it tells whether
the signatures hold and whether this node would accept them now, and if not, what
was asked and what is granted. Exit status 1 if one does not hold. Of a private
key it tells the public side only.`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.inspect(cmd, args[0], f) },
	}
	cmd.Flags().StringVar(&f.at, "at", "", "judge at another `TIME`: from now, such as 10m or -1h, or a time (default: now)")
	cmd.Flags().StringVar(&f.executor, "for", "", "judge for the node of this `DID` (default: this one)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

func (a *app) inspect(cmd *cobra.Command, file string, f inspectFlags) error {
	if err := a.config.load(cmd); err != nil {
		return err
	}
	data, err := readBounded(cmd, file)
	if err != nil {
		return err
	}
	v := &inspection{file: file, data: data, now: time.Now()}
	if f.at != "" {
		if v.now, err = parseMoment(f.at, v.now); err != nil {
			return misusef("", "--at: %v", err)
		}
	}
	if err := v.who(a, f.executor); err != nil {
		return err
	}
	if err := v.read(); err != nil {
		return err
	}
	if err := v.askRevoked(cmd, a); err != nil {
		return err
	}
	v.judge()
	if f.json {
		err = printJSON(cmd.OutOrStdout(), v.json())
	} else {
		v.print(cmd.OutOrStdout())
	}
	if err == nil && !v.holds() {
		err = errFailed
	}
	return err
}

// inspection is a file and what was found out about it: tokens, a workflow with
// those of its signature, or a DID.
type inspection struct {
	file     string
	data     []byte
	now      time.Time // as of when it is judged
	node     did.DID   // this one, if it has a key
	executor did.DID   // for whom it is judged; empty for whoever a token names

	revoked ucan.Revocations // what this node knows about the tokens

	kind     string
	framing  ucan.Framing // of a container
	tokens   []*inspected
	workflow *workflow.Workflow
	graph    *graph.Graph // of the workflow, if it has one
	did      did.DID
}

// The kinds of what can be inspected.
const (
	kindContainer  = "container"
	kindDelegation = "delegation"
	kindInvocation = "invocation"
	kindReceipt    = "receipt"
	kindDenial     = "denial"
	kindWorkflow   = "workflow"
	kindKey        = "key"
	kindDID        = "did"
)

// who finds the node and for whom is judged.
func (v *inspection) who(a *app, executor string) error {
	key, err := did.ReadKeyFile(a.keyFile(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	v.node = key.DID()
	v.executor = v.node
	if executor != "" {
		if v.executor, err = did.Parse(executor); err != nil {
			return misusef("a DID looks like did:key:z6Mk…", "--for: %v", err)
		}
	}
	return nil
}

// read tells by its first bytes what the file is.
func (v *inspection) read() error {
	text := strings.TrimSpace(string(v.data[:min(len(v.data), 200)]))
	switch {
	case len(text) == 0:
		return misusef("", "%s is empty", printable(v.file))
	case strings.HasPrefix(text, "-----BEGIN"):
		return v.readKey()
	case strings.HasPrefix(text, "did:"):
		d, err := did.Parse(strings.TrimSpace(string(v.data)))
		if err != nil {
			return misusef("", "%s: %v", printable(v.file), err)
		}
		v.kind, v.did = kindDID, d
		return nil
	case strings.HasPrefix(text, "\x00asm"):
		return misusef("`ipvm wasm inspect FILE` shows it", "%s is a WebAssembly module", printable(v.file))
	case v.data[0]>>5 == 5: // CBOR: a map
		return v.readWorkflow(workflow.CBOR)
	case text[0] == '{':
		return v.readWorkflow(workflow.JSON)
	}
	c, framing, err := parseTokens(v.data)
	if err != nil {
		return misusef("inspect takes tokens, containers of tokens, receipts, workflows in JSON or DAG-CBOR and keys; `ipvm check FILE` is for other documents", "%s: %v", printable(v.file), err)
	}
	v.framing, v.kind = framing, kindContainer
	v.add(c)
	if framing == 0 {
		v.kind = v.tokens[0].kind
	}
	return nil
}

// add takes in the tokens of a container.
func (v *inspection) add(c *ucan.Container) {
	for _, d := range c.Delegations {
		v.tokens = append(v.tokens, &inspected{kind: kindDelegation, dlg: d})
	}
	for _, i := range c.Invocations {
		v.tokens = append(v.tokens, newInspectedInvocation(i))
	}
}

// askRevoked asks this node which of the delegations were taken back, if it has
// a store in which that could be.
func (v *inspection) askRevoked(cmd *cobra.Command, a *app) (err error) {
	c := v.container()
	if len(c.Delegations) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(a.config.dir(), ipvm.StoreDir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	data, err := c.Append(nil, ucan.Plain)
	if err != nil {
		return err
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	all, err := node.Backend().Revoked(cmd.Context(), data)
	for _, r := range all {
		err = errors.Join(err, v.revoked.Add(r))
	}
	return err
}

// container is all delegations that were read.
func (v *inspection) container() *ucan.Container {
	c := new(ucan.Container)
	for _, t := range v.tokens {
		if t.dlg != nil {
			c.Delegations = append(c.Delegations, t.dlg)
		}
	}
	return c
}

func (v *inspection) readKey() error {
	key, err := did.ParsePEM(v.data)
	if err != nil {
		return misusef("", "%s: %v", printable(v.file), err)
	}
	if v.file != "-" {
		if _, err := did.ReadKeyFile(v.file); err != nil { // others may read it
			return err
		}
	}
	v.kind, v.did = kindKey, key.DID()
	return nil
}

// readWorkflow reads a document, and the tokens of its signature.
func (v *inspection) readWorkflow(format workflow.Format) error {
	w, err := workflow.Parse(workflow.Source{Name: v.file, Data: v.data, Format: format, AllowCredentials: true})
	if err != nil {
		return misusef("`ipvm check FILE` tells more of documents that name files", "%v", err)
	}
	v.kind, v.workflow = kindWorkflow, w
	if g, err := graph.Build(w, graph.Options{Owner: v.node}); err == nil {
		v.graph = g
	}
	if len(w.Signature) == 0 {
		return nil
	}
	c, err := ucan.ReadContainer(w.Signature, nil)
	switch {
	case err != nil:
		return misusef("", "%s: signature: %v", printable(v.file), err)
	case len(c.Invocations) != 1:
		return misusef("", "%s: signature: %d invocations, not one", printable(v.file), len(c.Invocations))
	}
	v.add(c)
	return nil
}

// holds tells whether nothing is wrong with any token.
func (v *inspection) holds() bool {
	for _, t := range v.tokens {
		if t.signature != nil || t.refusal != nil {
			return false
		}
	}
	return true
}

// isText tells whether the framing of a container is text.
func isText(f ucan.Framing) bool { return bytes.IndexByte([]byte("BCOP"), byte(f)) >= 0 }
