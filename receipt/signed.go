package receipt

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Signed is a receipt with its executor's signature. It does not change.
type Signed struct {
	Receipt
	token *ucan.SignedInvocation
}

// Issue signs r. Its Executor is key's DID; r.Executor may be empty or say the
// same. What a receipt does not hold, a failure's Message and the time limit,
// is left out, so that the result equals what Parse makes of its bytes. A
// Receipt that the format has no place for is refused with an error that wraps
// [ErrMalformed].
func Issue(key did.PrivateKey, r Receipt) (*Signed, error) {
	if r.Executor == "" {
		r.Executor = key.DID()
	}
	if r.Executor != key.DID() {
		return nil, fmt.Errorf("issue receipt: %w: executor %s is not the key's %s", ErrMalformed, r.Executor, key.DID())
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("issue receipt: %w: %w", ErrMalformed, err)
	}
	r.Limits.Time = 0
	if f := r.Out.Failure; f != nil {
		r.Out = task.Outcome{Failure: &task.Failure{Kind: f.Kind, Trap: f.Trap, Value: f.Value}}
	}
	token, err := ucan.SignInvocation(key, ucan.Invocation{Subject: r.Executor, Command: Command, Args: r.args(), Meta: r.meta()})
	if err != nil {
		return nil, fmt.Errorf("issue receipt: %w", err)
	}
	return &Signed{r, token}, nil
}

func (r *Receipt) args() ipld.Value {
	entries := make([]ipld.Entry, 0, 3) // in canonical order
	entries = append(entries,
		ipld.Entry{Key: "out", Value: r.Out.IPLD()},
		ipld.Entry{Key: "ran", Value: ipld.LinkValue(r.Task.Link)},
	)
	if r.Boxed.Defined() {
		entries = append(entries, ipld.Entry{Key: "boxed", Value: ipld.Bool(true)})
	}
	return ipld.Map(entries...)
}

func (r *Receipt) meta() ipld.Value {
	entries := make([]ipld.Entry, 0, 5) // in canonical order
	entries = append(entries, ipld.Entry{Key: "gas", Value: ipld.Uint(r.Gas)})
	if r.HasMemory {
		entries = append(entries, ipld.Entry{Key: "memory", Value: ipld.Uint(r.Memory)})
	}
	entries = append(entries,
		ipld.Entry{Key: "gasLimit", Value: ipld.Uint(r.Limits.Gas)},
		ipld.Entry{Key: "schedule", Value: ipld.String(r.Schedule)},
		ipld.Entry{Key: "memoryLimit", Value: ipld.Uint(r.Limits.Memory)},
	)
	return ipld.Map(entries...)
}

// Parse reads a receipt and keeps a copy of data. Its errors wrap
// [ErrMalformed]. It does not look at the signature: see [Signed.Verify].
func Parse(data []byte) (*Signed, error) {
	s, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return s, nil
}

func parse(data []byte) (*Signed, error) {
	token, err := ucan.ParseInvocation(data)
	if err != nil {
		return nil, err
	}
	inv := token.Invocation()
	if err := checkInvocation(inv, token.Tag()); err != nil {
		return nil, err
	}
	s := &Signed{Receipt{Executor: inv.Issuer}, token}
	if err := s.readArgs(inv.Args); err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	if err := s.readMeta(inv.Meta); err != nil {
		return nil, fmt.Errorf("meta: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkInvocation checks the fields that are the same in every receipt.
func checkInvocation(inv ucan.Invocation, tag string) error {
	switch {
	case tag != ucan.Tag:
		return fmt.Errorf("its tag is %s, not %s", tag, ucan.Tag)
	case inv.Command != Command:
		return fmt.Errorf("its command is %.80q, not %s", inv.Command, Command)
	case inv.Subject != inv.Issuer:
		return fmt.Errorf("its subject %s is not its issuer %s", inv.Subject, inv.Issuer)
	case inv.Audience != "" || len(inv.Proofs) != 0 || inv.Cause.Defined():
		return fmt.Errorf("it has an audience, proofs or a cause")
	case inv.Expires != nil || inv.IssuedAt != nil || inv.Nonce != "":
		return fmt.Errorf("it has a time or a nonce")
	}
	return nil
}

func (r *Receipt) readArgs(args ipld.Value) error {
	out, ok := args.Lookup("out")
	if !ok {
		return fmt.Errorf("no out")
	}
	ran, _ := args.Lookup("ran")
	if r.Task.Link, ok = ran.AsLink(); !ok {
		return fmt.Errorf("no link ran")
	}
	if err := r.readOut(out); err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if args.Len() == 2 {
		return nil
	}
	if boxed, _ := args.Lookup("boxed"); args.Len() != 3 || !boxed.Equal(ipld.Bool(true)) {
		return fmt.Errorf("not exactly out, ran and perhaps boxed: true")
	}
	if r.Boxed, ok = r.value().AsLink(); !ok {
		return fmt.Errorf("boxed, but no link")
	}
	return nil
}

// readOut reads {"ok": value} or {"error": {kind, trap?, value?}}.
func (r *Receipt) readOut(out ipld.Value) error {
	branch, ok := out.Sole()
	switch {
	case ok && branch.Key == "ok":
		r.Out.Value = branch.Value
		return nil
	case !ok || branch.Key != "error":
		return fmt.Errorf("not exactly one of ok and error")
	}
	kind, _ := branch.Value.Lookup("kind")
	name, ok := kind.AsString()
	if !ok {
		return fmt.Errorf("error has no text kind")
	}
	f := &task.Failure{Kind: task.Kind(name)}
	fields := 1
	if f.Kind == task.KindTrap {
		trap, _ := branch.Value.Lookup("trap")
		if f.Trap, ok = trap.AsString(); !ok {
			return fmt.Errorf("error of kind trap has no text trap")
		}
		fields++
	}
	if f.Kind == task.KindGuest {
		if f.Value, ok = branch.Value.Lookup("value"); !ok {
			return fmt.Errorf("error of kind guest has no value")
		}
		fields++
	}
	if branch.Value.Len() != fields {
		return fmt.Errorf("error of kind %.80q has other fields too", name)
	}
	r.Out.Failure = f
	return nil
}

func (r *Receipt) readMeta(meta ipld.Value) error {
	fields := 4
	number := func(key string) (n uint64) {
		v, found := meta.Lookup(key)
		n, ok := v.AsUint64()
		if !found || !ok {
			fields = -1
		}
		return n
	}
	if _, r.HasMemory = meta.Lookup("memory"); r.HasMemory {
		fields++
		r.Memory = number("memory")
	}
	r.Gas, r.Limits.Gas, r.Limits.Memory = number("gas"), number("gasLimit"), number("memoryLimit")
	schedule, _ := meta.Lookup("schedule")
	var ok bool
	if r.Schedule, ok = schedule.AsString(); !ok || meta.Len() != fields {
		return fmt.Errorf("not exactly gas, gasLimit, memoryLimit, schedule and perhaps memory")
	}
	return nil
}

// Verify checks the executor's signature. Its error wraps
// [ucan.ErrSignature].
func (s *Signed) Verify() error {
	if err := s.token.Verify(); err != nil {
		return fmt.Errorf("receipt by %s: %w", s.Executor, err)
	}
	return nil
}

// Bytes is the receipt as signed or received: a dag-cbor block. The caller
// must not change it.
func (s *Signed) Bytes() []byte { return s.token.Bytes() }

// Link is the CID of the receipt, computed at each call.
func (s *Signed) Link() ipld.Link { return s.token.Link() }

// SigHash is the SHA-256 of what is signed: equal for receipts that say the
// same in the name of the same executor.
func (s *Signed) SigHash() [32]byte { return s.token.SigHash() }
