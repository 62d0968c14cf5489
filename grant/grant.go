package grant

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// RunCommand is the command of invocations that submit a workflow.
const RunCommand = "/ipvm/run"

// Bounds of the workflows that may be run. The zero value is no bound.
type Bounds struct {
	Gas    uint64        // 0 is no bound, as in the next three; see also [Bounds.Meta]
	Memory uint64        // in bytes
	Time   time.Duration // of all jobs, one after the other
	Tasks  uint64
	// Functions are the only ones that may be called; none is no bound.
	Functions []Function
	// Pure allows no effects.
	Pure bool
}

// Function is one function of a module, or all of them if Name is empty.
type Function struct {
	Module ipld.Link
	Name   string
}

// Policy is the policy that holds workflows to b and to the statements more.
// The error is that of [ucan.ParsePolicy].
func (b Bounds) Policy(more ...ipld.Value) (ucan.Policy, error) {
	var all []ipld.Value
	atMost := func(field string, most uint64) {
		if most > 0 {
			all = append(all, statement("<=", ipld.String(field), ipld.Uint(most)))
		}
	}
	atMost(".gas", b.Gas)
	atMost(".memory", b.Memory)
	atMost(".time", uint64(max(b.Time, 0)))
	atMost(".tasks", b.Tasks)
	if len(b.Functions) > 0 {
		all = append(all, only(b.Functions))
	}
	if b.Pure {
		all = append(all, statement("==", ipld.String(".effects"), ipld.List()))
	}
	return ucan.ParsePolicy(ipld.List(append(all, more...)...))
}

// TotalKey is where the meta of a delegation has what all workflows together may
// use that rest on it: a map {gas: number}. A policy can bound one invocation
// only.
const TotalKey = "ipvm/total"

// Meta is what a delegation within b says beside its policy: that the gas is that
// of all workflows together. It is null where b does not bound gas.
func (b Bounds) Meta() ipld.Value {
	if b.Gas == 0 {
		return ipld.Null
	}
	return ipld.Map(ipld.Entry{Key: TotalKey, Value: ipld.Map(ipld.Entry{Key: "gas", Value: ipld.Uint(b.Gas)})})
}

// Total reads what [Bounds.Meta] says. The error reports a total in another form,
// of which nobody knows how much it grants.
func Total(meta ipld.Value) (gas uint64, bounded bool, err error) {
	total, ok := meta.Lookup(TotalKey)
	if !ok {
		return 0, false, nil
	}
	e, ok := total.Sole()
	gas, isNumber := e.Value.AsUint64()
	if !ok || e.Key != "gas" || !isNumber {
		return 0, false, fmt.Errorf("meta: %s is not {gas: number}", TotalKey)
	}
	return gas, true, nil
}

// only allows no other functions. A promised module is null, which is no
// link, and so is not among them.
func only(functions []Function) ipld.Value {
	choices := make([]ipld.Value, len(functions))
	for i, f := range functions {
		choices[i] = statement("==", ipld.String(".mod"), ipld.LinkValue(f.Module))
		if f.Name != "" {
			name := statement("==", ipld.String(".fun"), ipld.String(f.Name))
			choices[i] = statement("and", ipld.List(choices[i], name))
		}
	}
	choice := choices[0]
	if len(choices) > 1 {
		choice = statement("or", ipld.List(choices...))
	}
	return statement("all", ipld.String(".functions"), choice)
}

func statement(operator string, operands ...ipld.Value) ipld.Value {
	return ipld.List(append([]ipld.Value{ipld.String(operator)}, operands...)...)
}

// Errors of [Check].
var (
	// ErrEverything reports a delegation of all commands that demands nothing
	// of their arguments.
	ErrEverything = errors.New("it would grant everything")
	// ErrAnywhere reports a delegation of effects that does not say on which
	// host, or on which URI.
	ErrAnywhere = errors.New("it would grant effects anywhere")
)

// Check refuses what nobody should sign without a second thought: the command
// "/" without a condition, and "/crud" and those below it without a condition
// on the URI. Such a condition is that .uri equals a text, or is like a pattern
// that has scheme and host and the slash behind it before its first star, so
// that the star can match neither "/" nor "@" within the host.
func Check(command string, p ucan.Policy) error {
	switch {
	case command == "/" && !anyBinds(p.Value(), anything):
		return ErrEverything
	case (command == "/crud" || strings.HasPrefix(command, "/crud/")) && !anyBinds(p.Value(), where):
		return ErrAnywhere
	}
	return nil
}

// binds tells whether a statement, where it holds, bounds the arguments in the
// way of test, which looks at comparisons. It may say no of one that does.
func binds(s ipld.Value, test func(operator, selector string, operand ipld.Value) bool) bool {
	e := s.Elems()
	switch operator, _ := e[0].AsString(); operator {
	case "and":
		return anyBinds(e[1], test)
	case "or":
		none := func(s ipld.Value) bool { return !binds(s, test) }
		return e[1].Len() > 0 && !slices.ContainsFunc(e[1].Elems(), none)
	case "==", "<", "<=", ">", ">=", "like":
		selector, _ := e[1].AsString()
		return test(operator, selector, e[2])
	}
	return false
}

// anyBinds is binds of statements that all have to hold.
func anyBinds(all ipld.Value, test func(operator, selector string, operand ipld.Value) bool) bool {
	return slices.ContainsFunc(all.Elems(), func(s ipld.Value) bool { return binds(s, test) })
}

func anything(operator, _ string, operand ipld.Value) bool {
	pattern, _ := operand.AsString()
	return operator != "like" || strings.Trim(pattern, "*") != ""
}

// where tells whether a comparison bounds the URI to one host.
func where(operator, selector string, operand ipld.Value) bool {
	text, ok := operand.AsString()
	if !ok || selector != ".uri" && selector != `.["uri"]` {
		return false
	}
	if operator == "==" {
		return true
	}
	fixed, _, _ := strings.Cut(text, "*")
	return operator == "like" && hostAndSlash.MatchString(fixed)
}

// hostAndSlash is how the normal form of a URI with a host begins.
var hostAndSlash = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[^/?#@\\\s]+/`)
