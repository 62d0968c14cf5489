package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// delegateFlags are the flags of `ipvm delegate` as they were given.
type delegateFlags struct {
	to, command, key, subject string
	expires, notBefore        string
	forever, elsewhere        bool
	proofs                    []string
	gas, memory, limit, tasks string
	functions, statements     []string
	modules                   []ipld.Link // of functions
	pure, json                bool
	file                      string
}

func newDelegate(a *app) *cobra.Command {
	var f delegateFlags
	cmd := &cobra.Command{
		Use:   "delegate",
		Short: "Let somebody else use this node, or what else is yours to grant",
		Long: `Sign a delegation: a token in which the owner of a key lets another one, named
by its DID, use a command on what is the owner's, here this node, until a given
time and within bounds. The modules that it names are shared, as ` + "`ipvm block share`" + `
does. It is written with the proofs that it rests on, as a
UCAN container. Anybody may see a delegation; only the one it is for can use it.`,
		Example: `  ipvm delegate --to did:key:z6Mk… --expires 10m --max-gas 1000000000 \
    --function square.wasm#square --pure -o grant.ucan`,
		Args: wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.delegate(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "who may use it: a `DID`, as `ipvm key show` prints it")
	flags.StringVar(&f.command, "cmd", grant.RunCommand, "what may be done, with all `COMMAND`s below it")
	flags.BoolVar(&f.elsewhere, "elsewhere", false, "the command is one of another service: no node of this version acts on it")
	flags.StringVar(&f.key, "key", "", "sign with the key of this `NAME` or file (default: the node's own)")
	flags.StringVar(&f.subject, "sub", "", "the `DID` whose authority is passed on (default: the key's, or that of the proofs)")
	flags.StringVar(&f.expires, "expires", "", "last moment of its use: how long from now, such as `TIME` 10m or 7d, or a time")
	flags.BoolVar(&f.forever, "forever", false, "let it last until it is revoked, instead of --expires")
	flags.StringVar(&f.notBefore, "not-before", "", "first moment of its use, as a `TIME` like that of --expires (default: now)")
	flags.StringArrayVar(&f.proofs, "proof", nil, "a delegation to the key that this one rests on, or a container of them, in `FILE`; repeatable")
	flags.StringVar(&f.gas, "max-gas", "", "most gas of all workflows together, a `NUMBER`")
	flags.StringVar(&f.memory, "max-memory", "", "most memory of a job, a `SIZE`")
	flags.StringVar(&f.limit, "max-time", "", "most time of all jobs of a workflow, one after the other, such as 30s")
	flags.StringVar(&f.tasks, "max-tasks", "", "most jobs of a workflow, a `NUMBER`")
	flags.StringArrayVar(&f.functions, "function", nil, "only this function: `MODULE#NAME`, or MODULE for all of it; a file or a CID; repeatable")
	flags.BoolVar(&f.pure, "pure", false, "no effects")
	flags.StringArrayVar(&f.statements, "policy", nil, "one more statement of the policy, in DAG-`JSON`; repeatable")
	flags.StringVarP(&f.file, "output", "o", "", "write to `FILE` instead of standard output")
	flags.BoolVar(&f.json, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

func (a *app) delegate(cmd *cobra.Command, f *delegateFlags) error {
	now := time.Now()
	g, err := f.grant(now)
	if err != nil {
		return err
	}
	if err := a.config.load(cmd); err != nil {
		return err
	}
	proofs, err := readProofs(cmd, f.proofs)
	if err != nil {
		return err
	}
	key, err := a.signingKey(cmd, f.key)
	if err != nil {
		return err
	}
	if g.Policy, g.Meta, err = a.policy(cmd, f); err != nil {
		return err
	}
	if err := checkGrant(g); err != nil {
		return err
	}
	if strings.HasPrefix(g.Command, "/") && !f.elsewhere && !honoured(g.Command) {
		return misusef("--elsewhere signs it all the same, for another service", "--cmd %s: no node of this version acts on it, only on %s", g.Command, strings.Join(honours, ", "))
	}
	chain, err := restsOn(&g, key.DID(), proofs, now)
	if err != nil {
		return err
	}
	token, err := ucan.Delegate(key, g, now)
	if err != nil {
		return misusef("", "%v", err)
	}
	if f.key == "" && g.Subject == key.DID() {
		if err := a.shareModules(cmd, f.modules); err != nil {
			return err
		}
	}
	return writeGrant(cmd, f, append(slices.Clone(chain), token), now)
}

// grant is what the flags say, but for the policy.
func (f *delegateFlags) grant(now time.Time) (g ucan.Grant, err error) {
	g.Command, g.Forever = f.command, f.forever
	if f.to == "" {
		return g, misusef("`ipvm key show` prints one's DID", "--to DID is missing: who may use it")
	}
	if g.Audience, err = did.Parse(f.to); err != nil {
		return g, misusef("a DID looks like did:key:z6Mk…; `ipvm key show` prints it", "--to: %v", err)
	}
	if f.subject != "" {
		if g.Subject, err = did.Parse(f.subject); err != nil {
			return g, misusef("a DID looks like did:key:z6Mk…", "--sub: %v", err)
		}
	}
	switch {
	case f.expires == "" && !f.forever:
		return g, misusef("such as --expires 10m or --expires 24h; --forever is until it is revoked", "--expires TIME is missing")
	case f.expires != "" && f.forever:
		return g, misusef("give one of them", "--expires and --forever contradict each other")
	case f.expires != "":
		if g.Expires, err = parseMoment(f.expires, now); err != nil {
			return g, misusef("", "--expires: %v", err)
		}
	}
	if f.notBefore != "" {
		if g.NotBefore, err = parseMoment(f.notBefore, now); err != nil {
			return g, misusef("", "--not-before: %v", err)
		}
	}
	if f.command != grant.RunCommand && (f.gas != "" || f.memory != "" || f.limit != "" || f.tasks != "" || f.pure || len(f.functions) > 0) {
		return g, misusef("bound other commands with --policy", "--max-gas, --max-memory, --max-time, --max-tasks, --function and --pure are about %s", grant.RunCommand)
	}
	return g, nil
}

// honours are the commands that nodes act on by the authority of a delegation.
var honours = []string{grant.RunCommand, request.ReadCommand, request.ChangeCommand, receipt.Command, ucan.RevokeCommand}

// honoured tells whether a delegation of a command lets somebody do something.
func honoured(command string) bool {
	return slices.ContainsFunc(honours, func(h string) bool {
		return command == "/" || h == command || strings.HasPrefix(h, command+"/")
	})
}

// checkGrant refuses what would grant more than anybody means to.
func checkGrant(g ucan.Grant) error {
	err := grant.Check(g.Command, g.Policy)
	switch {
	case errors.Is(err, grant.ErrEverything):
		return misusef("name a command, such as --cmd "+grant.RunCommand+", or say with --policy what its arguments must fulfil", "--cmd /: %v", err)
	case errors.Is(err, grant.ErrAnywhere):
		return misusef(`say where, such as --policy '["like", ".uri", "https://example.com/*"]'; a * in the host or right behind it does not count`, "--cmd %s: %v", g.Command, err)
	}
	return err
}

// policy is what the flags say of it and of all workflows together. Modules given
// as files are imported.
func (a *app) policy(cmd *cobra.Command, f *delegateFlags) (p ucan.Policy, meta ipld.Value, err error) {
	b := grant.Bounds{Pure: f.pure}
	if b.Gas, err = bound("max-gas", f.gas, parseGas); err != nil {
		return p, meta, err
	}
	if b.Memory, err = bound("max-memory", f.memory, workflow.ParseSize); err != nil {
		return p, meta, err
	}
	if b.Time, err = bound("max-time", f.limit, parseTime); err != nil {
		return p, meta, err
	}
	if b.Tasks, err = bound("max-tasks", f.tasks, parseGas); err != nil {
		return p, meta, err
	}
	if b.Functions, err = a.functions(cmd, f.functions); err != nil {
		return p, meta, err
	}
	for _, fun := range b.Functions {
		f.modules = append(f.modules, fun.Module)
	}
	var more []ipld.Value
	for _, text := range f.statements {
		v, err := ipld.DecodeJSON([]byte(text))
		if err != nil {
			return p, meta, misusef(`a statement is a list, such as '["<=", ".gas", 1000]'`, "--policy %.200s: %v", text, err)
		}
		more = append(more, v)
	}
	if p, err = b.Policy(more...); err != nil {
		return p, meta, misusef(`one statement for each --policy, such as '["<=", ".gas", 1000]'`, "%v", err)
	}
	return p, b.Meta(), nil
}

// bound reads the value of a flag that need not be there.
func bound[T any](flag, text string, parse func(string) (T, error)) (value T, err error) {
	if text == "" {
		return value, nil
	}
	if value, err = parse(text); err != nil {
		err = misusef("", "--%s: %v", flag, err)
	}
	return value, err
}

// functions reads MODULE#NAME and MODULE, and imports those that are files.
func (a *app) functions(cmd *cobra.Command, texts []string) (all []grant.Function, err error) {
	if len(texts) == 0 {
		return nil, nil
	}
	node, err := a.open(cmd)
	if err != nil {
		return nil, err
	}
	defer func() { err = closing(cmd, node, err) }()
	for _, text := range texts {
		name, fun, named := strings.Cut(text, "#")
		if name == "" || named && fun == "" {
			return nil, misusef("such as --function square.wasm#square, or --function square.wasm for all functions of it", "--function %.200q is not MODULE#NAME", text)
		}
		link, err := module(cmd, node, name)
		if err != nil {
			return nil, err
		}
		all = append(all, grant.Function{Module: link, Name: fun})
	}
	return all, nil
}

// restsOn is the chain of proofs, the root first, by which the issuer has what it
// grants. It fills in the subject.
func restsOn(g *ucan.Grant, issuer did.DID, proofs []*ucan.SignedDelegation, now time.Time) ([]*ucan.SignedDelegation, error) {
	if g.Subject == "" {
		g.Subject = issuer
		for i, p := range proofs {
			subject := p.Delegation().Subject
			if i > 0 && subject != g.Subject && !p.Delegation().Powerline {
				return nil, misusef("say with --sub DID whose authority is passed on", "the proofs are about several subjects")
			}
			g.Subject = cmp.Or(subject, g.Subject)
		}
	}
	if g.Subject == issuer {
		if len(proofs) > 0 {
			return nil, misusef("leave --proof out, or say with --sub DID whose authority is passed on", "who passes on its own authority, here %s, needs no proof", issuer)
		}
		return nil, nil
	}
	if g.NotBefore.After(now) {
		now = g.NotBefore
	}
	chain, err := ucan.Prove(ucan.Wish{Subject: g.Subject, Holder: issuer, Command: g.Command}, proofs, ucan.Moment{Now: now})
	if err != nil {
		return nil, misusef("--proof FILE gives the delegations that lead from the subject to the key; `ipvm inspect FILE` shows them", "%s can not pass on the authority of %s: %v", issuer, g.Subject, err)
	}
	return chain, nil
}

// writeGrant writes the last of chain with its proofs before it, and says what
// was granted.
func writeGrant(cmd *cobra.Command, f *delegateFlags, chain []*ucan.SignedDelegation, now time.Time) error {
	container := ucan.Container{Delegations: chain}
	data, err := container.Append(nil, ucan.Base64URL)
	if err != nil {
		return err
	}
	if f.file != "" {
		if err := writeAtomically(f.file, data, 0o644); err != nil {
			return asMisuse(err)
		}
	}
	token := chain[len(chain)-1]
	if f.json {
		out := grantJSON{Schema: jsonSchema, delegationJSON: newDelegationJSON(token), File: f.file}
		for _, p := range chain[:len(chain)-1] {
			out.Proofs = append(out.Proofs, p.Link().Base58())
		}
		if f.file == "" {
			out.Container = string(data)
		}
		return printJSON(cmd.OutOrStdout(), out)
	}
	words := cmd.OutOrStdout()
	if f.file == "" {
		words = cmd.ErrOrStderr()
		if _, err := cmd.OutOrStdout().Write(data); err != nil {
			return err
		}
		if o, ok := cmd.OutOrStdout().(*os.File); ok && isTerminal(o) {
			fmt.Fprintln(words)
		}
	}
	printGrant(words, token, chain, now)
	if f.file != "" {
		fmt.Fprintf(words, "wrote %s\n", printable(f.file))
	}
	return nil
}

// grantJSON is what `ipvm delegate --json` prints.
type grantJSON struct {
	Schema int `json:"schema"`
	delegationJSON
	Proofs    []string `json:"proofs,omitempty"`
	File      string   `json:"file,omitempty"`
	Container string   `json:"container,omitempty"`
}

// printGrant says who may do what until when.
func printGrant(out io.Writer, token *ucan.SignedDelegation, chain []*ucan.SignedDelegation, now time.Time) {
	d := token.Delegation()
	fmt.Fprintln(out, token.Link().Base58())
	fmt.Fprintf(out, "%s may use %s of %s\n", d.Audience, printable(d.Command), d.Subject)
	fmt.Fprintf(out, "  %s\n", timesText(d, now))
	for _, words := range boundsWords(d) {
		fmt.Fprintf(out, "  %s\n", words)
	}
	for _, p := range chain[:len(chain)-1] {
		d := p.Delegation()
		fmt.Fprintf(out, "and no more than %s was granted by %s: %s\n", p.Link().Base58(), d.Issuer, timesText(d, now))
		for _, words := range boundsWords(d) {
			fmt.Fprintf(out, "  %s\n", words)
		}
	}
}

// timesText is from when until when d is in force.
func timesText(d ucan.Delegation, now time.Time) string {
	text := ""
	if d.NotBefore != nil {
		text = "from " + momentText(*d.NotBefore, now) + " "
	}
	if d.Expires == nil {
		return text + "until it is revoked"
	}
	return text + "until " + momentText(*d.Expires, now)
}

// signingKey is the key of a name or in a file, or with neither the node's own,
// which is made if there is none. The configuration is loaded.
func (a *app) signingKey(cmd *cobra.Command, name string) (did.PrivateKey, error) {
	if _, err := os.Stat(a.keyFile("")); name == "" && errors.Is(err, fs.ErrNotExist) {
		node, err := a.open(cmd)
		if err != nil {
			return did.PrivateKey{}, err
		}
		if err := closing(cmd, node, nil); err != nil {
			return did.PrivateKey{}, err
		}
	}
	return a.readKey(cmd, name)
}
