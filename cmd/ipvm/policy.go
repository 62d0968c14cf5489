package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// maxPolicyText bounds one statement in words, in characters.
const maxPolicyText = 1000

// boundsWords are the bounds of a delegation in words: its policy, and what all
// workflows together may use.
func boundsWords(d ucan.Delegation) []string {
	words := policyWords(d.Command, d.Policy)
	switch gas, bounded, err := grant.Total(d.Meta); {
	case err != nil:
		words = append(words, "nothing at all here: "+err.Error())
	case bounded:
		words = append(words, "gas of all workflows together at most "+count(gas))
	}
	return words
}

// policyWords are the statements of a policy in words, one each. What the
// arguments of /ipvm/run mean is told for that command only.
func policyWords(command string, p ucan.Policy) []string {
	words := []string{}
	for _, s := range p.Value().Elems() {
		words = append(words, shorten(printable(statementWords(s, command == grant.RunCommand)), maxPolicyText))
	}
	return words
}

// statementWords is one statement; run tells that it is about the arguments of
// /ipvm/run, not about a part of them or about others.
func statementWords(s ipld.Value, run bool) string {
	e := s.Elems()
	operator, _ := e[0].AsString()
	switch operator {
	case "and", "or":
		return connectiveWords(operator, e[1], run)
	case "not":
		return "not (" + statementWords(e[1], run) + ")"
	}
	selector, _ := e[1].AsString()
	if run {
		if words, ok := boundWords(operator, selector, e[2]); ok {
			return words
		}
	}
	if selector == "." {
		selector = "it"
	}
	switch operator {
	case "all":
		return "each of " + selector + ": (" + statementWords(e[2], false) + ")"
	case "any":
		return "at least one of " + selector + ": (" + statementWords(e[2], false) + ")"
	}
	return selector + comparisons[operator] + operandText(e[2])
}

var comparisons = map[string]string{
	"==": " is ", "!=": " is not ", "<": " below ", "<=": " at most ", ">": " above ", ">=": " at least ", "like": " like ",
}

func connectiveWords(operator string, inner ipld.Value, run bool) string {
	var parts []string
	for _, s := range inner.Elems() {
		parts = append(parts, statementWords(s, run))
	}
	switch len(parts) {
	case 0:
		return "anything"
	case 1:
		return parts[0]
	}
	return "(" + strings.Join(parts, ") "+operator+" (") + ")"
}

// boundWords is a statement such as `ipvm delegate` makes.
func boundWords(operator, selector string, operand ipld.Value) (string, bool) {
	switch {
	case operator == "==" && selector == ".effects" && operand.Kind() == ipld.KindList && operand.Len() == 0:
		return "no effects", true
	case operator == "==" && selector == ".workflow":
		return "only workflow " + operandText(operand), true
	case operator == "all" && selector == ".functions":
		return functionsWords(operand)
	}
	n, ok := operand.AsUint64()
	how, known := comparisons[operator]
	if !ok || !known {
		return "", false
	}
	switch selector {
	case ".gas", ".tasks":
		return selector[1:] + how + count(n), true
	case ".memory":
		return "memory" + how + size(n), true
	case ".time":
		if d := time.Duration(n); d >= 0 {
			return "time" + how + d.String(), true
		}
	}
	return "", false
}

// functionsWords is the statement that each function has to fulfil, if it is a
// choice of functions.
func functionsWords(s ipld.Value) (string, bool) {
	e := s.Elems()
	if operator, _ := e[0].AsString(); operator != "or" {
		words, ok := functionWords(s)
		return "only " + words, ok
	}
	var choices []string
	for _, c := range e[1].Elems() {
		words, ok := functionWords(c)
		if !ok {
			return "", false
		}
		choices = append(choices, words)
	}
	return "only " + strings.Join(choices, ", or "), len(choices) > 0
}

func functionWords(s ipld.Value) (string, bool) {
	e := s.Elems()
	if operator, _ := e[0].AsString(); operator != "and" {
		module, ok := equals(s, ".mod")
		link, isLink := module.AsLink()
		return "functions of module " + link.String(), ok && isLink
	}
	if e[1].Len() != 2 {
		return "", false
	}
	module, ok := equals(e[1].Elems()[0], ".mod")
	link, isLink := module.AsLink()
	fun, alsoOK := equals(e[1].Elems()[1], ".fun")
	name, isText := fun.AsString()
	return fmt.Sprintf("function %s of module %s", escaped(ipld.String(name).String()), link), ok && isLink && alsoOK && isText
}

// equals is what a statement compares with by ==, if it does with that selector.
func equals(s ipld.Value, selector string) (ipld.Value, bool) {
	e := s.Elems()
	operator, _ := e[0].AsString()
	if operator != "==" {
		return ipld.Null, false
	}
	sel, _ := e[1].AsString()
	return e[2], sel == selector
}

func operandText(v ipld.Value) string {
	if n, ok := v.AsUint64(); ok {
		return count(n)
	}
	return valueText(v)
}
